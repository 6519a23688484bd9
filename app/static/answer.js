// The answer: label, bars, the three tiles, and what a screen reader hears of them.

import { clear, drawEvidence, drawGray } from "./maps.js";

const element = (id) => document.getElementById(id);
const percent = (share) => `${(share * 100).toFixed(1)} %`;
const SETTLED = 700; // ms without a change before the answer is spoken

let spoken;

/** One bar for each class, in the model's order, so that they keep their places while one draws. */
export function layOutBars(labels) {
  element("bars").replaceChildren(
    ...labels.map((label) => {
      const row = document.createElement("li");
      const [name, track, fill, value] = ["span", "div", "div", "span"].map((tag) => document.createElement(tag));
      name.textContent = label;
      track.className = "track";
      fill.className = "fill";
      value.className = "value";
      value.textContent = "–";
      track.append(fill);
      row.append(name, track, value);
      return row;
    }),
  );
}

export function showAnswer(answer, kind) {
  element("label").textContent = answer.label;
  element("confidence").textContent = percent(answer.confidence);
  showTicker(answer);
  showBars(answer);
  drawGray(element("seen"), answer.pixels);
  showEvidence(answer, kind);
  showCounterfactual(answer);
  showWarning(answer.warnings ?? []);
  clearTimeout(spoken);
  spoken = setTimeout(() => {
    element("spoken").textContent = `${answer.label}, ${percent(answer.confidence)}`;
  }, SETTLED);
}

export function showEvidence(answer, kind) {
  const canvas = element("evidence");
  drawEvidence(canvas, answer[kind], answer.pixels);
  const other = kind === "difference" ? `for ${answer.rival}` : "against it";
  element("for-label").textContent = `for ${answer.label}`;
  element("against-label").textContent = other;
  canvas.setAttribute("aria-label", `Evidence for ${answer.label} in blue, ${other} in orange`);
}

export function showNothing() {
  clearTimeout(spoken);
  element("label").textContent = "Nothing yet";
  element("ticker").hidden = true;
  for (const id of ["confidence", "spoken"]) element(id).textContent = "";
  for (const row of element("bars").children) {
    row.className = "";
    row.querySelector(".fill").style.setProperty("--share", 0);
    row.querySelector(".value").textContent = "–";
  }
  for (const id of ["seen", "evidence", "counterfactual"]) clear(element(id));
  element("change").textContent = "the smallest change that does";
  element("for-label").textContent = "for the answer";
  element("against-label").textContent = "against it";
  showWarning([]);
}

/** The answer in one line, for screens where the pad and the bars don't fit together. */
function showTicker({ label, confidence }) {
  const share = document.createElement("b");
  share.textContent = percent(confidence);
  element("ticker").replaceChildren(label, share);
  element("ticker").hidden = false;
}

function showBars(answer) {
  for (const row of element("bars").children) {
    const label = row.firstChild.textContent;
    const share = answer.probabilities[label];
    row.className = label === answer.label ? "winner" : label === answer.rival ? "rival" : "";
    row.querySelector(".fill").style.setProperty("--share", share);
    row.querySelector(".value").textContent = percent(share);
  }
}

function showCounterfactual({ counterfactual, label }) {
  const canvas = element("counterfactual");
  if (!counterfactual) {
    clear(canvas);
    element("change").textContent = `Nothing: no image is anything but ${label} here.`;
    return;
  }
  drawGray(canvas, counterfactual.pixels);
  const levels = Math.round(counterfactual.linf * 255);
  element("change").textContent = `This is ${counterfactual.label}. No pixel differs by more than ${levels} of 255.`;
  canvas.setAttribute("aria-label", `The nearest image that is answered ${counterfactual.label}`);
}

function showWarning(warnings) {
  element("warning").hidden = warnings.length === 0;
  element("warning").textContent = warnings.map((warning) => warning.detail).join(" ");
}
