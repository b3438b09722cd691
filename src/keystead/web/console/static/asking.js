// One request of the playground to one model, streamed. No part of the page: it is given what to send and tells what comes.

/** Ask; `told` is called with the message so far. Returns `{message, id, firstMs, wholeMs, problem}`; never throws. */
export async function ask({ run, token, key, body, signal, told }) {
  const began = performance.now();
  const answer = { message: { role: "assistant", content: null }, id: "", firstMs: null, wholeMs: null, problem: null };
  try {
    const response = await fetch(run, {
      method: "POST",
      headers: { "content-type": "application/json", "x-keystead-form": token, "x-keystead-virtual-key": key },
      body: JSON.stringify({ ...body, stream: true }),
      signal,
    });
    answer.id = response.headers.get("x-keystead-request-id") ?? "";
    if (!response.ok) answer.problem = refused(response, await response.text());
    else if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) whole(answer, await response.json());
    else await streamed(response, answer, () => {
      answer.firstMs ??= performance.now() - began;
      told(answer.message);
    });
  } catch (error) {
    if (signal.aborted) answer.stopped = true;
    else answer.problem = problem({ message: "The answer broke off.", next_step: "Try again." }, "");
  }
  answer.wholeMs = performance.now() - began;
  return answer;
}

async function streamed(response, answer, told) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let finished = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const events = (rest + value).split(/\r?\n\r?\n/);
    rest = events.pop();
    for (const data of events.map(dataOf).filter(Boolean)) {
      if (data === "[DONE]") { finished = true; continue; }
      const piece = parsed(data);
      if (piece?.error) { answer.problem = problem(piece.error, response.headers.get("x-keystead-fault")); return; }
      const choice = piece?.choices?.[0];
      if (choice?.finish_reason) { finished = true; answer.finish = choice.finish_reason; }
      if (choice?.delta && add(answer.message, choice.delta)) told();
    }
  }
  if (!finished) answer.problem = problem({ message: "The answer broke off before its end.", next_step: "Try again." }, "provider");
}

function dataOf(event) {
  return event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return null; }
}

/** Add a piece to a message; say whether it brought anything to see. */
function add(message, delta) {
  const words = delta.reasoning_content ?? delta.reasoning;
  if (typeof words === "string" && words) message.reasoning_content = (message.reasoning_content ?? "") + words;
  for (const entry of delta.reasoning_details ?? []) {
    joined((message.reasoning_details ??= []), entry, (kept) => {
      for (const name of ["text", "summary", "data", "signature"]) if (entry[name]) kept[name] = (kept[name] ?? "") + entry[name];
    });
  }
  const said = delta.content ?? delta.refusal;
  if (typeof said === "string" && said) message.content = (message.content ?? "") + said;
  for (const call of delta.tool_calls ?? []) {
    joined((message.tool_calls ??= []), call, (kept) => {
      if (call.function) kept.function.arguments = (kept.function.arguments ?? "") + (call.function.arguments ?? "");
    });
  }
  return Boolean(words || said || delta.tool_calls?.length);
}

/** Put a piece into the entry with its `index`, or begin that entry with it. */
function joined(entries, piece, more) {
  const kept = entries.find((entry) => entry.index === piece.index);
  if (kept && piece.index !== undefined) more(kept);
  else entries.push(structuredClone(piece));
}

function whole(answer, body) {
  answer.message = body.choices?.[0]?.message ?? answer.message;
  answer.finish = body.choices?.[0]?.finish_reason;
}

function refused(response, text) {
  if (response.status === 401 && !response.headers.get("x-keystead-error")) return problem({ message: "Your session has ended.", code: "signed_out" }, "");
  const error = parsed(text)?.error ?? { message: `The gateway answered with status ${response.status}.` };
  return problem(typeof error === "object" ? error : { message: String(error) }, response.headers.get("x-keystead-fault") ?? error.fault);
}

const NEXT = {
  provider: "Try again, or ask another model.",
  caller: "Change what is asked, as the message says.",
  policy: "Ask who may allow it, or choose another key or model.",
  gateway: "Try again; if it stays, tell the operator the request id.",
};

/** What went wrong, whose it is to mend, and what to do next. */
function problem(error, fault) {
  const next = error.next_step ?? NEXT[fault] ?? "Try again.";
  const message = String(error.message ?? "Something went wrong.");
  return {
    message: error.next_step && message.endsWith(error.next_step) ? message.slice(0, -error.next_step.length).trim() : message,
    next,
    code: String(error.code ?? error.type ?? ""),
    fault: fault ?? "",
  };
}

/** Return what the record says of a request, once it is over; null if it cannot be seen. */
export async function recorded(id) {
  for (const pause of [0, 150, 400, 1000, 2500]) {
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    try {
      const response = await fetch(`/console/playground/requests/${encodeURIComponent(id)}`);
      const found = response.ok && !response.redirected ? await response.json() : null;
      if (found?.over) return found;
    } catch { return null; }
  }
  return null;
}
