// One model of the playground: its conversation, its answers as they come, and their figures.
import { ask, recorded } from "./asking.js";
import { inert, rendered } from "./markdown.js";

const SIGNS = { USD: "$", EUR: "€", GBP: "£" };

export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function button(text, act, className = "quiet") {
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

/** One model: what was asked of it, what it said, and what that cost. `around` is the page that it stands in. */
export class Column {
  constructor(model, around) {
    this.around = around;
    this.messages = [];
    this.waiting = [];  // fields for the results of the tools that the model has called
    this.running = null;
    this.root = document.getElementById("column").content.cloneNode(true).firstElementChild;
    this.model = this.root.querySelector(".model");
    this.talk = this.root.querySelector(".talk");
    this.model.value = model;
    this.root.querySelector(".remove").addEventListener("click", () => around.remove(this));
    this.root.querySelector(".as-code").addEventListener("click", () => around.showCode(this));
    document.getElementById("columns").append(this.root);
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
    const body = this.around.bodyOf(model, this.messages);
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
    this.around.refresh();
    const draw = drawing((message) => {
      const follows = this.talk.scrollHeight - this.talk.scrollTop - this.talk.clientHeight < 60;
      thoughts.hidden = !message.reasoning_content;
      thoughts.lastElementChild.textContent = inert(message.reasoning_content ?? "");
      text.replaceChildren(rendered(message.content ?? "", copyButton));
      wait.hidden = true;
      if (follows) this.#scroll();
    });
    const answer = await ask({ ...this.around.asking(), body, signal: this.running.signal, told: draw });
    this.running = null;
    draw.now(answer.message);
    wait.remove();
    item.removeAttribute("aria-busy");
    this.around.refresh();
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
      note.append(button("Try again", () => { if (!this.running) { item.remove(); this.around.start([this]); } }, ""));
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
      this.around.start([this]);
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

export function picture(url) {
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
