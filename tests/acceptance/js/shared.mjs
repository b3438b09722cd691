// What the cases of all three SDKs send.

export const HELLO = [{ role: "user", content: "Hello" }];

export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const WEATHER = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

// Read a stream to its end and return what it gave.
export async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}
