// 28×28 pictures on canvases: shades of gray, and evidence in two colors that color-blind eyes tell apart.

const SIDE = 28;
const FOR = [38, 128, 255];
const AGAINST = [255, 138, 30];

/** Shades 0-255, rows of columns. */
export function drawGray(canvas, rows) {
  paint(canvas, (row, column) => Array(3).fill(rows[row][column]));
}

/** Evidence over the dimmed image that it is about. */
export function drawEvidence(canvas, values, shades) {
  const strongest = largest(values);
  paint(canvas, (row, column) => {
    const strength = Math.sqrt(Math.abs(values[row][column]) / strongest); // the root keeps small evidence visible
    const color = values[row][column] > 0 ? FOR : AGAINST;
    const gray = shades[row][column] * 0.45;
    return color.map((part) => gray + strength * (part - gray));
  });
}

/** Weights on black: what a light pixel would say at each place. */
export function drawWeights(canvas, values) {
  const blank = Array.from({ length: SIDE }, () => Array(SIDE).fill(0));
  drawEvidence(canvas, values, blank);
}

export function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, SIDE, SIDE);
}

function largest(values) {
  return Math.max(1e-9, ...values.flat().map(Math.abs));
}

function paint(canvas, colorAt) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let position = 0; position < SIDE * SIDE; position += 1) {
    image.data.set(colorAt(Math.floor(position / SIDE), position % SIDE), position * 4);
    image.data[position * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
