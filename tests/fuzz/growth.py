"""Time by length: four times the input may take some four times as long, never sixteen times."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from keystead.cli.yaml_tree import read_yaml
from keystead.dialects.asked import asked_output
from keystead.dialects.body import read_json
from keystead.dialects.eventstream import FrameSplitter
from keystead.dialects.foreign_seals import without_foreign_seals
from keystead.dialects.json_array import JsonArraySplitter
from keystead.dialects.sse import SseSplitter, UsageChunkFilter
from keystead.dialects.translating import Profile
from keystead.domain.chat import (
    ChatRequest,
    Citation,
    Cited,
    Event,
    Finish,
    Finished,
    Maker,
    RefusalDelta,
    Sealed,
    Started,
    Text,
    TextDelta,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
    ToolResult,
    Turn,
)
from keystead.domain.errors import KeysteadError
from keystead.gateway.translate import CHATS
from keystead.gateway.translation import Wire
from keystead.metering.meter import meter_for
from keystead.providers.redact import redactor_of
from tests.fuzz import seeds
from tests.fuzz.dialects import PROVIDER_OF, name_of, translation
from tests.fuzz.growth_others import others

_FACTOR: Final = 4
_MOST: Final = 9.0
"""Between 4 and 16: what grows by more is quadratic."""
_NOTICED_S: Final = 0.1
"""Of CPU: what is shorter says nothing."""
_COUNT: Final = 300
"""How many of what repeats an input has; four times as many in the longer one."""

_LONGEST_S: Final = 5.0
"""Of CPU, for one case: the slowest takes 0.2 s."""

Made = Callable[[int], Callable[[], object]]
"""From a length to something to be done with an input of that length."""


def too_fast() -> list[tuple[str, str]]:
    """Return what takes too long for longer inputs, and how long."""
    found = []
    for name, make in cases():
        short, long = _seconds(make(_COUNT)), _seconds(make(_COUNT * _FACTOR))
        if long > _NOTICED_S and long > short * _MOST:  # once more, for others may have had the processor's caches
            short, long = (min(_seconds(make(count)) for _ in range(3)) for count in (_COUNT, _COUNT * _FACTOR))
            if long > short * _MOST:
                found.append((name, f"{short * 1000:.0f} ms, {_FACTOR} times as much in {long * 1000:.0f} ms"))
    return found


def cases() -> Iterator[tuple[str, Made]]:
    """Yield what is watched."""
    for wire in CHATS:
        for kind, events in _STREAMS.items():
            for caller in CHATS:
                yield (
                    f"stream {name_of(wire)} to {name_of(caller)}, {kind}",
                    partial(_translating, caller, wire, events),
                )
        for kind, request in _REQUESTS.items():
            yield f"request {name_of(wire)}, {kind}", partial(_requesting, wire, request)
        yield f"metering {name_of(wire)}", partial(_metering, wire)
    for kind, body in _BODIES.items():
        yield f"body, {kind}", partial(_reading, body)
    for kind, data in _BYTES.items():
        yield f"framing, {kind}", partial(_framing, data)
    yield from others()
    yield "a document", lambda count: partial(read_yaml, "a:\n" + "- {b: c, d: [1, 2]}\n" * count)


def _seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of some work, which is given up where it takes longer than anything here may."""
    started = time.process_time()
    before = signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, _LONGEST_S)
    try:
        work()
    except _TooLongError:
        pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return time.process_time() - started


class _TooLongError(BaseException):
    """Not an Exception: no reader may take it for what is wrong with its input."""


def _give_up(*_: object) -> None:
    raise _TooLongError


# -- streams ----------------------------------------------------------------------------------------------------------

_SEAL: Final = Sealed(maker=Maker.ANTHROPIC, data="c2VhbA==")


def _calls(count: int) -> Iterator[Event]:
    for number in range(count):
        yield ToolCallStarted(call=number, id=f"call_{number}", name="weather")
        yield ToolArgumentsDelta(call=number, json='{"city":"Bern"}')


def _interleaved(count: int) -> Iterator[Event]:
    yield from (ToolCallStarted(call=number, id=f"call_{number}", name="weather") for number in range(count))
    yield from (ToolArgumentsDelta(call=number % count, json='"') for number in range(2 * count))


def _one_call(count: int) -> Iterator[Event]:
    yield ToolCallStarted(call=0, id="call_0", name="weather")
    yield ToolArgumentsDelta(call=0, json='{"a":"')
    yield from (ToolArgumentsDelta(call=0, json="word ") for _ in range(count))
    yield ToolArgumentsDelta(call=0, json='"}')


def _sealed(count: int) -> Iterator[Event]:
    for _ in range(count):
        yield ThinkingDelta(text="So.")
        yield ThinkingSealed(sealed=_SEAL)


def _cited(count: int) -> Iterator[Event]:
    for _ in range(count):
        yield TextDelta(text="So.")
        yield Cited(citation=Citation(url="https://a.example/", title="A"))


def _turns(count: int) -> Iterator[Event]:
    for number in range(count):
        yield TextDelta(text="a") if number % 2 else ThinkingDelta(text="b")


_STREAMS: Final[dict[str, Callable[[int], Iterator[Event]]]] = {
    "text": lambda count: (TextDelta(text="word ") for _ in range(count)),
    "refusal": lambda count: (RefusalDelta(text="word ") for _ in range(count)),
    "thoughts": lambda count: (ThinkingDelta(text="word ") for _ in range(count)),
    "sealed thoughts": _sealed,
    "text and thoughts by turns": _turns,
    "one call in pieces": _one_call,
    "many calls": _calls,
    "interleaved calls": _interleaved,
    "citations": _cited,
    "one long text": lambda count: iter((TextDelta(text="ü\n" * count * 40),)),
}


def _translating(
    caller: Wire, wire: Wire, events: Callable[[int], Iterator[Event]], count: int
) -> Callable[[], object]:
    writer = CHATS[wire].stream_writer(ChatRequest(model="m", turns=(), stream=True), request_id="r", created_s=1)
    told = [Started(id="i", model="m"), *events(count), Finished(finish=Finish.STOP)]
    chunks = [*(writer.feed(event) for event in told), writer.end(seeds.USAGE)]
    return partial(_through, caller, wire, chunks)


def _through(caller: Wire, wire: Wire, chunks: list[bytes]) -> None:
    way = translation(caller, wire)
    for chunk in chunks:
        way.feed(chunk)
    way.end(seeds.USAGE)


# -- requests ---------------------------------------------------------------------------------------------------------


def _tool_turns(count: int, *, named: bool) -> tuple[Turn, ...]:
    ids = [f"call_{number}" if named else "" for number in range(count)]
    calls = tuple(ToolCall(id=each, name=f"f{n}", arguments="{}") for n, each in enumerate(ids))
    results = tuple(
        ToolResult(call_id=each, name=f"f{n}", parts=(Text(text="x"),)) for n, each in reversed(list(enumerate(ids)))
    )
    return (
        Turn(role="user", parts=(Text(text="Hi"),)),
        Turn(role="assistant", parts=calls),
        Turn(role="user", parts=results),
    )


_REQUESTS: Final[dict[str, Callable[[int], tuple[Turn, ...]]]] = {
    "turns": lambda count: tuple(
        Turn(role="user" if number % 2 else "assistant", parts=(Text(text="word"),)) for number in range(count)
    ),
    "parts": lambda count: (Turn(role="user", parts=tuple(Text(text="word") for _ in range(count))),),
    "calls and results": partial(_tool_turns, named=True),
    "calls without ids": partial(_tool_turns, named=False),
}


def _requesting(wire: Wire, turns: Callable[[int], tuple[Turn, ...]], count: int) -> Callable[[], object]:
    request = ChatRequest(model="m", turns=turns(count), max_output_tokens=9)
    profile = Profile()
    gemini = CHATS[next(each for each in CHATS if each[0] == "gemini")]
    body = (
        CHATS[wire].write_request(request, profile).body
        if _has_ids(request)
        else gemini.write_request(request, profile).body
    )
    reader = CHATS[wire] if _has_ids(request) else gemini

    def work() -> None:
        CHATS[wire].write_request(reader.read_request(body, model="m", stream=False), profile)

    return work


def _has_ids(request: ChatRequest) -> bool:
    return all(part.id for turn in request.turns for part in turn.parts if isinstance(part, ToolCall))


_BODIES: Final[dict[str, Callable[[int], Any]]] = {
    "messages": lambda count: {"model": "m", "messages": [{"role": "user", "content": "x ks1.a"}] * count},
    "one text": lambda count: {"model": "m", "messages": [{"role": "user", "content": '"\\ü' * count * 40}]},
    "tools": lambda count: {"model": "m", "messages": [], "tools": [{"type": "function", "function": {}}] * count},
    "prompts": lambda count: {"model": "m", "prompt": ["a"] * count},
}


def _reading(make: Callable[[int], Any], count: int) -> Callable[[], object]:
    body = json.dumps(make(count)).encode()

    def work() -> None:
        read = read_json(body)
        for wire in CHATS:
            asked_output(read, wire[0])
            without_foreign_seals(read, *wire)

    return work


# -- framing ----------------------------------------------------------------------------------------------------------

_BYTES: Final[dict[str, Callable[[int], list[bytes]]]] = {
    "no end": lambda count: [b"data: x" * 4] * count,
    "line ends by the byte": lambda count: [b"\r"] * count,
    "empty events": lambda count: [b"\n\n" * count],
    "a string without end": lambda count: [b'[{"a":"', *([b"\\" * 64] * count)],
    "brackets": lambda count: [b"[" * count * 40],
    "half a key": lambda count: [b"sk-proj-canary-7f3b1c9d5e2a486"] * count,
}


def _framing(make: Callable[[int], list[bytes]], count: int) -> Callable[[], object]:
    chunks = make(count)

    def work() -> None:
        limit = 8 * 1024 * 1024
        redactor = redactor_of(("sk-proj-canary-7f3b1c9d5e2a4860",))
        for each in (SseSplitter(limit=limit), JsonArraySplitter(limit=limit), UsageChunkFilter(), redactor):
            for chunk in chunks:
                each.feed(chunk)
        try:
            splitter = FrameSplitter(limit=limit)
            for chunk in chunks:
                splitter.feed(chunk)
        except (KeysteadError, ValueError):
            pass

    return work


def _metering(wire: Wire, count: int) -> Callable[[], object]:
    writer = CHATS[wire].stream_writer(ChatRequest(model="m", turns=(), stream=True), request_id="r", created_s=1)
    chunks = [writer.feed(TextDelta(text="word ")) for _ in range(count)] + [writer.end(seeds.USAGE)]

    def work() -> None:
        framed = "application/vnd.amazon.eventstream" if wire[0] == "bedrock" else "text/event-stream"
        meter = meter_for(PROVIDER_OF[name_of(wire)], *wire, stream=True, content_type=framed, request_model="m")
        for chunk in chunks:
            meter.feed(chunk)
        meter.finish(complete=True)

    return work
