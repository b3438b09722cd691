// What a page cannot do by itself: the reader's own time zone, copying, asking twice, looking again by itself, what comes
// later, and drawing a form's picture while it is filled in.
// Everything else works without this file.

import { localize, read } from "./own_page.js";

/** Copy the text of the element that a button names. */
async function copy(button) {
  const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
  await navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

/** Go down a list by "j" and up by "k"; Enter opens what has the focus, as anywhere. */
function step(event) {
  const links = [...document.querySelectorAll("[data-rows] tbody td:first-child a")];
  const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
  if (links.length === 0 || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = links.findIndex((one) => one.closest("tr").contains(document.activeElement));
  if (event.key === "j") links[Math.min(at + 1, links.length - 1)].focus();
  if (event.key === "k") links[Math.max(at - 1, 0)].focus();
}

/** Put the part of the page that an address gives in the place of the one that is shown, every so many seconds while
 * it is seen. */
function live(box) {
  let timer = 0;
  const look = async () => {
    if (document.hidden) return;
    const fresh = await read(await fetch(box.dataset.from));
    if (fresh === null) { clearInterval(timer); box.checked = false; return; }
    const [now, then] = [document.querySelector(box.dataset.of), fresh.querySelector(box.dataset.of)];
    if (now.textContent !== then.textContent) now.replaceWith(then);  // nothing new: nothing is read aloud again
  };
  box.addEventListener("change", () => {
    clearInterval(timer);
    if (box.checked) { if (!box.defaultChecked) look(); timer = setInterval(look, Number(box.dataset.live) * 1000); }
  });
  if (box.checked) box.dispatchEvent(new Event("change"));
}

/** Send a form that is drawn but not kept, and put the parts of the answer in the place of those that are shown. */
function redrawn(form) {
  let newest = 0;
  const redraw = async (button, parts) => {
    const turn = ++newest;
    const body = new URLSearchParams(new FormData(form, button));
    if (button === null) body.set("do", "draw");
    const response = await fetch(form.action, { method: "POST", body });
    if (response.redirected) { location.reload(); return; }
    const fresh = await read(response);
    if (turn !== newest || fresh === null) return;
    for (const now of document.querySelectorAll(parts)) {
      const then = fresh.querySelector(`[data-part="${now.dataset.part}"]`);
      if (then !== null) now.replaceWith(then);
    }
    if (button !== null) form.querySelector("[autofocus]")?.focus();
  };
  let wait = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(wait);
    const parts = event.target.dataset.redraw === "all" ? "[data-part]" : "[data-part=drawn]";
    wait = setTimeout(() => redraw(null, parts), 150);
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter === null || event.submitter.value === "save") return;
    event.preventDefault();
    clearTimeout(wait);
    redraw(event.submitter, "[data-part]");
  });
  for (const button of form.querySelectorAll("[data-scriptless]")) button.hidden = true;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.copy) copy(button);
  if (button?.dataset.sure && !confirm(button.dataset.sure)) event.preventDefault();
});

document.addEventListener("keydown", step);

/** Put what a page left for later in its place: the part of the same id on the page that it names. */
async function fetchLater(part) {
  try {
    const then = (await read(await fetch(part.dataset.later)))?.getElementById(part.id);
    if (then) part.replaceWith(then);
  } catch {
    // Not reached, or the reader has left: its link stays.
  }
}

// Whoever puts other content into a part of the page says so.
document.addEventListener("filled", (event) => localize(event.target));

for (const element of document.querySelectorAll("[data-origin]")) element.textContent = location.origin;
// Not before what is there has been painted.
for (const part of document.querySelectorAll("[data-later]")) requestAnimationFrame(() => setTimeout(fetchLater, 0, part));
for (const box of document.querySelectorAll("[data-live]")) live(box);
for (const form of document.querySelectorAll("form[data-redraw]")) redrawn(form);
localize(document);

// On a low screen the menu is longer than its place: where one is must be in sight.
const [menu, current] = [document.querySelector(".side nav"), document.querySelector(".side nav [aria-current]")];
if (menu !== null && current !== null && menu.scrollHeight > menu.clientHeight) {
  menu.scrollTop = current.offsetTop - menu.offsetTop - menu.clientHeight / 2;
}
