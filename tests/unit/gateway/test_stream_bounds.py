"""Streams that are longer or wider than what is kept of them: an error of their own, wherever they are cut into pieces."""

import base64
import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystead.dialects.eventstream import event_frame
from keystead.dialects.translating import MOST_OPENED
from keystead.domain.errors import ProviderError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import LONGEST_EVENT, translated
from keystead.gateway.translate_call import translation_for
from keystead.gateway.translation import Translation
from keystead.metering.meter import meter_for
from keystead.providers.table import PROVIDERS
from tests.unit.gateway.test_invoke import CLAUDE, INVOKE, to
from tests.unit.gateway.test_outgoing import ask

ASKED = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "stream": True, "model": "m"}
PROVIDER_OF = {
    "chat": ("openai", (Dialect.OPENAI, Endpoint.CHAT)),
    "responses": ("openai", (Dialect.OPENAI, Endpoint.RESPONSES)),
    "messages": ("anthropic", (Dialect.ANTHROPIC, Endpoint.MESSAGES)),
    "generate": ("google", (Dialect.GEMINI, Endpoint.GENERATE)),
    "converse": ("bedrock", (Dialect.BEDROCK, Endpoint.CONVERSE)),
}


def way_from(kind: str) -> Translation:
    """Return the way of a stream of this kind back to a caller who speaks something else."""
    provider, wire = PROVIDER_OF[kind]
    if kind == "messages":
        return translated(
            ask(ASKED, dialect=Dialect.OPENAI, endpoint=Endpoint.CHAT), PROVIDERS[provider], wire, model="m"
        )
    caller = ask(ASKED, dialect=Dialect.ANTHROPIC, endpoint=Endpoint.MESSAGES)
    return translated(caller, PROVIDERS[provider], wire, model="m")


def sse(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(**delta: Any) -> bytes:
    return sse({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def frame(kind: str, **payload: Any) -> bytes:
    return event_frame(kind, json.dumps(payload).encode())


def block(number: int, kind: str = "text") -> bytes:
    start = {"type": kind, "text": "", "id": f"t{number}", "name": "f", "input": {}}
    return sse({"type": "content_block_start", "index": number, "content_block": start})


def item(number: int) -> bytes:
    call = {"type": "function_call", "id": f"i{number}", "call_id": f"c{number}", "name": "f", "arguments": ""}
    return sse({"type": "response.output_item.added", "output_index": number, "item": call})


def said(way: Translation, pieces: Iterable[bytes]) -> tuple[bytes, str]:
    """Return what the caller is told, and the code of the error that ends it."""
    out: list[bytes] = []
    try:
        out.extend(way.feed(piece) for piece in pieces)
        out.append(way.end(None))
    except ProviderError as error:
        return b"".join(out), error.code
    return b"".join(out), ""


WIDE: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "choices": (
        "chat",
        lambda n: sse({"id": "c", "model": "m", "choices": [{"index": n, "delta": {}, "finish_reason": None}]}),
    ),
    "chat calls": ("chat", lambda n: chunk(tool_calls=[{"index": n, "id": f"c{n}", "function": {"name": "f"}}])),
    "calls without names": ("chat", lambda n: chunk(tool_calls=[{"index": n, "function": {"arguments": ""}}])),
    "response items": ("responses", item),
    "open blocks": ("messages", block),
    "message calls": ("messages", lambda n: block(n, "tool_use") + sse({"type": "content_block_stop", "index": n})),
    "candidates": ("generate", lambda n: sse({"candidates": [{"index": n}]})),
    "function calls": (
        "generate",
        lambda _: sse({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}}]}),
    ),
    "converse blocks": ("converse", lambda n: frame("contentBlockDelta", contentBlockIndex=n, delta={"text": "a"})),
    "converse calls": (
        "converse",
        lambda n: (
            frame("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": f"t{n}", "name": "f"}})
            + frame("contentBlockStop", contentBlockIndex=0)
        ),
    ),
}


@pytest.mark.parametrize("kind", WIDE)
def test_a_stream_that_opens_too_much_ends_in_an_error_of_its_own(kind: str) -> None:
    provider, make = WIDE[kind]
    way = way_from(provider)
    for number in range(MOST_OPENED):
        way.feed(make(number))
    _, code = said(way, map(make, range(MOST_OPENED, MOST_OPENED + 2)))
    assert code == "too_many_parts"


def test_what_waits_for_a_call_that_never_ends_is_bounded_too() -> None:
    way = way_from("chat")
    way.feed(chunk(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]))
    _, code = said(way, [chunk(reasoning_content="a") + chunk(content="b")] * MOST_OPENED)
    assert code == "too_many_parts"


LONG = "x" * LONGEST_EVENT
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
BEFORE = [chunk(role="assistant", content=""), chunk(content="before")]
AFTER = [
    chunk(content="after"),
    sse({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    sse({"id": "c", "model": "m", "choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]
FRAMES = [frame("messageStart", role="assistant"), frame("contentBlockDelta", delta={"text": "before"})]
LATER = [frame("contentBlockDelta", delta={"text": "after"}), frame("messageStop", stopReason="end_turn")]
STREAMS = {
    "chat": b"".join([*BEFORE, chunk(content=LONG), *AFTER]),
    "converse": b"".join([*FRAMES, frame("contentBlockDelta", delta={"text": LONG}), *LATER]),
}


@pytest.mark.parametrize("kind", STREAMS)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_an_event_too_long_to_be_kept_ends_the_stream_where_it_stands_however_it_is_chopped(
    kind: str, data: st.DataObject
) -> None:
    stream = STREAMS[kind]
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=6))})
    pieces = [stream[start:end] for start, end in pairwise(cuts)]
    told, code = said(way_from(kind), pieces)
    assert code == "event_too_large"
    assert b"before" in told
    assert b"after" not in told
    assert b"message_stop" not in told


@pytest.mark.parametrize("size", [1, 3, 1000, 10**9])
def test_what_cannot_be_read_ends_a_stream_where_it_stands_too(size: int) -> None:
    stream = b"".join([*BEFORE, b"data: {broken\n\n", *AFTER])
    told, code = said(way_from("chat"), [stream[at : at + size] for at in range(0, len(stream), size)])
    assert code == "unreadable_answer"
    assert b"before" in told
    assert b"after" not in told


def test_an_event_of_just_the_most_that_is_kept_is_translated() -> None:
    around = len(chunk(content=""))
    told, code = said(way_from("chat"), [*BEFORE, chunk(content="x" * (LONGEST_EVENT - around)), *AFTER])
    assert code == ""
    assert b"after" in told


def test_the_meter_reads_on_behind_it_and_says_that_something_is_missing() -> None:
    meter = meter_for(
        "openai", Dialect.OPENAI, Endpoint.CHAT, stream=True, content_type="text/event-stream", request_model="m"
    )
    meter.feed(STREAMS["chat"])
    reading = meter.finish(complete=False)
    assert (reading.usage.output_total, reading.anomalies) == (3, ("event_too_large",))


def test_anthropics_words_in_bedrocks_envelope_are_bounded_alike() -> None:
    caller = ask(ASKED, dialect=Dialect.ANTHROPIC, endpoint=Endpoint.MESSAGES)
    way = translation_for(caller, to("bedrock", CLAUDE, INVOKE), drop=False)
    assert way is not None

    def wrapped(event: dict[str, Any]) -> bytes:
        return frame("chunk", bytes=base64.b64encode(json.dumps(event).encode()).decode())

    long = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": LONG}}
    stop = {"type": "message_stop"}
    told, code = said(way, [wrapped({"type": "ping"}) + wrapped(long) + wrapped(stop)])
    assert code == "event_too_large"
    assert told == b'event: ping\ndata: {"type": "ping"}\n\n'
