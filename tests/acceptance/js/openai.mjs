import assert from "node:assert/strict";

import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from "openai";

import { HELLO, PIXEL, WEATHER, all } from "./shared.mjs";

const ERRORS = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  429: RateLimitError,
  500: InternalServerError,
  503: InternalServerError,
};

const CUTS = ["fake-cut-fin", "fake-cut-rst", "fake-cut-chunk"];

export function openaiCases(url, key) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const chat = (model, more = {}) => client.chat.completions.create({ model, messages: HELLO, ...more });
  const cases = {
    "openai chat": async () => {
      const answer = await chat("gpt-5-mini");
      assert.ok(answer.choices[0].message.content);
      assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    },
    "openai headers": async () => {
      const { response } = await chat("gpt-5-mini").withResponse();
      assert.match(response.headers.get("x-keystead-request-id"), /^req_/);
      assert.match(response.headers.get("x-keystead-credential"), /^cred_.*@1$/);
      assert.match(response.headers.get("x-keystead-cost"), / USD$/);
    },
    "openai stream": async () => {
      const chunks = await all(chat("gpt-5-mini", { stream: true }));
      assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""));
    },
    "openai stream with usage": async () => {
      const chunks = await all(chat("gpt-5-mini", { stream: true, stream_options: { include_usage: true } }));
      assert.deepEqual(chunks.at(-1).choices, []);
      assert.ok(chunks.at(-1).usage.completion_tokens > 0);
    },
    "openai tools": async () => {
      const tools = [{ type: "function", function: { name: "weather", parameters: WEATHER } }];
      const answer = await chat("sandbox/tools", { tools });
      assert.equal(answer.choices[0].finish_reason, "tool_calls");
      assert.equal(answer.choices[0].message.tool_calls[0].function.name, "weather");
    },
    "openai image": async () => {
      const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } };
      const content = [{ type: "text", text: "marker-js-openai-image" }, image];
      const answer = await chat("gpt-5-mini", { messages: [{ role: "user", content }] });
      assert.ok(answer.choices[0].message.content.includes("js-openai-image"));
    },
    "openai responses": async () => {
      const answer = await client.responses.create({ model: "gpt-5-mini", input: "Hello" });
      assert.ok(answer.output_text);
      assert.ok(answer.usage.output_tokens > 0);
      const again = await client.responses.retrieve(answer.id);
      assert.equal(again.object, "response");
    },
    "openai responses stream": async () => {
      const events = await all(client.responses.create({ model: "gpt-5-mini", input: "Hello", stream: true }));
      assert.equal(events[0].type, "response.created");
      assert.equal(events.at(-1).type, "response.completed");
    },
    "openai embeddings": async () => {
      const answer = await client.embeddings.create({ model: "sandbox/echo", input: ["a", "b"] });
      assert.equal(answer.data.length, 2);
      assert.ok(answer.data[0].embedding.length > 1);
    },
    "openai models": async () => {
      assert.ok((await all(client.models.list())).length > 0);
    },
    "openai our own error": async () => {
      const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "ks_wrong", maxRetries: 0 });
      await assert.rejects(stranger.chat.completions.create({ model: "gpt-5", messages: HELLO }), (error) => {
        assert.ok(error instanceof AuthenticationError);
        assert.equal(error.code, "invalid_key");
        return true;
      });
    },
  };
  for (const [status, kind] of Object.entries(ERRORS)) {
    cases[`openai error ${status}`] = () =>
      assert.rejects(chat(`my-openai/fake-error-${status}`), (error) => {
        assert.ok(error instanceof kind, `${error.constructor.name} instead of ${kind.name}`);
        assert.equal(error.status, Number(status));
        assert.ok(error.headers.get("x-keystead-error"));
        return true;
      });
  }
  for (const script of CUTS) {
    cases[`openai ${script}`] = () => assert.rejects(all(chat(`my-openai/${script}`, { stream: true })), APIError);
  }
  return cases;
}
