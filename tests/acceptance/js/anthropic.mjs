import assert from "node:assert/strict";

import Anthropic, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  OverloadedError,
  PermissionDeniedError,
  RateLimitError,
} from "@anthropic-ai/sdk";

import { HELLO, PIXEL, WEATHER, all } from "./shared.mjs";

const ERRORS = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  429: RateLimitError,
  500: InternalServerError,
  529: OverloadedError,
};

const CUTS = ["fake-cut-fin", "fake-cut-rst", "fake-cut-chunk"];

export function anthropicCases(url, key) {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const ask = (model, more = {}) => client.messages.create({ model, max_tokens: 64, messages: HELLO, ...more });
  const cases = {
    "anthropic message": async () => {
      const answer = await ask("claude-opus-5");
      assert.equal(answer.content[0].type, "text");
      assert.ok(answer.usage.output_tokens > 0);
    },
    "anthropic stream": async () => {
      const stream = client.messages.stream({ model: "claude-opus-5", max_tokens: 64, messages: HELLO });
      const final = await stream.finalMessage();
      assert.ok(final.usage.output_tokens > 0);
      assert.ok(final.content[0].text);
    },
    "anthropic tools": async () => {
      const answer = await ask("sandbox/tools", { tools: [{ name: "weather", input_schema: WEATHER }] });
      assert.equal(answer.stop_reason, "tool_use");
      assert.ok(answer.content.some((block) => block.type === "tool_use" && block.name === "weather"));
    },
    "anthropic image": async () => {
      const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } };
      const content = [image, { type: "text", text: "marker-js-anthropic-image" }];
      const answer = await ask("claude-opus-5", { messages: [{ role: "user", content }] });
      assert.ok(answer.content[0].text.includes("js-anthropic-image"));
    },
    "anthropic count tokens": async () => {
      const counted = await client.messages.countTokens({ model: "claude-opus-5", messages: HELLO });
      assert.ok(counted.input_tokens > 0);
    },
    "anthropic models": async () => {
      assert.ok((await all(client.models.list())).length > 0);
    },
    "anthropic our own error": async () => {
      const stranger = new Anthropic({ baseURL: url, apiKey: "ks_wrong", maxRetries: 0 });
      await assert.rejects(
        stranger.messages.create({ model: "claude-opus-5", max_tokens: 8, messages: HELLO }),
        AuthenticationError,
      );
    },
  };
  for (const [status, kind] of Object.entries(ERRORS)) {
    cases[`anthropic error ${status}`] = () =>
      assert.rejects(ask(`my-anthropic/fake-error-${status}`), (error) => {
        assert.ok(error instanceof kind, `${error.constructor.name} instead of ${kind.name}`);
        assert.equal(error.status, Number(status));
        return true;
      });
  }
  for (const script of CUTS) {
    cases[`anthropic ${script}`] = () =>
      assert.rejects(all(ask(`my-anthropic/${script}`, { stream: true })), APIError);
  }
  return cases;
}
