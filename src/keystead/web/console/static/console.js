// What a page cannot do by itself: the reader's own time zone, copying, asking twice, looking again by itself, and
// drawing a form's picture while it is filled in.
// Everything else works without this file.

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** Write instants in the reader's own zone; the exact one in UTC stays in the title. */
function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const ofDay = "day" in element.dataset;
    element.title = ofDay ? `${zoned.format(at)} (${element.dateTime})` : element.dateTime;
    element.textContent = (ofDay ? days : zoned).format(at);
  }
}

/** Copy the text of the element that a button names. */
async function copy(button) {
  const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
  await navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

// Pages of our own are the only markup that is ever read: what they hold of others was escaped by the server.
const ownPage = globalThis.trustedTypes?.createPolicy("own-page", { createHTML: (text) => text });

/** Find a link's like, by where it leads. */
const within = (list, link) => [...list.querySelectorAll("a[href]")].find((one) => one.href === link.href);

/** Go down a list by "j" and up by "k"; Enter opens what has the focus, as anywhere. */
function step(event) {
  const links = [...document.querySelectorAll("[data-rows] tbody td:first-child a")];
  const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
  if (links.length === 0 || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = links.findIndex((one) => one.closest("tr").contains(document.activeElement));
  if (event.key === "j") links[Math.min(at + 1, links.length - 1)].focus();
  if (event.key === "k") links[Math.max(at - 1, 0)].focus();
}

/** Load this page again, and put its list in the place of the one that is shown, every so many seconds
 * while it is seen. */
function live(box) {
  let timer = 0;
  const look = async () => {
    if (document.hidden) return;
    const response = await fetch(box.dataset.from ?? location.href);
    if (!response.ok || response.redirected) { clearInterval(timer); box.checked = false; return; }
    const text = await response.text();
    const fresh = new DOMParser().parseFromString(ownPage?.createHTML(text) ?? text, "text/html");
    const [now, then] = [document.querySelector(box.dataset.of), fresh.querySelector(box.dataset.of)];
    if (now === null || then === null) { location.reload(); return; }
    localize(then);
    if (now.textContent === then.textContent) return;  // nothing new: nothing is read aloud again
    const added = [...then.querySelectorAll("tbody td:first-child a")].filter((one) => !within(now, one)).length;
    const held = now.contains(document.activeElement) ? within(then, document.activeElement) : null;
    now.replaceWith(then);
    held?.focus({ preventScroll: true });
    const says = document.querySelector(box.dataset.says ?? "none");
    if (says !== null && added) says.textContent = added === 1 ? "1 new request" : `${added} new requests`;
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
    const text = await response.text();
    if (turn !== newest) return;
    const fresh = new DOMParser().parseFromString(ownPage?.createHTML(text) ?? text, "text/html");
    for (const now of document.querySelectorAll(parts)) {
      const then = fresh.querySelector(`[data-part="${now.dataset.part}"]`);
      if (then !== null) { localize(then); now.replaceWith(then); }
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

// Whoever puts other content into a part of the page says so.
document.addEventListener("filled", (event) => localize(event.target));

for (const element of document.querySelectorAll("[data-origin]")) element.textContent = location.origin;
for (const box of document.querySelectorAll("[data-live]")) live(box);
for (const form of document.querySelectorAll("form[data-redraw]")) redrawn(form);
localize(document);

// On a low screen the menu is longer than its place: where one is must be in sight.
const [menu, current] = [document.querySelector(".side nav"), document.querySelector(".side nav [aria-current]")];
if (menu !== null && current !== null && menu.scrollHeight > menu.clientHeight) {
  menu.scrollTop = current.offsetTop - menu.offsetTop - menu.clientHeight / 2;
}
