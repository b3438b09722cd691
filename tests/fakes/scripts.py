"""What the fake does for the model names that start with `fake-`: the faults a gateway must live with.

| model | what happens |
|---|---|
| `fake-error-<status>` | that status, in OpenAI's or Anthropic's or Gemini's error shape, `retry-after: 7` |
| `fake-echo-key` | 401 whose body and headers hold the key; in a stream: 200 and an error event that holds it |
| `fake-echo-key-split` | 200, the key cut in the middle by a chunk border |
| `fake-cut-fin`, `fake-cut-rst`, `fake-cut-chunk` | the stream ends before its usage: FIN, RST, inside a chunk |
| `fake-error-event` | 200, then an error event inside the stream |
| `fake-silent` | accepts, never answers |
| `fake-stall` | answers, then falls silent |
| `fake-drip` | one byte every 50 ms |
| `fake-drop` | closes the connection without an answer |
| `fake-bomb` | 300 MB of zeros, gzipped, although identity was asked for |
| `fake-endless` | an SSE stream without end |
| `fake-giant-line` | an answer without a line break, without end |
| `fake-comments` | a million SSE comments, then the answer |
| `fake-many-headers` | 2,000 headers |
| `fake-huge-header` | one header of 1 MB |
| `fake-cookie` | set-cookie, organization and server headers |
| `fake-redirect-<status>` | a redirect to the metadata service |
| `fake-bad-json`, `fake-bad-http` | an answer that is not JSON, not HTTP |
| `fake-no-usage`, `fake-lying-usage` | an answer without usage, with impossible usage |
"""

import functools
import gzip
import itertools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.fakes import answers
from tests.fakes.wire import RESET, STALL, Answer, Call, Framing, Step

_EVENT: Final = (("content-type", "text/event-stream"),)
_STATUS: Final = re.compile(r"fake-(error|redirect)-(\d{3})$")
_BOMB_BYTES: Final = 300_000_000


def answer_for(call: Call) -> Answer | None:
    """Return the scripted answer that the call's model asks for, None if it asks for none."""
    name = call.model.rpartition("/")[2]
    if not name.startswith("fake-"):
        return None
    if match := _STATUS.match(name):
        return _error(call, int(match[2])) if match[1] == "error" else _redirect(int(match[2]))
    script = _SCRIPTS.get(name)
    return script(call) if script else None


def error_body(call: Call, status: int, message: str = "The fake was told to fail.") -> bytes:
    """Return an error in the shape of the dialect that the call's path belongs to."""
    body: Any
    if call.path.endswith(("/messages", "/count_tokens")):
        body = {"type": "error", "error": {"type": "api_error", "message": message}, "request_id": "req_fake_1"}
    elif "v1beta/models" in call.path:
        body = {"error": {"code": status, "message": message, "status": "UNAVAILABLE"}}
    else:
        body = {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
    return json.dumps(body).encode()


def _error(call: Call, status: int) -> Answer:
    headers = (("content-type", "application/json"), ("retry-after", "7"), ("x-request-id", "req_fake_1"))
    return Answer(status=status, headers=headers, steps=(error_body(call, status),))


def _redirect(status: int) -> Answer:
    return Answer(status=status, headers=(("location", "http://169.254.169.254/latest/meta-data/"),))


def _key(call: Call) -> str:
    return call.auth.removeprefix("Bearer ")


def _echo_key(call: Call) -> Answer:
    body = error_body(call, 401, f"Incorrect API key provided: {_key(call)}.")
    if b'"stream":true' in call.body or "streamGenerate" in call.path:
        return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=(b"data: " + body + b"\n\n",))
    headers = (("content-type", "application/json"), ("x-request-id", _key(call)), ("www-authenticate", _key(call)))
    return Answer(status=401, headers=headers, steps=(body,))


def _echo_key_split(call: Call) -> Answer:
    key = _key(call).encode()
    half = len(key) // 2
    # The pause makes two reads of it on the other side.
    steps: tuple[Step, ...] = (b"data: " + key[:half], 0.02, key[half:] + b"\n\n", b"data: [DONE]\n\n")
    return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=steps)


def _begun(call: Call) -> tuple[Step, ...]:
    """Return the first events of the stream that the call would get."""
    return tuple(answers.answer_for(call).steps)[:3]


def _cut_fin(call: Call) -> Answer:
    return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=(*_begun(call), 0.01), close=True)


def _cut_rst(call: Call) -> Answer:
    return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=(*_begun(call), 0.01, RESET))


def _cut_chunk(call: Call) -> Answer:
    first = b"".join(step for step in _begun(call) if isinstance(step, bytes))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return Answer(framing=Framing.RAW, steps=(head + b"%x\r\n%s" % (len(first) + 100, first),))


def _error_event(call: Call) -> Answer:
    event = b"event: error\ndata: " + error_body(call, 500, "Overloaded inside a stream.") + b"\n\n"
    return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=(*_begun(call), event))


def _stall(call: Call) -> Answer:
    return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=(*_begun(call), STALL))


def _drip(call: Call) -> Answer:
    body = b"".join(step for step in answers.answer_for(call).steps if isinstance(step, bytes))
    steps: Iterable[Step] = itertools.chain.from_iterable((bytes((byte,)), 0.05) for byte in body)
    return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=steps)


@functools.cache
def _bomb_body() -> bytes:
    return gzip.compress(bytes(_BOMB_BYTES), compresslevel=1)


def _bomb(_call: Call) -> Answer:
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    return Answer(headers=headers, steps=(_bomb_body(),))


def _comments(call: Call) -> Answer:
    steps = (*([b": keep-alive\n\n" * 1000] * 1000), *answers.answer_for(call).steps)
    return Answer(headers=_EVENT, framing=Framing.CHUNKED, steps=steps)


def _many_headers(_call: Call) -> Answer:
    return Answer(headers=tuple((f"x-ratelimit-{number}", "1") for number in range(2000)), steps=(b"{}",))


def _cookie(call: Call) -> Answer:
    headers = (
        ("content-type", "application/json"),
        ("set-cookie", "session=secret"),
        ("openai-organization", "org-internal"),
        ("openai-project", "proj_internal"),
        ("anthropic-organization-id", "org-internal"),
        ("server", "internal-host-7"),
        ("via", "1.1 internal-host-7"),
        ("x-ratelimit-remaining-requests", "99"),
    )
    return Answer(headers=headers, steps=answers.answer_for(call).steps)


def _with_usage(call: Call, usage: Any) -> Answer:
    value = json.loads(b"".join(step for step in answers.answer_for(call).steps if isinstance(step, bytes)))
    value["usage"] = usage
    return Answer(steps=(json.dumps({key: item for key, item in value.items() if item is not None}).encode(),))


_SCRIPTS: Final[dict[str, Callable[[Call], Answer]]] = {
    "fake-echo-key": _echo_key,
    "fake-echo-key-split": _echo_key_split,
    "fake-cut-fin": _cut_fin,
    "fake-cut-rst": _cut_rst,
    "fake-cut-chunk": _cut_chunk,
    "fake-error-event": _error_event,
    "fake-silent": lambda _: Answer(framing=Framing.RAW, steps=(STALL,)),
    "fake-stall": _stall,
    "fake-drip": _drip,
    "fake-drop": lambda _: Answer(framing=Framing.RAW, steps=()),
    "fake-bomb": _bomb,
    "fake-endless": lambda _: Answer(
        headers=_EVENT, framing=Framing.CHUNKED, steps=itertools.repeat(b'data: {"choices":[]}\n\n' * 100)
    ),
    "fake-giant-line": lambda _: Answer(
        headers=_EVENT, framing=Framing.CHUNKED, steps=itertools.chain((b"data: ",), itertools.repeat(b"x" * 65_536))
    ),
    "fake-comments": _comments,
    "fake-many-headers": _many_headers,
    "fake-huge-header": lambda _: Answer(headers=(("x-ratelimit-limit", "1" * 1_000_000),), steps=(b"{}",)),
    "fake-cookie": _cookie,
    "fake-bad-json": lambda _: Answer(steps=(b'{"choices": [',)),
    "fake-bad-http": lambda _: Answer(framing=Framing.RAW, steps=(b"220 smtp.example ESMTP\r\n\r\n",)),
    "fake-no-usage": lambda call: _with_usage(call, None),
    "fake-lying-usage": lambda call: _with_usage(
        call, {"prompt_tokens": -5, "completion_tokens": 10**12, "total_tokens": 3}
    ),
}
