// The playground: one prompt, up to four models beside each other. What is said stays in this page and goes with it, but
// for a prompt that somebody saves.
import { Column, button, element, picture } from "./contender.js";
import { inert } from "./markdown.js";
import { saving } from "./saving.js";
import { program } from "./snippets.js";

const MOST_MODELS = 4;
const MOST_IMAGES = 6;
const MOST_IMAGE_BYTES = 4 * 1024 * 1024;
const IMAGE = /^image\/(png|jpeg|webp|gif)$/;

const at = (id) => document.getElementById(id);
const page = at("playground");
const fields = Object.fromEntries(["key", "system", "temperature", "max", "effort", "stops", "tools", "schema", "message"].map((id) => [id, at(id)]));
let columns = [];
let images = [];
let asked = [];  // the questions since one began anew
let following = [];  // questions of an opened prompt that are still to come

// -- what is asked ----------------------------------------------------------------------------------------------------

class TypedWrongly extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

function json(field, what, fits) {
  field.removeAttribute("aria-invalid");
  if (!field.value.trim()) return undefined;
  let value;
  try { value = JSON.parse(field.value); } catch (error) { throw new TypedWrongly(field, `${what} cannot be read as JSON: ${error.message}.`); }
  if (!fits(value)) throw new TypedWrongly(field, `${what} must be a JSON ${fits === Array.isArray ? "list" : "object"}.`);
  return value;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Return the body of a request with these messages. */
function bodyOf(model, messages) {
  const body = { model, messages: fields.system.value.trim() ? [{ role: "system", content: fields.system.value }, ...messages] : messages };
  if (fields.temperature.value) body.temperature = Number(fields.temperature.value);
  // OpenAI's reasoning models take the newer name alone, and many other makers' interfaces the older one.
  if (fields.max.value) body[/(^|\/)(gpt-|chatgpt|o\d)/.test(model) ? "max_completion_tokens" : "max_tokens"] = Number(fields.max.value);
  if (fields.effort.value) body.reasoning_effort = fields.effort.value;
  const stops = fields.stops.value.split("\n").filter(Boolean);
  if (stops.length) body.stop = stops;
  const tools = json(fields.tools, "What stands under Tools", Array.isArray);
  if (tools?.length) body.tools = tools;
  const schema = json(fields.schema, "The schema", isObject);
  if (schema) body.response_format = { type: "json_schema", json_schema: { name: "answer", schema, strict: schema.additionalProperties === false } };
  return body;
}

function typed() {
  const text = fields.message.value;
  if (!images.length) return text.trim() ? { role: "user", content: text } : null;
  const parts = images.map((image) => ({ type: "image_url", image_url: { url: image.url } }));
  return { role: "user", content: text.trim() ? [{ type: "text", text }, ...parts] : parts };
}

// -- what is saved ----------------------------------------------------------------------------------------------------

/** Return what stands here, as it is saved: no answers. */
function standing() {
  const number = (field) => (field.value ? Number(field.value) : null);
  const now = { text: fields.message.value, images: images.map((image) => image.url) };
  const questions = [...asked, ...(now.text.trim() || now.images.length ? [now] : []), ...following];
  return {
    models: columns.map((column) => column.model.value.trim()).filter(Boolean),
    system: fields.system.value,
    questions,
    temperature: number(fields.temperature),
    max_tokens: number(fields.max),
    reasoning_effort: fields.effort.value || null,
    stop: fields.stops.value,
    tools: fields.tools.value,
    json_schema: fields.schema.value,
  };
}

/** Put a saved prompt here. Of several questions the first is to be sent, and the next one follows it. */
function open(prompt) {
  begin();
  fields.system.value = prompt.system ?? "";
  fields.temperature.value = prompt.temperature ?? "";
  fields.max.value = prompt.max_tokens ?? "";
  fields.effort.value = prompt.reasoning_effort ?? "";
  fields.stops.value = prompt.stop ?? "";
  fields.tools.value = prompt.tools ?? "";
  fields.schema.value = prompt.json_schema ?? "";
  for (const field of [fields.tools, fields.schema]) field.closest("details").open = Boolean(field.value);
  const [first, ...rest] = prompt.questions ?? [];
  following = rest;
  compose(first);
  const models = prompt.models?.length ? prompt.models : [page.dataset.model];
  for (const model of models) add(model);
}

// -- the page ---------------------------------------------------------------------------------------------------------

function say(text, field) {
  at("said").textContent = text;
  if (!field) return;
  field.setAttribute("aria-invalid", "true");
  const details = field.closest("details");
  if (details) details.open = true;
  field.focus();
}

const around = {
  bodyOf,
  refresh,
  remove,
  showCode,
  start,
  asking: () => ({ run: page.dataset.run, token: page.dataset.token, key: fields.key.value }),
};

function refresh() {
  const running = columns.some((column) => column.running);
  at("stop").hidden = !running;
  at("send").disabled = running;
  at("add").hidden = columns.length >= MOST_MODELS;
  for (const column of columns) {
    column.root.querySelector(".remove").hidden = columns.length < 2;
    column.model.readOnly = Boolean(column.running);
  }
}

function start(which) {
  try {
    for (const column of which) bodyOf(column.model.value.trim(), column.messages);
  } catch (error) {
    if (!(error instanceof TypedWrongly)) throw error;
    say(error.message, error.field);
    return false;
  }
  say("");
  Promise.all(which.map((column) => column.run())).then(() => {
    if (!columns.some((column) => column.running)) say("");
  });
  return true;
}

function send() {
  if (columns.some((column) => column.running)) return;
  const unnamed = columns.find((column) => !column.model.value.trim());
  if (unnamed) { say("Which model?", unnamed.model); return; }
  const pending = columns.find((column) => column.waiting.length);
  if (pending) { say("First give the results of the tools.", pending.waiting[0].field); return; }
  const message = typed();
  if (!message) { say("Write something first.", fields.message); return; }
  try { bodyOf("", []); } catch (error) { say(error.message, error.field); return; }
  for (const column of columns) column.say(message);
  if (!start(columns)) return;
  asked.push({ text: fields.message.value, images: images.map((image) => image.url) });
  compose(following.shift());
}

/** Put a question into the composer, to be looked at and sent. */
function compose(question) {
  fields.message.value = question?.text ?? "";
  images = (question?.images ?? []).map((url, number) => ({ url, name: `image ${number + 1}` }));
  showImages();
}

function begin() {
  for (const column of columns) column.clear();
  say("");
  asked = [];
  following = [];
}

function add(model) {
  columns.push(new Column(model, around));
  refresh();
}

function remove(column) {
  column.running?.abort();
  column.root.remove();
  columns = columns.filter((other) => other !== column);
  refresh();
  columns[0].model.focus();
}

/** Take files, of a list that stays as it is: that of a field is emptied with it. */
async function attach(files) {
  for (const file of files) {
    if (!IMAGE.test(file.type)) { say(`${inert(file.name)} is no PNG, JPEG, WebP or GIF.`); continue; }
    if (file.size > MOST_IMAGE_BYTES) { say(`${inert(file.name)} is larger than 4 MB.`); continue; }
    if (images.length >= MOST_IMAGES) { say(`No more than ${MOST_IMAGES} images.`); break; }
    const url = await new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.addEventListener("load", () => resolve(reader.result));
      reader.addEventListener("error", () => reject(reader.error));
      reader.readAsDataURL(file);
    });
    images.push({ url, name: file.name });
  }
  showImages();
}

function showImages() {
  at("images").replaceChildren(...images.map((image) => {
    const gone = button("✕", () => { images = images.filter((other) => other !== image); showImages(); fields.message.focus(); });
    gone.setAttribute("aria-label", `Remove ${inert(image.name)}`);
    return element("li", "", picture(image.url), gone);
  }));
}

let coded = null;
let language = "curl";

function showCode(column) {
  coded = column;
  const message = typed();
  const last = column.messages.findLastIndex((one) => one.role !== "assistant");  // an answer is nothing that is asked
  const messages = message ? [...column.messages, message] : column.messages.slice(0, last + 1);
  if (!column.model.value.trim()) { say("Which model?", column.model); return; }
  if (!messages.length) { say("Write something first.", fields.message); return; }
  try {
    const body = bodyOf(column.model.value.trim(), messages);
    at("code-text").textContent = program(language, location.origin, at("code-stream").checked ? { ...body, stream: true } : body);
  } catch (error) {
    if (!(error instanceof TypedWrongly)) throw error;
    say(error.message, error.field);
    return;
  }
  for (const tab of at("code").querySelectorAll("[data-language]")) tab.setAttribute("aria-pressed", String(tab.dataset.language === language));
  if (!at("code").open) at("code").showModal();
}

async function otherKey() {
  const response = await fetch(`/console/playground/models?key=${encodeURIComponent(fields.key.value)}`);
  if (!response.ok || response.redirected) { location.assign(`/console/playground?key=${encodeURIComponent(fields.key.value)}`); return; }
  const { items } = await response.json();
  at("models").replaceChildren(...items.map((one) => {
    const option = element("option");
    option.value = one.name;
    if (one.title && one.title !== one.name) option.label = one.title;
    return option;
  }));
}

at("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
at("stop").addEventListener("click", () => { for (const column of columns) column.running?.abort(); });
at("clear").addEventListener("click", () => { begin(); fields.message.focus(); });
at("add").addEventListener("click", () => { add(""); columns.at(-1).model.focus(); });
at("attach").addEventListener("change", (event) => { attach([...event.target.files]); event.target.value = ""; });
for (const tab of at("code").querySelectorAll("[data-language]")) tab.addEventListener("click", () => { language = tab.dataset.language; showCode(coded); });
at("code-stream").addEventListener("change", () => showCode(coded));
fields.key.addEventListener("change", otherKey);
fields.message.addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); attach([...event.clipboardData.files]); } });
at("composer").addEventListener("dragover", (event) => { event.preventDefault(); });
at("composer").addEventListener("drop", (event) => { event.preventDefault(); attach([...event.dataTransfer.files]); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !at("code").open) { event.preventDefault(); send(); }
  if (event.key === "Escape" && !at("code").open) for (const column of columns) column.running?.abort();
});

if (/Mac|iPhone|iPad/.test(navigator.platform)) at("hint").textContent = "⌘ Enter";
page.hidden = false;
if (page.dataset.prompt) open(JSON.parse(page.dataset.prompt));
else add(page.dataset.model);
if (at("save")) saving(at("save"), { token: page.dataset.token, standing });
