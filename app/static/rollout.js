// The challenger beside the champion: how good each is, what the labels say so far, and what is missing to decide.

import { get } from "./api.js";

const element = (id) => document.getElementById(id);
const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)} %`;
const count = (number) => number.toLocaleString("en");

/** Show who stands by a model, and whether it has fallen; nothing where there is nothing to say. */
export async function showRollout({ name }) {
  const card = await get(`models/${encodeURIComponent(name)}`);
  const reasons = Object.entries(card.refused ?? {}).filter(([role]) => role !== "champion");
  const lines = sentences(card, reasons);
  element("rollout").hidden = !card.challenger && lines.length === 0;
  element("versions").hidden = !card.challenger;
  if (card.challenger) element("sides").replaceChildren(...sides(card));
  element("missing").replaceChildren(...lines.map(listItem));
}

function sides({ version, metadata, challenger, evidence }) {
  const rows = [
    ["Version", version, challenger.version],
    ["Test accuracy", ...[metadata, challenger.metadata].map(({ evaluation }) => percent(evaluation.accuracy, 2))],
  ];
  if (evidence?.labels) {
    rows.push(
      [`Right of ${count(evidence.labels)} labeled`, count(evidence.champion_correct), count(evidence.challenger_correct)],
      ["Right alone", count(evidence.only_champion_correct), count(evidence.only_challenger_correct)],
      [
        "Calibration error",
        percent(evidence.champion_calibration_error),
        percent(evidence.challenger_calibration_error),
      ],
    );
  }
  return rows.map(([name, ...values]) => {
    const line = document.createElement("tr");
    line.append(Object.assign(document.createElement("th"), { scope: "row", textContent: name }));
    line.append(...values.map((value) => Object.assign(document.createElement("td"), { textContent: value })));
    return line;
  });
}

function sentences({ challenger, evidence, fall, evidence_problem: problem, previous }, reasons) {
  const found = reasons.map(([, reason]) => reason);
  if (fall?.fallen) found.push(`The champion is worse in use than on its test set: right of ${count(fall.labels)} labeled: ${count(fall.correct)}.`);
  if (problem && challenger) found.push(problem);
  if (evidence?.enough) found.push("The challenger is proven: it can be promoted.");
  else if (evidence) found.push(...evidence.missing);
  if (evidence?.labels_to_go) found.push(`If it goes on like this, about ${count(evidence.labels_to_go)} more labels will do.`);
  if (previous) found.push(`Version ${previous.version} answered before, and can answer again at once.`);
  return found;
}

function listItem(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}
