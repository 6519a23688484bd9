// Pictures to start from, drawn for this page in the model's 28×28 units: [shade, outline] laid over one another.

const GARMENTS = {
  "T-shirt": [[200, "M9 2 Q14 5 19 2 L27 6 24 12 21 10.5 V26 H7 V10.5 L4 12 1 6Z"], [110, "M9.5 2.2 Q14 5 18.5 2.2 Q14 3.6 9.5 2.2Z"]],
  Trouser: [[190, "M8.5 0 H19.5 L20.5 28 H15.6 L14 8 12.4 28 H7.5Z"], [120, "M8.5 0 H19.5 V2 H8.5Z"]],
  Shirt: [
    [210, "M10 1 Q14 3 18 1 L23 4 25.5 26 21.6 26 21 12 V27 H7 V12 L6.4 26 2.5 26 5 4Z"],
    [130, "M10 1 L13 6 14 3 15 6 18 1 L14 3Z M13.7 6 H14.3 V27 H13.7Z"],
  ],
  Dress: [[200, "M10.5 0 Q14 4 17.5 0 L19 1 17.5 10 21.5 28 H6.5 L10.5 10 9 1Z"], [110, "M10.5 9.6 H17.5 V10.8 H10.5Z"]],
  Sandal: [
    [220, "M1 22.5 Q9 21 16 19 L26 13.5 27 15 26.5 22.5 H25 L24.5 18 17 21.5 Q9 24 1 24Z"],
    [200, "M4 22 L8 16.5 9.5 16.5 7 22Z M9 21.5 L10.5 16 12 16 12.5 21Z M22 16 L21.5 8.5 23 8.5 25 14.5Z"],
  ],
  Sneaker: [[170, "M0 16.5 Q4 15 9 14 L15.5 10.5 Q18 12 21 11 L26.5 9.5 28 17 H0Z"], [230, "M0 16 H28 V18.5 H0Z"]],
  Bag: [[190, "M2 10.5 H26 L27 26 H1Z"], [110, "M2 10.5 H26 V13 H2Z M8 10.5 Q8 2 14 2 Q20 2 20 10.5 H18.2 Q18.2 4 14 4 Q9.8 4 9.8 10.5Z"]],
  "Ankle boot": [[175, "M15.5 1 H26 L27 25 H1 V21 Q4 17.5 10 16.5 Q15.5 14 15.5 1Z"], [240, "M1 24 H27 V26.5 H1Z"]],
};

const DIGITS = {
  0: "M14 5 C8 5 8 23 14 23 C20 23 20 5 14 5",
  1: "M10 9 L14.5 5 V23",
  2: "M9 9 C9 4 19 4 19 10 C19 14 9 20 9 23 H20",
  3: "M9 6 C17 3 21 11 13.5 13.5 C22 15 18 25 9 22",
  4: "M16 5 L8 17 H20 M16.5 11 V24",
  5: "M19 5 H11 L10 13 C16 10 20 14 18.5 19 C17 24 11 24 9 21",
  7: "M9 6 H19 L12 23",
  8: "M14 13 C8 11 9 5 14 5 C19 5 20 11 14 13 C7 15 8 23 14 23 C20 23 21 15 14 13",
};

const FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/** Names and painters for a model with these labels, none for labels of one's own; a painter draws in 28×28 units. */
export function samplesFor(labels) {
  const digits = labels.length === 10 && labels.every((label, place) => label.split(" ")[0] === String(place));
  const garments = labels.length === 10 && FASHION.every((label) => labels.includes(label));
  const drawings = digits ? DIGITS : garments ? GARMENTS : {};
  return Object.entries(drawings).map(([name, drawing]) => ({
    name,
    paint: digits ? strokes(drawing) : layers(drawing),
  }));
}

function layers(drawing) {
  return (context) => {
    for (const [shade, outline] of drawing) {
      context.fillStyle = `rgb(${shade} ${shade} ${shade})`;
      context.fill(new Path2D(outline));
    }
  };
}

function strokes(outline) {
  return (context) => {
    context.strokeStyle = "#fff";
    context.lineWidth = 2.6;
    context.stroke(new Path2D(outline));
  };
}
