// Going anywhere by typing a part of its name (Ctrl K), and by two keys (g then r); "?" tells them. All of it is reached
// without this file by the menu and by the page "Find".

const keys = [
  ["o", "/console/"], ["v", "/console/vault"], ["k", "/console/keys"], ["p", "/console/people"], ["m", "/console/models"],
  ["r", "/console/requests"], ["s", "/console/spend"], ["b", "/console/budgets"], ["c", "/console/credits"],
  ["a", "/console/audit"], ["l", "/console/alerts"],
];

/** Return an element with attributes and children; text stays text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const inMenu = (path) => document.querySelector(`#menu a[href="${path}"]`);

function palette() {
  const input = element("input", {
    type: "search", placeholder: "Go to …", "aria-label": "Go to", role: "combobox", autocomplete: "off",
    spellcheck: "false", "aria-expanded": "true", "aria-controls": "found", "aria-autocomplete": "list",
  });
  const list = element("ul", { id: "found", role: "listbox", "aria-label": "Found" });
  const dialog = element("dialog", { class: "palette", "aria-label": "Go to" }, input, list);
  document.body.append(dialog);
  let chosen = -1;
  let asked = new AbortController();
  let waiting = 0;

  const choose = (number) => {
    const options = [...list.children].filter((one) => one.dataset.to);
    chosen = options.length ? (number + options.length) % options.length : -1;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === chosen)));
    const option = options[chosen];
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  };
  const go = () => {
    const option = [...list.children].filter((one) => one.dataset.to)[chosen];
    if (option) location.assign(option.dataset.to);
  };
  const look = async () => {
    asked.abort();
    asked = new AbortController();
    const words = input.value.trim();
    try {
      const response = await fetch(`/console/find.json?${new URLSearchParams({ q: words })}`, { signal: asked.signal });
      if (response.redirected || !response.ok) { location.reload(); return; }
      const found = await response.json();
      list.replaceChildren(...found.map((one, index) => element(
        "li", { role: "option", id: `found-${index}`, "data-to": one.to },
        element("span", {}, one.title), element("span", { class: "none" }, one.kind),
      )));
      if (!found.length) list.append(element("li", { class: "none", role: "option", "aria-disabled": "true" }, "Nothing is called that"));
      choose(0);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(look, 120); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { choose(chosen + 1); event.preventDefault(); }
    if (event.key === "ArrowUp") { choose(chosen - 1); event.preventDefault(); }
    if (event.key === "Enter") { go(); event.preventDefault(); }
    if (event.key === "Escape") { dialog.close(); event.preventDefault(); }  // else it only empties a field of this kind
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-to]");
    if (option) location.assign(option.dataset.to);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return { open() { input.value = ""; list.replaceChildren(); dialog.showModal(); look(); } };
}

function help() {
  const line = (pressed, said) => element("div", {}, element("dt", {}, ...pressed.map((key) => element("kbd", {}, key))), element("dd", {}, said));
  const lines = [line(["Ctrl", "K"], "Go anywhere by its name"), line(["?"], "These keys")];
  for (const [key, path] of keys) {
    const link = inMenu(path);
    if (link) lines.push(line(["g", key], link.textContent));
  }
  const close = element("button", {}, "Close");
  const dialog = element("dialog", { class: "keys", "aria-label": "Keys" }, element("h2", {}, "Keys"), element("dl", {}, ...lines), close);
  close.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  return dialog;
}

let opened;
let told;
const open = () => { opened ??= palette(); opened.open(); };
let went = 0;

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) open();
    return;
  }
  const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") { told ??= help(); told.showModal(); return; }
  if (event.key === "g") { went = event.timeStamp; return; }
  if (went && event.timeStamp - went < 1500) {
    const path = keys.find(([key]) => key === event.key)?.[1];
    if (path) inMenu(path)?.click();
  }
  went = 0;
});

document.querySelector("[data-palette]")?.addEventListener("click", (event) => { event.preventDefault(); open(); });
