// The review page: shows one record at a time and saves each decision before it goes on. Every text is put in as text.
"use strict";

const find = (id) => document.getElementById(id);
const token = location.hash.slice(1);
const keys = { h: "harmful", u: "unharmful", d: "drop", z: "undo" };

let records = [];
let decisions = {};
let at = 0;
let saving = false;

async function ask(path, body) {
  const options = { headers: { "X-Review-Token": token }, cache: "no-store" };
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("Not saved: railmatch review has ended. Start it again; what was saved before is there.");
  }
  const said = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function trouble(error) {
  find("trouble").textContent = error ? error.message : "";
  find("trouble").hidden = !error;
}

function write(id, text) {
  find(id).textContent = text ?? "";
  find(id).hidden = !text;
}

function show() {
  const record = records[at];
  const decided = records.filter((each) => each.id in decisions).length;
  find("count").textContent = records.length
    ? `${at + 1} of ${records.length}, ${decided} decided`
    : "There are none: classifier and judges agree with every label.";
  find("progress").max = Math.max(1, records.length);
  find("progress").value = decided;
  find("record").hidden = !record;
  if (!record) return;
  write("label", record.label);
  find("label").dataset.label = record.label;
  write("category", record.category);
  write("judges", record.judges && `judges: ${record.judges}`);
  write("score", typeof record.score === "number" ? `classifier: ${record.score.toFixed(2)}` : "");
  write("why", record.why);
  write("prompt", record.prompt);
  write("response", record.response);
  find("response-title").hidden = !record.response;
  const decision = decisions[record.id];
  find("decision").textContent = decision ?? "not yet";
  for (const button of document.querySelectorAll("[data-decision]")) {
    button.setAttribute("aria-pressed", String(button.dataset.decision === decision));
  }
}

function go(place) {
  if (!records.length) return;
  at = Math.min(records.length - 1, Math.max(0, place));
  find("texts").open = find("unfold").checked;
  find("status").textContent = "";
  show();
}

function nextUndecided() {
  const after = records.findIndex((record, place) => place > at && !(record.id in decisions));
  return after >= 0 ? after : records.findIndex((record) => !(record.id in decisions));
}

async function decide(decision) {
  if (saving || !records.length) return;
  saving = true;
  const { id } = records[at];
  try {
    await ask("decisions", { id, decision });
  } catch (error) {
    trouble(error);
    return;
  } finally {
    saving = false;
  }
  trouble(null);
  if (decision === "undo") {
    delete decisions[id];
    go(at);
  } else {
    decisions[id] = decision;
    const next = nextUndecided();
    go(next >= 0 ? next : at);
  }
  const all = records.every((record) => record.id in decisions);
  find("status").textContent = `Saved: ${decision}.` + (all ? " All records are decided." : "");
}

document.addEventListener("keydown", (event) => {
  // A key that is held down would decide about records that nobody has seen.
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || !records.length) return;
  const key = event.key.toLowerCase();
  const onControl = event.target.closest("button, input, summary");
  if (key in keys) decide(keys[key]);
  else if (key === "j" || key === "arrowright") go(at + 1);
  else if (key === "k" || key === "arrowleft") go(at - 1);
  else if (key === " " && !onControl) find("texts").open = !find("texts").open;
  else return;
  event.preventDefault();
});

for (const button of document.querySelectorAll("[data-decision]")) {
  button.addEventListener("click", () => decide(button.dataset.decision));
}
document.addEventListener("click", (event) => {
  // The space bar belongs to the text: a button that was clicked with a mouse would take it for another click.
  if (event.detail > 0) document.activeElement.blur();
});
find("back").addEventListener("click", () => go(at - 1));
find("on").addEventListener("click", () => go(at + 1));
find("unfold").addEventListener("change", () => go(at));

ask("records").then((found) => {
  ({ records, decisions } = found);
  decisions = Object.assign(Object.create(null), decisions);
  show();
  const first = records.findIndex((record) => !(record.id in decisions));
  go(first >= 0 ? first : 0);
}, trouble);
