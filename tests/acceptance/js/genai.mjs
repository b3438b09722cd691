import assert from "node:assert/strict";

import { ApiError, GoogleGenAI } from "@google/genai";

import { PIXEL, WEATHER, all } from "./shared.mjs";

const STATUSES = [400, 401, 403, 404, 429, 500, 503];
const CUTS = ["fake-cut-fin", "fake-cut-rst", "fake-cut-chunk"];
const MODEL = "gemini-2.5-flash";

function clientOf(url, apiKey, apiVersion) {
  return new GoogleGenAI({ apiKey, apiVersion, httpOptions: { baseUrl: url, retryOptions: { attempts: 1 } } });
}

export function genaiCases(url, key) {
  const client = clientOf(url, key);
  const generate = (contents, more = {}) => client.models.generateContent({ model: MODEL, contents, ...more });
  const cases = {
    "genai stream": async () => {
      const chunks = await all(client.models.generateContentStream({ model: MODEL, contents: "Hello" }));
      assert.ok(chunks.at(-1).usageMetadata);
      assert.ok(chunks.map((chunk) => chunk.text ?? "").join(""));
    },
    "genai tools": async () => {
      const tools = [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: WEATHER }] }];
      const answer = await generate("Weather in Bern?", { model: "sandbox/tools", config: { tools } });
      assert.equal(answer.functionCalls[0].name, "weather");
    },
    "genai image": async () => {
      const parts = [{ inlineData: { mimeType: "image/png", data: PIXEL } }, { text: "marker-js-genai-image" }];
      const answer = await generate([{ role: "user", parts }]);
      assert.ok(answer.text.includes("js-genai-image"));
    },
    "genai count tokens": async () => {
      assert.ok((await client.models.countTokens({ model: MODEL, contents: "Hello" })).totalTokens > 0);
    },
    "genai embeddings": async () => {
      const answer = await client.models.embedContent({ model: "gemini-embedding-001", contents: "Hello" });
      assert.ok(answer.embeddings[0].values.length > 1);
    },
    "genai models": async () => {
      assert.ok((await all(client.models.list())).length > 0);
    },
    "genai our own error": () =>
      assert.rejects(clientOf(url, "ks_wrong").models.generateContent({ model: MODEL, contents: "Hello" }), (error) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.status, 401);
        return true;
      }),
  };
  for (const version of ["v1", "v1beta"]) {
    cases[`genai generate ${version}`] = async () => {
      const sdk = clientOf(url, key, version);
      const answer = await sdk.models.generateContent({ model: MODEL, contents: "Hello" });
      assert.ok(answer.text);
      assert.ok(answer.usageMetadata.totalTokenCount > 0);
    };
  }
  for (const status of STATUSES) {
    cases[`genai error ${status}`] = () =>
      assert.rejects(generate("Hello", { model: `fake-error-${status}` }), (error) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.status, status);
        return true;
      });
  }
  for (const script of CUTS) {
    cases[`genai ${script}`] = () =>
      assert.rejects(all(client.models.generateContentStream({ model: script, contents: "Hello" })));
  }
  return cases;
}
