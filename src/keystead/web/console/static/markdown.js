// A model's answer as elements: a little Markdown, made of nodes and never of markup, so that nothing in it can act.
// Links lead to https alone; images are not loaded (their address could tell somebody what was said); whatever is
// invisible or turns the direction of text is shown by its number, as everywhere in the console.

// Joiners are kept where a script or an emoji is written with them.
const ACTING = /[^\P{C}\n\t]|[\u2028\u2029]/gu;
const JOINING = /(?<=[\p{Extended_Pictographic}\ufe0f\p{Emoji_Modifier}])\u200d(?=\p{Extended_Pictographic})|(?<=[\p{sc=Arab}\p{sc=Deva}\p{sc=Beng}\p{sc=Mlym}\p{sc=Sinh}])[\u200c\u200d]/gu;

/** Return text in which nothing acts. */
export function inert(text) {
  const lines = text.replaceAll("\r\n", "\n");
  const joined = new Set([...lines.matchAll(JOINING)].map((found) => found.index));
  return lines.replace(ACTING, (one, at) => (joined.has(at) ? one : numbered(one)));
}

function numbered(one) {
  return `⟨U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** Return an answer as a fragment. `copyable` makes the button that copies a block of code. */
export function rendered(answer, copyable) {
  const made = document.createDocumentFragment();
  const lines = inert(answer).split("\n");
  while (lines.length) {
    const block = fence(lines, copyable) ?? heading(lines) ?? list(lines) ?? quote(lines) ?? paragraph(lines);
    if (block) made.append(block);
  }
  return made;
}

function fence(lines, copyable) {
  const opened = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/.exec(lines[0]);
  if (!opened) return null;
  lines.shift();
  const inside = [];
  while (lines.length && !(lines[0].trim().startsWith(opened[1]) && /^(`+|~+)$/.test(lines[0].trim()))) inside.push(lines.shift());
  lines.shift();
  const pre = element("pre", element("code", inside.join("\n")));
  pre.tabIndex = 0;
  const block = element("div", element("span", opened[2] || "text"), copyable(pre), pre);
  block.className = "block";
  return block;
}

function heading(lines) {
  const found = /^(#{1,6})\s+(.*)$/.exec(lines[0]);
  if (!found) return null;
  lines.shift();
  const made = element("p", element("strong", ...inline(found[2])));
  made.className = "heading";
  return made;
}

const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

function list(lines) {
  const first = ITEM.exec(lines[0]);
  if (!first) return null;
  const made = element(/\d/.test(first[2]) ? "ol" : "ul");
  if (made.localName === "ol") made.start = Number.parseInt(first[2], 10);
  while (lines.length) {
    const found = ITEM.exec(lines[0]);
    if (!found || /\d/.test(found[2]) !== /\d/.test(first[2])) break;
    lines.shift();
    const item = element("li", ...inline(found[3]));
    if (found[1].length >= 2) item.className = "deeper";
    made.append(item);
  }
  return made;
}

function quote(lines) {
  if (!lines[0].startsWith(">")) return null;
  const inside = [];
  while (lines.length && lines[0].startsWith(">")) inside.push(lines.shift().replace(/^>\s?/, ""));
  return element("blockquote", ...inline(inside.join("\n")));
}

function paragraph(lines) {
  const inside = [lines.shift()];
  if (inside[0].trim() === "") return null;
  while (lines.length && lines[0].trim() !== "" && !/^( {0,3}(```|~~~)|#{1,6}\s|>)/.test(lines[0]) && !ITEM.test(lines[0])) {
    inside.push(lines.shift());
  }
  return element("p", ...inline(inside.join("\n")));
}

// One pass, leftmost first; every quantifier is bounded or excludes its own end, so that no text takes long.
const INLINE = /`([^`\n]{1,2000})`|\*\*([^*\n]{1,2000})\*\*|(?<![\w*])\*([^*\s][^*\n]{0,2000})\*(?![\w*])|!?\[([^\][\n]{0,500})\]\(([^()\s]{1,2000})\)|(https:\/\/[^\s<>"'`)\]]{1,2000})/g;

function inline(text) {
  const made = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    made.push(text.slice(at, found.index));
    at = found.index + found[0].length;
    const [whole, code, bold, slanted, title, target, bare] = found;
    if (code !== undefined) made.push(element("code", code));
    else if (bold !== undefined) made.push(element("strong", bold));
    else if (slanted !== undefined) made.push(element("em", slanted));
    else made.push(link(title ?? bare, target ?? bare, whole));
  }
  made.push(text.slice(at));
  return made;
}

/** A link says where it leads; whatever leads elsewhere than to https stays the text that it was. */
function link(title, target, whole) {
  let address = null;
  try { address = new URL(target); } catch { return whole; }
  if (address.protocol !== "https:" || address.username || address.password || whole.startsWith("!")) return whole;
  const made = element("a", title || target);
  made.href = address.href;
  made.rel = "noopener noreferrer nofollow";
  made.target = "_blank";
  made.title = address.href;
  return title && title !== target && !target.startsWith(title) ? element("span", made, ` (${address.host})`) : made;
}
