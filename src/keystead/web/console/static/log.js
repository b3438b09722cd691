// The log follows by itself while it is seen: it asks for what began since its newest rows, puts that on top, and writes
// again what has changed. What the reader is at stays where it is. Without this file one loads the page again.
import { read } from "./own_page.js";

const MOST_ROWS = 500;

const [box, log, says] = ["live", "log", "log-says"].map((id) => document.getElementById(id));
const rowsOf = (root) => root.querySelector("tbody");
let timer = 0;
let looking = false;

async function look() {
  if (looking || document.hidden) return;
  looking = true;
  try {
    const address = new URL(log.dataset.newer, location.href);
    const begun = rowsOf(log)?.dataset.begun;
    if (begun) address.searchParams.set("begun", begun);
    const fresh = await page(address);
    const added = fresh ? await merge(rowsOf(log), rowsOf(fresh)) : 0;
    if (added) says.textContent = added === 1 ? "1 new request" : `${added} new requests`;
  } finally { looking = false; }
}

/** Return a page of ours; null if there is none now. */
async function page(address) {
  const response = await fetch(address).catch(() => null);
  if (response === null) return null;  // not reached: asked again the next time
  const found = await read(response);
  if (found === null) stop("Live has ended: load the page again.");
  return found;
}

/** Bring what is shown up to what came; say how many are new. */
async function merge(now, then) {
  if (then === null) return 0;
  const shown = new Map([...(now?.rows ?? [])].map((row) => [row.id, row]));
  const added = [...then.rows].filter((row) => !shown.has(row.id)).length;
  const gap = "more" in then.dataset && added > 0 && !shown.has(then.rows[then.rows.length - 1].id);
  const full = shown.size + added > MOST_ROWS && now.getBoundingClientRect().top >= 0;
  const place = now?.rows[0];
  if (place === undefined || gap || full) {
    if (added) await begin();
    return added;
  }
  const before = place.getBoundingClientRect().top;
  let next = place;
  for (const row of [...then.rows]) {
    const known = shown.get(row.id);
    if (known) write(known, row);
    else now.insertBefore(document.adoptNode(row), next);
    next = known ? known.nextSibling : next;
    shown.delete(row.id);
  }
  // An open request is always asked for: where it does not come, it has ended as the filters do not want it.
  for (const row of shown.values()) if ("open" in row.dataset) row.remove();
  if (now.rows.length === 0) { await begin(); return added; }
  now.dataset.begun = then.dataset.begun || now.dataset.begun;
  if (before < 0 && place.isConnected) scrollBy({ top: place.getBoundingClientRect().top - before, behavior: "instant" });
  return added;
}

/** Write the cells that have changed, and no other: the focus and what is selected stay. */
function write(now, then) {
  if ("open" in now.dataset && !("open" in then.dataset)) delete now.dataset.open;
  [...then.cells].forEach((cell, number) => {
    if (cell.textContent !== now.cells[number].textContent) now.cells[number].replaceWith(cell);
  });
}

/** Show the newest page anew: there was nothing yet, nothing is left, or more came than fits between. */
async function begin() {
  const first = await page(location.href);
  if (first !== null) log.replaceChildren(...first.getElementById("log").childNodes);
}

function stop(why) {
  clearInterval(timer);
  box.checked = false;
  says.textContent = why;
}

function follow() {
  clearInterval(timer);
  if (!box.checked) return;
  look();
  timer = setInterval(look, Number(box.dataset.every) * 1000);
}

box?.addEventListener("change", follow);
document.addEventListener("visibilitychange", () => { if (box?.checked) look(); });
if (box?.checked) follow();  // a browser that comes back to the page keeps what was ticked
