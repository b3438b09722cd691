// Run every case once, all at the same time, and print one JSON line for each: {"name", "ok"} or {"name", "error"}.
// The gateway's address and a virtual key come in GATEWAY_URL and GATEWAY_KEY: all that the SDKs are told.

import { anthropicCases } from "./anthropic.mjs";
import { genaiCases } from "./genai.mjs";
import { openaiCases } from "./openai.mjs";

const { GATEWAY_URL: url, GATEWAY_KEY: key } = process.env;
const cases = { ...openaiCases(url, key), ...anthropicCases(url, key), ...genaiCases(url, key) };

async function outcome([name, run]) {
  try {
    await run();
    return { name, ok: true };
  } catch (error) {
    return { name, error: String(error?.stack ?? error) };
  }
}

await Promise.all(
  Object.entries(cases).map(async (entry) => console.log(JSON.stringify(await outcome(entry)))),
);
