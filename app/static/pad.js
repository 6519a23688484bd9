// The drawing pad: pen, finger, mouse and keyboard on one canvas.

const SIDE = 280;
const CELL = SIDE / 28; // one of the model's pixels
const MOST_UNDOS = 50;

export class Pad {
  #canvas;
  #context;
  #onChange;
  #last = null; // where the pen was; null when it is up
  #undos = [];
  #cursor = { x: SIDE / 2, y: SIDE / 2, down: false };

  ink = 255;
  width = 3;

  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
    this.#context.lineCap = this.#context.lineJoin = "round";
    this.#onChange = onChange;
    this.#paper();
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (this.#last = null));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => (this.#cursor.down = false));
  }

  clear() {
    this.wipe();
    this.#onChange({ empty: true, anew: true });
  }

  /** Take away what is shown, for a file that can't be. */
  wipe() {
    this.#remember();
    this.#paper();
  }

  undo() {
    const before = this.#undos.pop();
    if (!before) return;
    this.#context.putImageData(before, 0, 0);
    this.#onChange({ empty: this.#isEmpty() });
  }

  /** Draw something else over the whole pad: `paint` gets the context in the model's 28×28 units. */
  paint(paint) {
    this.#remember();
    this.#paper();
    this.#context.save();
    this.#context.scale(CELL, CELL);
    paint(this.#context);
    this.#context.restore();
    this.#onChange({ empty: false, anew: true });
  }

  /** Show an image, whole and centered. */
  show(image) {
    this.#remember();
    this.#paper();
    const scale = SIDE / Math.max(image.width, image.height);
    const [width, height] = [image.width * scale, image.height * scale];
    this.#context.imageSmoothingEnabled = scale < 1;
    this.#context.drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  }

  /** A PNG file. Canvas.toBlob would wait for an idle moment to encode it, and there is none while one draws. */
  toBlob() {
    const base64 = this.#canvas.toDataURL("image/png").split(",")[1];
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new Blob([bytes], { type: "image/png" });
  }

  #paper() {
    this.#context.fillStyle = "#000";
    this.#context.fillRect(0, 0, SIDE, SIDE);
  }

  #remember() {
    this.#undos.push(this.#context.getImageData(0, 0, SIDE, SIDE));
    if (this.#undos.length > MOST_UNDOS) this.#undos.shift();
  }

  #isEmpty() {
    const { data } = this.#context.getImageData(0, 0, SIDE, SIDE);
    return data.every((value, position) => position % 4 === 3 || value === 0);
  }

  #down(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#remember();
    this.#last = this.#position(event);
    this.#line(this.#last, this.#last);
  }

  #move(event) {
    if (!this.#last) return;
    for (const step of event.getCoalescedEvents?.() ?? [event]) {
      const point = this.#position(step);
      this.#line(this.#last, point);
      this.#last = point;
    }
  }

  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in steps) {
      this.#step(...steps[event.key]);
    } else if (event.key === " ") {
      this.#cursor.down = !this.#cursor.down;
      if (this.#cursor.down) {
        this.#remember();
        this.#line(this.#cursor, this.#cursor);
      }
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      this.undo();
    } else {
      return;
    }
    event.preventDefault();
  }

  #step(right, down) {
    const from = { ...this.#cursor };
    this.#cursor.x = Math.min(SIDE, Math.max(0, from.x + right * CELL));
    this.#cursor.y = Math.min(SIDE, Math.max(0, from.y + down * CELL));
    if (this.#cursor.down) this.#line(from, this.#cursor);
  }

  #position(event) {
    const box = this.#canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * SIDE,
      y: ((event.clientY - box.top) / box.height) * SIDE,
    };
  }

  #line(from, to) {
    this.#context.strokeStyle = `rgb(${this.ink} ${this.ink} ${this.ink})`;
    this.#context.lineWidth = this.width * CELL;
    this.#context.beginPath();
    this.#context.moveTo(from.x, from.y);
    this.#context.lineTo(to.x, to.y);
    this.#context.stroke();
    this.#onChange({ empty: false });
  }
}
