// The model's card: how good it is, what it confuses, what it has learnt.

import { drawWeights } from "./maps.js";

const element = (id) => document.getElementById(id);
const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)} %`;
const range = ([low, high]) => `${(low * 100).toFixed(1)}–${(high * 100).toFixed(1)} % with 95 % confidence`;
const count = (number) => number.toLocaleString("en");

/** The number with its noun, singular or plural. */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

const WINDOWS = { hour: "Last hour", day: "Last day", week: "Last week", all: "In all" };

export function showCard({ name, version, metadata }, feedback, windows) {
  const { evaluation } = metadata;
  const created = new Date(metadata.created_at).toLocaleDateString("en", { dateStyle: "long" });
  element("origin").textContent = `${name}, version ${version}; trained on ${metadata.dataset}, ${created}.${prepared(metadata.preparation)}`;
  element("figures").replaceChildren(
    ...figure("Test accuracy", percent(evaluation.accuracy, 2), range(evaluation.accuracy_interval)),
    ...liveFigure(feedback),
    ...figure("Calibration error", percent(evaluation.calibration_error), "how far confidence is from accuracy"),
    ...figure("Test images", count(evaluation.sample_count), "none of them seen in training"),
  );
  element("windows").replaceChildren(...Object.entries(windows ?? {}).map(windowLine));
  showConfusion(metadata.labels, evaluation.confusion_matrix);
  element("sets").hidden = evaluation.coverages.length === 0;
  element("coverages").replaceChildren(...evaluation.coverages.map(coverageRow));
  element("sets-whole").hidden = evaluation.coverages.every(({ mean_set_size }) => mean_set_size < metadata.labels.length);
}

export function showTemplates(weights) {
  element("templates").replaceChildren(
    ...Object.entries(weights).map(([label, values]) => {
      const [figure, canvas, caption] = ["figure", "canvas", "figcaption"].map((tag) => document.createElement(tag));
      canvas.width = canvas.height = 28;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Weights of ${label}`);
      drawWeights(canvas, values);
      caption.textContent = label;
      figure.append(canvas, caption);
      return figure;
    }),
  );
}

function prepared({ resize, invert, center }) {
  const steps = [resize && "fitted into 28×28", invert && "inverted", center === "mass" && "centered"].filter(Boolean);
  return steps.length === 0 ? "" : ` Image files are ${steps.join(", ")}, unless a request says otherwise.`;
}

function liveFigure(feedback) {
  if (!feedback?.count) return figure("Live accuracy", "–", "no feedback on this version yet");
  const note = `${range(feedback.accuracy_interval)}; ${count(feedback.correct)} of ${count(feedback.count)} right`;
  return figure("Live accuracy", percent(feedback.accuracy), feedback.warning ?? note);
}

function windowLine([name, found]) {
  const line = document.createElement("li");
  const parts = [counted(found.answers, "answer")];
  if (found.accuracy === null) parts.push(counted(found.labels, "label"));
  else {
    const judged = counted(found.labels - found.reviewed, "label");
    parts.push(`${percent(found.accuracy)} of ${judged} right, ${range(found.accuracy_interval)}`);
  }
  if (found.estimated_accuracy) parts.push(`${percent(found.estimated_accuracy.accuracy)} by the confidences`);
  if (found.class_drift?.drifted || found.confidence_drift?.drifted) parts.push("spread otherwise than on the test images");
  const term = Object.assign(document.createElement("b"), { textContent: `${WINDOWS[name]}: ` });
  line.append(term, parts.join("; "));
  return line;
}

function figure(name, value, note) {
  const [term, detail, small] = ["dt", "dd", "small"].map((tag) => document.createElement(tag));
  term.textContent = name;
  small.textContent = note;
  detail.append(value, small);
  const group = document.createElement("div");
  group.append(term, detail);
  return [group];
}

function showConfusion(labels, matrix) {
  const head = document.createElement("tr");
  head.append(document.createElement("td"), ...labels.map(columnHeader));
  const top = document.createElement("thead");
  top.append(head);
  const body = document.createElement("tbody");
  body.append(...matrix.map((row, actual) => confusionRow(labels, row, actual)));
  element("confusion").replaceChildren(top, body);
}

function confusionRow(labels, row, actual) {
  const line = document.createElement("tr");
  const total = Math.max(1, row.reduce((sum, value) => sum + value, 0));
  line.append(header(labels[actual], "row"));
  for (const [predicted, value] of row.entries()) {
    const cell = document.createElement("td");
    const share = value / total;
    cell.textContent = value || "";
    cell.title = `${value} of ${total} ${labels[actual]} answered as ${labels[predicted]}`;
    cell.style.setProperty("--share", predicted === actual ? share : Math.min(1, share * 2));
    cell.classList.toggle("error", predicted !== actual);
    cell.classList.toggle("strong", predicted === actual && share > 0.5);
    line.append(cell);
  }
  return line;
}

function coverageRow({ coverage, measured_coverage, mean_set_size }) {
  const line = document.createElement("tr");
  line.append(header(`${Number((coverage * 100).toFixed(1))} %`, "row"));
  for (const text of [percent(measured_coverage), mean_set_size.toFixed(2)]) {
    line.append(Object.assign(document.createElement("td"), { textContent: text }));
  }
  return line;
}

function columnHeader(label) {
  const cell = header("", "col");
  const upright = document.createElement("span"); // a turned cell would lose its place in the table
  upright.textContent = label;
  cell.append(upright);
  return cell;
}

function header(label, scope) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = label;
  return cell;
}
