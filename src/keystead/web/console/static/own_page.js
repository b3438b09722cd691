// What several scripts need of our own pages: their times in the reader's own zone, and another page of ours, read.

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** Write instants in the reader's own zone; the exact one in UTC stays in the title. */
export function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const ofDay = "day" in element.dataset;
    element.title = ofDay ? `${zoned.format(at)} (${element.dateTime})` : element.dateTime;
    element.textContent = (ofDay ? days : zoned).format(at);
  }
}

// Pages of our own are the only markup that is ever read: what they hold of others was escaped by the server.
const ownPage = globalThis.trustedTypes?.createPolicy("own-page", { createHTML: (text) => text });

/** Return an answer of ours as a document with times in the reader's zone; null if it is a refusal or leads elsewhere. */
export async function read(response) {
  if (!response.ok || response.redirected) return null;
  const text = await response.text();
  const page = new DOMParser().parseFromString(ownPage?.createHTML(text) ?? text, "text/html");
  localize(page);
  return page;
}
