// A request as a program: curl, Python, JavaScript. Pure: text in, text out. What was typed is a value in each of these
// languages and never a part of the program.

/** Quote for a POSIX shell: between single quotes nothing acts but the single quote. */
export function shell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Write a JSON value as a literal of Python or JavaScript. Both read JSON's own strings, with what they escape. */
export function literal(value, language, indent = "") {
  if (value === null) return language === "python" ? "None" : "null";
  if (typeof value === "boolean" && language === "python") return value ? "True" : "False";
  if (typeof value === "string") return text(value);
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const parts = Array.isArray(value)
    ? value.map((each) => inner + literal(each, language, inner))
    : Object.entries(value).map(([name, each]) => `${inner}${member(name, language)}: ${literal(each, language, inner)}`);
  return parts.length ? `${open}\n${parts.join(",\n")},\n${indent}${close}` : open + close;
}

/** Write a string so that what is seen of it is what is in it: invisible characters and directions by number. */
function text(value) {
  return JSON.stringify(value).replaceAll(/[\u007f-\u009f\u2028\u2029]|\p{Cf}/gu, (one) =>
    one.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""));
}

/** In JavaScript `__proto__: …` would say what the object is made from. */
function member(name, language) {
  return language === "javascript" && name === "__proto__" ? `[${text(name)}]` : text(name);
}

// Linux takes no single argument of 128 KiB: what is longer, as an image, curl reads from its input. No line of JSON is
// the word that ends it.
const LONGEST_ARGUMENT = 100_000;

function curl(origin, body) {
  const json = pretty(body);
  return [
    `curl ${body.stream ? "-sSN" : "-sS"} ${shell(`${origin}/v1/chat/completions`)} \\`,
    `  -H "Authorization: Bearer $KEYSTEAD_KEY" \\`,
    `  -H 'Content-Type: application/json' \\`,
    json.length > LONGEST_ARGUMENT ? `  -d @- <<'JSON'\n${json}\nJSON` : `  -d ${shell(json)}`,
    "",
  ].join("\n");
}

/** JSON in which `text` has shown what is invisible: in JSON strings the same escapes hold. */
function pretty(value, indent = "") {
  if (typeof value === "string") return text(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const parts = Array.isArray(value)
    ? value.map((each) => inner + pretty(each, inner))
    : Object.entries(value).map(([name, each]) => `${inner}${text(name)}: ${pretty(each, inner)}`);
  return parts.length ? `${open}\n${parts.join(",\n")}\n${indent}${close}` : open + close;
}

// Whatever the page may send are arguments of these names in OpenAI's SDKs; the names are the page's own, not typed.
function python(origin, body) {
  const given = Object.entries(body).map(([name, value]) => `    ${name}=${literal(value, "python", "    ")},`);
  return [
    "import os",
    "",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${text(`${origin}/v1`)}, api_key=os.environ["KEYSTEAD_KEY"])`,
    "answer = client.chat.completions.create(",
    ...given,
    ")",
    ...pythonShown(body),
    "",
  ].join("\n");
}

function pythonShown(body) {
  if (!body.stream) return [`message = answer.choices[0].message`, `print(${body.tools ? "message.tool_calls or " : ""}message.content)`];
  return [
    "for chunk in answer:",
    "    for choice in chunk.choices:",
    `        print(choice.delta.content or "", end="", flush=True)`,
    ...(body.tools ? ["        for call in choice.delta.tool_calls or ():", `            print(call.function.name or "", call.function.arguments or "", sep="", end="")`] : []),
    "print()",
  ];
}

function javascript(origin, body) {
  return [
    `import OpenAI from "openai";`,
    "",
    `const client = new OpenAI({ baseURL: ${text(`${origin}/v1`)}, apiKey: process.env.KEYSTEAD_KEY });`,
    `const answer = await client.chat.completions.create(${literal(body, "javascript")});`,
    ...javascriptShown(body),
    "",
  ].join("\n");
}

function javascriptShown(body) {
  if (!body.stream) return ["const { message } = answer.choices[0];", `console.log(${body.tools ? "message.tool_calls ?? " : ""}message.content);`];
  return [
    "for await (const chunk of answer) {",
    "  for (const { delta } of chunk.choices) {",
    `    process.stdout.write(delta.content ?? "");`,
    ...(body.tools ? ["    for (const call of delta.tool_calls ?? []) {", `      process.stdout.write((call.function?.name ?? "") + (call.function?.arguments ?? ""));`, "    }"] : []),
    "  }",
    "}",
    "console.log();",
  ];
}

const LANGUAGES = { curl, python, javascript };

/** Return the program that makes the request `body` of the gateway at `origin`. */
export function program(language, origin, body) {
  return LANGUAGES[language](origin, body);
}
