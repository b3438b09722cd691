// Every SDK against each kind of upstream, and what it gives its user. One JSON line for each cell and case.
//
// What the upstreams answer is scripted by the model's name: GATEWAY_URL/upstream/{text,tools,refused}. The Python side
// says what there must be (tests/acceptance/test_js_translation.py).

import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";

import { WEATHER, all } from "./shared.mjs";

const { GATEWAY_URL: url, GATEWAY_KEY: key, UPSTREAMS: upstreams } = process.env;
const PROMPT = "What is the weather in Bern?";
const RESULTS = ["sunny", "rainy"];

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const genai = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url, retryOptions: { attempts: 1 } } });

const user = [{ role: "user", content: PROMPT }];

// Each: `ask` gives the SDK's whole answer, `streamed` the same from a stream, `tell` continues with the tools' results.
const SDKS = {
  "openai chat": {
    tools: { tools: [{ type: "function", function: { name: "weather", parameters: WEATHER } }] },
    ask: (model, more) => openai.chat.completions.create({ model, messages: user, ...more }),
    streamed: (model, more) =>
      openai.chat.completions
        .stream({ model, messages: user, stream_options: { include_usage: true }, ...more })
        .finalChatCompletion(),
    tell: (model, answer, more) => {
      const { message } = answer.choices[0];
      const results = message.tool_calls.map((call, n) => ({ role: "tool", tool_call_id: call.id, content: RESULTS[n] }));
      return openai.chat.completions.create({ model, messages: [...user, message, ...results], ...more });
    },
    heard: (answer) => ({
      text: answer.choices[0].message.content ?? "",
      calls: (answer.choices[0].message.tool_calls ?? []).map(({ function: f }) => [f.name, JSON.parse(f.arguments)]),
      usage: [answer.usage.prompt_tokens, answer.usage.completion_tokens],
    }),
  },
  "openai responses": {
    tools: { tools: [{ type: "function", name: "weather", parameters: WEATHER, strict: false }] },
    ask: (model, more) => openai.responses.create({ model, input: user, store: false, ...more }),
    streamed: (model, more) => openai.responses.stream({ model, input: user, store: false, ...more }).finalResponse(),
    tell: (model, answer, more) => {
      const calls = answer.output.filter((item) => item.type === "function_call");
      const results = calls.map(({ call_id }, n) => ({ type: "function_call_output", call_id, output: RESULTS[n] }));
      return openai.responses.create({ model, input: [...user, ...answer.output, ...results], store: false, ...more });
    },
    heard: (answer) => ({
      text: answer.output_text,
      calls: answer.output
        .filter((item) => item.type === "function_call")
        .map((item) => [item.name, JSON.parse(item.arguments)]),
      usage: [answer.usage.input_tokens, answer.usage.output_tokens],
    }),
  },
  anthropic: {
    tools: { tools: [{ name: "weather", input_schema: WEATHER }] },
    ask: (model, more) => anthropic.messages.create({ model, max_tokens: 500, messages: user, ...more }),
    streamed: (model, more) =>
      anthropic.messages.stream({ model, max_tokens: 500, messages: user, ...more }).finalMessage(),
    tell: (model, answer, more) => {
      const calls = answer.content.filter((block) => block.type === "tool_use");
      const results = calls.map(({ id }, n) => ({ type: "tool_result", tool_use_id: id, content: RESULTS[n] }));
      const turns = [{ role: "assistant", content: answer.content }, { role: "user", content: results }];
      return anthropic.messages.create({ model, max_tokens: 500, messages: [...user, ...turns], ...more });
    },
    heard: ({ content, usage }) => ({
      text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
      calls: content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]),
      usage: [
        usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
        usage.output_tokens,
      ],
    }),
  },
  "google-genai": {
    tools: { config: { tools: [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: WEATHER }] }] } },
    ask: (model, more) => genai.models.generateContent({ model, contents: PROMPT, ...more }),
    streamed: async (model, more) => {
      const pieces = await all(genai.models.generateContentStream({ model, contents: PROMPT, ...more }));
      const parts = pieces.flatMap((piece) => piece.candidates?.[0]?.content?.parts ?? []);
      const last = pieces.at(-1);
      last.candidates = [{ content: { role: "model", parts } }];
      return last;
    },
    tell: (model, answer, more) => {
      const parts = answer.functionCalls.map(({ name, id }, n) => ({
        functionResponse: { name, id, response: { output: RESULTS[n] } },
      }));
      const asked = { role: "user", parts: [{ text: PROMPT }] };
      const contents = [asked, answer.candidates[0].content, { role: "user", parts }];
      return genai.models.generateContent({ model, contents, ...more });
    },
    heard: (answer) => ({
      text: (answer.candidates[0].content.parts ?? []).map((part) => (part.thought ? "" : (part.text ?? ""))).join(""),
      calls: (answer.functionCalls ?? []).map(({ name, args }) => [name, args]),
      usage: [
        answer.usageMetadata.promptTokenCount,
        answer.usageMetadata.candidatesTokenCount + (answer.usageMetadata.thoughtsTokenCount ?? 0),
      ],
    }),
  },
};

const CASES = {
  plain: async ({ ask, heard }, upstream) => heard(await ask(`${upstream}/text`)),
  streamed: async ({ streamed, heard }, upstream) => heard(await streamed(`${upstream}/text`)),
  tools: async ({ ask, tell, tools, heard }, upstream) => {
    const answer = await ask(`${upstream}/tools`, tools);
    const again = await tell(`${upstream}/tools`, answer, tools);
    return { calls: heard(answer).calls, text: heard(again).text };
  },
  "tools streamed": async ({ streamed, tell, tools, heard }, upstream) => {
    const answer = await streamed(`${upstream}/tools`, tools);
    const again = await tell(`${upstream}/tools`, answer, tools);
    return { calls: heard(answer).calls, text: heard(again).text };
  },
  refused: async ({ ask }, upstream) => {
    try {
      return { text: JSON.stringify(await ask(`${upstream}/refused`)) };
    } catch (error) {
      return { error: error.constructor.name, status: error.status, message: error.message };
    }
  },
};

async function outcome(sdk, upstream, name) {
  const cell = { sdk, upstream, case: name };
  try {
    return { ...cell, ...(await CASES[name](SDKS[sdk], upstream)) };
  } catch (error) {
    return { ...cell, defect: String(error?.stack ?? error) };
  }
}

const cells = Object.keys(SDKS).flatMap((sdk) =>
  upstreams.split(",").flatMap((upstream) => Object.keys(CASES).map((name) => [sdk, upstream, name])),
);
await Promise.all(cells.map(async (cell) => console.log(JSON.stringify(await outcome(...cell)))));
