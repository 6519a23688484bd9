// Wiring: what is on the pad goes to the API, and its answer onto the page.

import { explain, explainAsPicture, get, isAlive, sendFeedback, Unreachable } from "./api.js";
import { layOutBars, showAnswer, showEvidence, showNothing } from "./answer.js";
import { counted, showCard, showTemplates } from "./card.js";
import { Pad } from "./pad.js";
import { Review } from "./review.js";
import { showRollout } from "./rollout.js";
import { samplesFor } from "./samples.js";
import { decode, listen } from "./sources.js";

const element = (id) => document.getElementById(id);
const checked = (name) => document.querySelector(`input[name=${name}]:checked`).value;
const FIRST_WAIT = 1000; // ms until a server that does not answer is asked again; each further wait is twice as long
const LONGEST_WAIT = 60_000; // ms
const MOST_TRIES = 3; // of a request that is cut off by a server that lives
const KEPT = { labels: "it keeps none", answers: "it keeps none, only its answers", images: "it keeps them for review" };

const state = { models: [], ready: false, file: null, empty: true, answer: null, changes: 0, waiting: false };
const trouble = { wait: FIRST_WAIT, tries: 0 }; // until something is answered again

const pad = new Pad(element("pad"), ({ empty, anew }) => {
  if (anew) matchOrientation(null);
  Object.assign(state, { file: null, empty });
  refresh();
});

const review = new Review(attempt);

/** The query of every call about the image: a drawing is always fitted, a file as the reader chooses. */
function query() {
  return {
    model: element("model").value,
    invert: element("invert").checked,
    resize: state.file === null || element("fit").checked,
  };
}

/** A model of dark-on-light files turns them around; what is drawn here is light on dark. */
function matchOrientation(file) {
  if (current()?.metadata.preparation.invert) element("invert").checked = file !== null;
}

function image() {
  return state.file ?? pad.toBlob();
}

/** Ask about what is on the pad; while an answer is on its way, changes only mark that another is needed. */
async function refresh() {
  state.changes += 1;
  element("pad-hint").hidden = !state.empty;
  if (state.waiting) return;
  state.waiting = true;
  for (let seen = 0; seen !== state.changes; ) {
    seen = state.changes;
    await attempt(answerOnce);
  }
  state.waiting = false;
}

async function answerOnce() {
  const asked = { ...query(), pixels: true, against: element("against").value };
  state.answer = state.empty ? null : await explain(image(), asked);
  if (state.answer) {
    await keepUp(state.answer.model);
    showAnswer(state.answer, checked("evidence"));
    element("truth").value = state.answer.rival; // what it most likely is if the answer is wrong
  }
  settle();
}

function settle() {
  if (!state.answer) showNothing();
  element("thanks").textContent = "";
  element("try").disabled = !state.answer?.counterfactual;
  for (const id of ["report", "right", "wrong"]) element(id).disabled = !state.answer;
}

/** Do something that needs the server; whatever goes wrong is shown in words. */
async function attempt(action) {
  try {
    await action();
    recover();
    element("trouble").hidden = true;
  } catch (error) {
    state.answer = null;
    settle();
    complain(error.message);
    if (error instanceof Unreachable) return comeBack();
    recover();
    if (error.status === 404) await attempt(loadModels).then(() => complain(error.message)); // the model is gone
    else console.debug(error);
  }
}

function complain(message) {
  element("trouble").textContent = message;
  element("trouble").hidden = false;
}

function recover() {
  Object.assign(trouble, { wait: FIRST_WAIT, tries: 0 });
}

/** Ask again, more and more slowly; but where the server lives, it is the request that it does not want. */
async function comeBack() {
  if ((await isAlive()) && ++trouble.tries === MOST_TRIES) {
    recover();
    complain("The server answers, but ends the connection before this request is through: the file may be too large.");
    return;
  }
  do {
    await new Promise((resolve) => setTimeout(resolve, trouble.wait));
    trouble.wait = Math.min(2 * trouble.wait, LONGEST_WAIT);
  } while (!(await isAlive()));
  element("trouble").hidden = true;
  if (!state.ready) await attempt(start);
  else refresh();
}

async function takeFile(file) {
  const bitmap = await decode(file);
  if (bitmap) pad.show(bitmap);
  else pad.wipe();
  matchOrientation(file);
  Object.assign(state, { file, empty: false });
  await refresh();
  if (!bitmap && state.answer) pad.show(element("seen"));
}

async function start() {
  await loadModels();
  state.ready = true;
  showTab();
}

/** List the models; the one that was chosen stays chosen if it is still there. */
async function loadModels() {
  const { models, failed, problem } = await get("models");
  const reason = problem ?? Object.values(failed)[0];
  if (models.length === 0) throw new Error(reason ?? "There is no model yet; train one.");
  const wanted = element("model").value || new URLSearchParams(location.search).get("model");
  const chosen = models.find(({ name }) => name === wanted);
  state.models = models;
  element("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  element("model").value = (chosen ?? models.find((model) => model.default) ?? models[0]).name;
  await showModel();
}

/** Where an answer comes from another version than the one that is shown, show that one. */
async function keepUp({ version }) {
  if (version !== current().version) await loadModels();
}

async function showModel() {
  const { labels } = current().metadata;
  layOutBars(labels);
  element("against").replaceChildren(new Option("the nearest rival", ""), ...labels.map((label) => new Option(label)));
  element("truth").replaceChildren(...labels.map((label) => new Option(label)));
  const samples = samplesFor(labels);
  element("samples-title").hidden = samples.length === 0;
  element("samples").replaceChildren(...samples.map(sampleButton));
  matchOrientation(state.file);
  await showFigures();
  await showRollout(current());
  showTemplates((await get(`models/${encodeURIComponent(current().name)}/templates`)).weights);
}

function current() {
  return state.models.find(({ name }) => name === element("model").value);
}

async function showFigures() {
  const { live } = await get("metrics");
  const { name, version } = current();
  showCard(current(), live.feedback[name], live.windows[name]?.[version]);
  element("keeps").textContent = KEPT[live.records.keeps];
  return live.feedback[name];
}

/** The part of the page that the address names. */
function showTab() {
  const reviewing = location.hash === "#review";
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = (section.id === "review") !== reviewing;
  }
  for (const [id, current] of [["tab-ask", !reviewing], ["tab-review", reviewing]]) {
    if (current) element(id).setAttribute("aria-current", "page");
    else element(id).removeAttribute("aria-current");
  }
  if (reviewing && state.ready) attempt(() => review.open(element("model").value));
}

function sampleButton({ name, paint }) {
  const button = document.createElement("button");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 88;
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, 88, 88);
  context.scale(88 / 28, 88 / 28);
  paint(context);
  button.type = "button";
  button.append(canvas, name);
  button.addEventListener("click", () => pad.paint(paint));
  return button;
}

async function giveFeedback(label) {
  await attempt(async () => {
    const { model } = await sendFeedback(image(), label, query());
    await keepUp(model);
    const figures = await showFigures();
    element("thanks").textContent = `Thank you. It was right in ${figures.correct} of ${counted(figures.count, "case")} so far.`;
  });
}

function tryChange() {
  const { pixels } = state.answer.counterfactual;
  element("invert").checked = false; // these are the pixels as the model sees them
  pad.paint((context) => {
    for (const [row, shades] of pixels.entries()) {
      for (const [column, shade] of shades.entries()) {
        context.fillStyle = `rgb(${shade} ${shade} ${shade})`;
        context.fillRect(column, row, 1, 1);
      }
    }
  });
}

async function saveReport() {
  await attempt(async () => {
    const picture = await explainAsPicture(image(), { ...query(), against: element("against").value });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    link.download = `${state.answer.label.replaceAll(/\W+/g, "-")}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

listen(element("drop"), element("file"), takeFile, complain);
element("clear").addEventListener("click", () => pad.clear());
element("undo").addEventListener("click", () => pad.undo());
element("width").addEventListener("input", () => (pad.width = Number(element("width").value)));
for (const id of ["invert", "fit", "against"]) element(id).addEventListener("change", refresh);
element("model").addEventListener("change", () => {
  history.replaceState(null, "", `?${new URLSearchParams({ model: element("model").value })}${location.hash}`);
  return attempt(showModel).then(refresh).then(showTab);
});
addEventListener("hashchange", showTab);
element("try").addEventListener("click", tryChange);
element("report").addEventListener("click", saveReport);
element("right").addEventListener("click", () => giveFeedback(state.answer.label));
element("feedback").addEventListener("submit", (event) => {
  event.preventDefault();
  giveFeedback(element("truth").value);
});
for (const input of document.querySelectorAll("input[name=ink]")) {
  input.addEventListener("change", () => (pad.ink = Number(input.value)));
}
for (const input of document.querySelectorAll("input[name=evidence]")) {
  input.addEventListener("change", () => state.answer && showEvidence(state.answer, input.value));
}
attempt(start);
