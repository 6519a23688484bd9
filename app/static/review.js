// Recorded images of which a label would teach most, one after another; each answer is one key.

import { get, sendReview } from "./api.js";
import { drawGray } from "./maps.js";

const element = (id) => document.getElementById(id);
const NONE = "none of these";
const REASONS = {
  "smallest margin": "Of those that wait, the model is least sure between two classes here.",
  "largest prediction set": "It could be of many classes.",
  "unlike the training images": "It is unlike the training images.",
  "drawn by chance": "Drawn by chance, for a fair accuracy.",
};

export class Review {
  #attempt;
  #model = "";
  #labels = [];
  #waiting = []; // images, the next one first
  #done = []; // those that were answered or skipped, the last one last
  #busy = false;

  /** `attempt` does something that needs the server, and shows what goes wrong. */
  constructor(attempt) {
    this.#attempt = attempt;
    element("review-none").addEventListener("click", () => this.#answer(NONE));
    element("review-skip").addEventListener("click", () => this.#skip());
    element("review-undo").addEventListener("click", () => this.#undo());
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  /** Show what there is to review of this model. */
  async open(model) {
    if (model !== this.#model) this.#done = [];
    this.#model = model;
    await this.#load();
    this.#show();
    element("review-title").focus();
  }

  async #load() {
    element("review-empty").textContent = "There is nothing left to review. Ask for something, and come back.";
    this.#waiting = [];
    try {
      const found = await get(`review?${new URLSearchParams({ model: this.#model, limit: 50 })}`);
      const seen = new Set(this.#done.map(({ id }) => id));
      this.#labels = found.labels;
      this.#waiting = found.images.filter(({ id }) => !seen.has(id));
    } catch (error) {
      if (error.status !== 409) throw error;
      element("review-empty").textContent = error.message;
    }
  }

  #show() {
    const [image] = this.#waiting;
    element("review-task").hidden = !image;
    element("review-empty").hidden = Boolean(image);
    element("review-undo").disabled = this.#done.length === 0;
    const told = this.#done.filter(({ told }) => told).length;
    element("review-count").textContent = told ? `${told} told, thank you` : "";
    if (!image) return;
    drawGray(element("review-image"), image.pixels);
    element("review-reason").textContent = REASONS[image.reason];
    const ranked = [...this.#labels].sort((one, other) => image.probabilities[other] - image.probabilities[one]);
    const likeliest = new Set(ranked.slice(0, 3));
    element("review-likeliest").replaceChildren(...ranked.slice(0, 3).map((label) => this.#button(label, image)));
    const others = this.#labels.filter((label) => !likeliest.has(label));
    element("review-others-title").hidden = others.length === 0;
    element("review-others").replaceChildren(...others.map((label) => this.#button(label)));
  }

  #button(label, image) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const key = this.#labels.indexOf(label) + 1;
    button.append(label);
    if (image) button.append(` ${(image.probabilities[label] * 100).toFixed(0)} %`);
    if (key <= 10) button.append(" ", Object.assign(document.createElement("kbd"), { textContent: String(key % 10) }));
    button.addEventListener("click", () => this.#answer(label));
    return button;
  }

  #press(event) {
    const typing = event.target instanceof HTMLElement && event.target.closest("input, select, textarea");
    if (element("review").hidden || typing || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    const label = /^[0-9]$/.test(key) ? this.#labels[(Number(key) + 9) % 10] : undefined;
    if (key === "u") this.#undo();
    else if (element("review-task").hidden) return;
    else if (label !== undefined) this.#answer(label);
    else if (key === "n") this.#answer(NONE);
    else if (key === "s") this.#skip();
  }

  #answer(label) {
    return this.#once(async () => {
      const [image] = this.#waiting;
      await sendReview(image.id, label);
      this.#done.push({ ...image, told: true });
      element("review-said").textContent = `${label}. Next image.`;
      await this.#next();
    });
  }

  #skip() {
    return this.#once(async () => {
      this.#done.push({ ...this.#waiting[0], told: false });
      element("review-said").textContent = "Skipped. Next image.";
      await this.#next();
    });
  }

  /** Show the last image again, and take back what was told of it. */
  #undo() {
    return this.#once(async () => {
      const last = this.#done.at(-1);
      if (!last) return;
      if (last.told) await sendReview(last.id, null);
      this.#done.pop();
      this.#waiting.unshift(last);
      element("review-said").textContent = "Taken back.";
      this.#show();
    });
  }

  async #next() {
    this.#waiting.shift();
    if (this.#waiting.length === 0) await this.#load();
    this.#show();
  }

  /** One thing at a time: a key that is pressed while the last answer is on its way means nothing. */
  async #once(action) {
    if (this.#busy) return;
    this.#busy = true;
    await this.#attempt(action);
    this.#busy = false;
  }
}
