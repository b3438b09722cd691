// The playground: one prompt, up to four models beside each other. What is said stays in this page and goes with it.
import { ask, recorded } from "./asking.js";
import { inert, rendered } from "./markdown.js";
import { program } from "./snippets.js";

const MOST_MODELS = 4;
const MOST_IMAGES = 6;
const MOST_IMAGE_BYTES = 4 * 1024 * 1024;
const IMAGE = /^image\/(png|jpeg|webp|gif)$/;
const SIGNS = { USD: "$", EUR: "€", GBP: "£" };

const at = (id) => document.getElementById(id);
const page = at("playground");
const fields = Object.fromEntries(["key", "system", "temperature", "max", "effort", "stops", "tools", "schema", "message"].map((id) => [id, at(id)]));
let columns = [];
let images = [];

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function button(text, act, className = "quiet") {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function copyButton(pre) {
  const made = button("Copy", async () => {
    await navigator.clipboard.writeText(pre.textContent);
    made.textContent = "Copied";
    setTimeout(() => { made.textContent = "Copy"; }, 1500);
  });
  return made;
}

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

// -- one model --------------------------------------------------------------------------------------------------------

class Column {
  constructor(model) {
    this.messages = [];
    this.waiting = [];  // fields for the results of the tools that the model has called
    this.running = null;
    this.root = at("column").content.cloneNode(true).firstElementChild;
    this.model = this.root.querySelector(".model");
    this.talk = this.root.querySelector(".talk");
    this.model.value = model;
    this.root.querySelector(".remove").addEventListener("click", () => remove(this));
    this.root.querySelector(".as-code").addEventListener("click", () => showCode(this));
    at("columns").append(this.root);
  }

  say(message) {
    this.messages.push(message);
    const parts = typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
    const shown = parts.map((part) => (part.type === "text" ? element("p", "", inert(part.text)) : picture(part.image_url.url)));
    this.talk.append(element("li", "asked", ...shown));
  }

  clear() {
    this.running?.abort();
    this.messages = [];
    this.waiting = [];
    this.talk.replaceChildren();
  }

  async run() {
    const model = this.model.value.trim();
    const body = bodyOf(model, this.messages);
    const messages = this.messages;
    this.running = new AbortController();
    const text = element("div", "text");
    const thoughts = element("details", "thoughts", element("summary", "", "Reasoning"), element("div", "text"));
    thoughts.hidden = true;
    const wait = element("p", "awaited", element("span", "pulse"), "Waiting …");
    const item = element("li", "answered", thoughts, text, wait);
    item.setAttribute("aria-busy", "true");
    this.talk.append(item);
    this.#scroll();
    refresh();
    const draw = drawing((message) => {
      const follows = this.talk.scrollHeight - this.talk.scrollTop - this.talk.clientHeight < 60;
      thoughts.hidden = !message.reasoning_content;
      thoughts.lastElementChild.textContent = inert(message.reasoning_content ?? "");
      text.replaceChildren(rendered(message.content ?? "", copyButton));
      wait.hidden = true;
      if (follows) this.#scroll();
    });
    const answer = await ask({ run: page.dataset.run, token: page.dataset.token, key: fields.key.value, body, signal: this.running.signal, told: draw });
    this.running = null;
    draw.now(answer.message);
    wait.remove();
    item.removeAttribute("aria-busy");
    refresh();
    if (messages !== this.messages) return;  // begun anew meanwhile
    this.#end(item, answer);
    this.#scroll();
  }

  #end(item, answer) {
    if (answer.problem) item.append(this.#problem(item, answer.problem));
    else if (answer.stopped) item.append(element("p", "hint", "Stopped. Its request says what was billed until then."));
    else if (answer.finish === "length") item.append(element("p", "hint", "It reached the most tokens it may give."));
    const message = answer.message;
    if (!answer.problem && (message.content || (message.tool_calls && !answer.stopped))) {
      this.messages.push(kept(message, !answer.stopped));
      if (message.tool_calls?.length && !answer.stopped) item.append(this.#calls(message.tool_calls));
    }
    const figures = element("dl", "figures");
    item.append(figures);
    fill(figures, answer, null);
    if (answer.id.startsWith("req_")) recorded(answer.id).then((found) => { fill(figures, answer, found); this.#scroll(); });
  }

  #problem(item, problem) {
    const note = element("div", "note bad", element("p", "", element("strong", "", inert(problem.message)), " ", inert(problem.next)));
    note.setAttribute("role", "alert");
    if (problem.code) note.append(element("p", "", element("code", "", inert(problem.code))));
    if (problem.code === "signed_out") {
      const link = element("a", "", "Sign in again");
      link.href = "/console/sign-in?to=/console/playground";
      note.append(link);
    } else {
      note.append(button("Try again", () => { if (!this.running) { item.remove(); start([this]); } }, ""));
    }
    return note;
  }

  #calls(calls) {
    const form = element("form", "calls");
    this.waiting = calls.map((call, number) => {
      const name = call.function?.name ?? "";
      const pre = element("pre", "", inert(prettily(call.function?.arguments ?? "")));
      pre.tabIndex = 0;
      const field = element("textarea", "code");
      field.rows = 2;
      field.setAttribute("aria-label", `Result of ${name}, call ${number + 1}`);
      field.placeholder = "What the tool gives back";
      form.append(element("p", "", "Calls ", element("code", "", inert(name))), pre, field);
      return { id: call.id, field };
    });
    form.append(element("button", "", "Give the results"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running || !this.waiting.length) return;
      this.messages.push(...this.waiting.map(({ id, field }) => ({ role: "tool", tool_call_id: id, content: field.value })));
      for (const { field } of this.waiting) field.readOnly = true;
      this.waiting = [];
      form.lastElementChild.remove();
      start([this]);
    });
    return form;
  }

  #scroll() {
    this.talk.scrollTop = this.talk.scrollHeight;
  }
}

/** What of an answer goes back with the next question: thoughts only with their seals, which nobody else can make. */
function kept(message, whole) {
  const { role, content } = message;
  const calls = message.tool_calls?.map(({ index, ...call }) => call);
  return {
    role,
    content,
    ...(calls?.length && whole && { tool_calls: calls }),
    ...(message.reasoning_details && whole && { reasoning_details: message.reasoning_details }),
  };
}

function prettily(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

/** Draw soon: a long answer less often, so that writing it out costs no more than reading it. */
function drawing(draw) {
  let timer = 0;
  let latest = null;
  const now = (message) => { clearTimeout(timer); timer = 0; draw(message); };
  const soon = (message) => {
    latest = message;
    timer ||= setTimeout(() => now(latest), (message.content?.length ?? 0) > 20_000 ? 600 : 40);
  };
  return Object.assign(soon, { now });
}

function picture(url) {
  const image = element("img");
  image.src = url;
  image.alt = "attached image";
  return image;
}

// -- figures ----------------------------------------------------------------------------------------------------------

const span = (ms) => (ms === null ? "–" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
const whole = (number) => (number ?? null) === null ? "–" : number.toLocaleString("en");

function fill(list, answer, found) {
  const rows = [["First token", span(answer.firstMs)], ["Whole answer", span(answer.wholeMs)]];
  if (found) {
    rows.push(["Tokens in", whole(found.input)], ["Tokens out", whole(found.output)]);
    const kinds = Object.entries(found.tokens ?? {});
    if (kinds.length > 2) rows.push(["By kind", kinds.map(([name, count]) => `${name.replaceAll("_", " ").replace(/ tokens$/, "")} ${whole(count)}`).join(", ")]);
    rows.push(["Cost", money(found)]);
    if (found.charge) rows.push(["Charged", `${found.charge} credits`]);
    if (found.credential) rows.push(["Key used", `${found.credential}${found.owner === "own" ? "" : `, ${found.owner}`}${found.attempts > 1 ? `, attempt ${found.attempts}` : ""}`]);
    if (found.model) rows.push(["Served by", `${found.provider} ${found.model}`]);
  }
  list.replaceChildren(...rows.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", inert(String(value)))]));
  if (answer.id.startsWith("req_")) {
    const link = element("a", "", answer.id);
    link.href = `/console/requests/${encodeURIComponent(answer.id)}`;
    list.append(element("dt", "", "Request"), element("dd", "", link));
  }
}

function money({ cost, currency, cost_state: state }) {
  if (cost === null) return state ?? "none";
  return SIGNS[currency] ? `${SIGNS[currency]}${cost}` : `${cost} ${currency ?? ""}`;
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
  fields.message.value = "";
  images = [];
  showImages();
}

function add(model) {
  columns.push(new Column(model));
  refresh();
}

function remove(column) {
  column.running?.abort();
  column.root.remove();
  columns = columns.filter((other) => other !== column);
  refresh();
  columns[0].model.focus();
}

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
  try {
    const body = bodyOf(column.model.value.trim(), message ? [...column.messages, message] : column.messages);
    at("code-text").textContent = program(language, location.origin, body);
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
at("clear").addEventListener("click", () => { for (const column of columns) column.clear(); say(""); fields.message.focus(); });
at("add").addEventListener("click", () => { add(""); columns.at(-1).model.focus(); });
at("attach").addEventListener("change", (event) => { attach(event.target.files); event.target.value = ""; });
for (const tab of at("code").querySelectorAll("[data-language]")) tab.addEventListener("click", () => { language = tab.dataset.language; showCode(coded); });
fields.key.addEventListener("change", otherKey);
fields.message.addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); attach(event.clipboardData.files); } });
at("composer").addEventListener("dragover", (event) => { event.preventDefault(); });
at("composer").addEventListener("drop", (event) => { event.preventDefault(); attach(event.dataTransfer.files); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !at("code").open) { event.preventDefault(); send(); }
  if (event.key === "Escape" && !at("code").open) for (const column of columns) column.running?.abort();
});

if (/Mac|iPhone|iPad/.test(navigator.platform)) at("hint").textContent = "⌘ Enter";
page.hidden = false;
add(page.dataset.model);
