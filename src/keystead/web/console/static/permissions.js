// A cell of the matrix opens in place. Without this file it is a page of its own, with the same form.

const dialog = document.querySelector("dialog");

/** Read a page of our own. The browser parses it without running anything in it. */
function read(address) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onload = () => resolve(request.response);
    request.onerror = reject;
    request.send();
  });
}

/** Show in the dialog what the page of a cell holds; whatever goes wrong, go to that page. */
async function open(link) {
  const cell = (await read(link.href))?.querySelector("[data-cell]");
  if (!cell) { location.assign(link.href); return; }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet close";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(close, document.adoptNode(cell));
  dialog.dispatchEvent(new Event("filled", { bubbles: true }));
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (link === null || dialog === null || !plain) return;
  event.preventDefault();
  open(link).catch(() => location.assign(link.href));
});

dialog?.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
