// The public API, and what its refusals and silences are called.

/** The server answered, and refused; `message` is what to show. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The server did not answer. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer. This page asks again, more and more slowly, until it does; what you drew is kept.");
  }
}

export async function get(path) {
  return (await ask(path, { headers: { Accept: "application/json" } })).json();
}

/** What the model makes of an image, and why. `query` holds the route's parameters; empty ones are left out. */
export async function explain(image, query) {
  return (await ask(`explain?${parameters(query)}`, { method: "POST", body: form(image) })).json();
}

/** The same as a PNG picture, a Blob. */
export async function explainAsPicture(image, query) {
  const headers = { Accept: "image/png" };
  return (await ask(`explain?${parameters(query)}`, { method: "POST", body: form(image), headers })).blob();
}

export async function sendFeedback(image, label, query) {
  const body = form(image);
  body.append("label", label);
  return (await ask(`feedback?${parameters(query)}`, { method: "POST", body })).json();
}

/** Tell the true label of a recorded answer; null takes back what was told. */
export async function sendReview(id, label) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ id, label, source: "review" });
  return (await ask("feedback", { method: "POST", body, headers })).json();
}

export async function isAlive() {
  try {
    return (await fetch("livez", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

function form(image) {
  const body = new FormData();
  body.append("file", image, image.name ?? "drawing.png");
  return body;
}

function parameters(query) {
  return new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== undefined));
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Unreachable();
  }
  if (!answer.ok) throw new Refusal(await reason(answer), answer.status);
  return answer;
}

async function reason(answer) {
  try {
    const problem = await answer.json();
    if (answer.status < 500) return problem.detail;
    return `${problem.title}: ${problem.detail} (request ${problem.request_id})`;
  } catch {
    return `The server answered ${answer.status} and gave no reason.`;
  }
}
