"""Inputs that are almost right: real ones, changed where their structure is, or cut anywhere.

Everything follows from the chance that is given, so that a number names an input.
"""

import json
import random
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

from keystead.dialects.eventstream import FrameSplitter, read_frame, write_frame
from keystead.dialects.sse import SseSplitter, data_of
from keystead.dialects.translating import UnreadableError


class Shape(Enum):
    """What an input consists of."""

    JSON = "json"
    SSE = "sse"
    FRAMES = "frames"
    """Of an AWS event stream."""
    BYTES = "bytes"
    """Nothing that is known here."""


class Written(str):
    """JSON text that stands for itself: what no value of Python's is written as."""

    __slots__ = ()


LONGEST: Final = 256 * 1024
"""Bytes of an input. How time grows with length is measured apart (`growth`)."""
_DEEP: Final = (20, 60, 200, 1100)
_MOST_CHANGES: Final = 5

ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    2**64,
    10**40,
    0.5,
    -0.0,
    "",
    " ",
    "\x00",
    "\u202e\u2028\ufeff",
    "😀" * 3,
    "ks1.",
    "ks1.anthropic.",
    "ks1.openai.!!!.id=",
    "a3MxLg==",
    "data:image/png;base64,",
    "data:;base64,%%%",
    "[DONE]",
    "../../x",
    "\r\n\r\n",
    [],
    {},
    [[]],
    {"": None},
    Written("1e999"),
    Written("-1e-999"),
    Written("1e400"),
    Written("9" * 400),
    Written("9" * 5000),
    Written("1." + "3" * 400),
    Written("NaN"),
    Written("-Infinity"),
    Written(r'"\ud800"'),
    Written(r'"\udc00\ud800"'),
    Written(r'"\u0000"'),
    Written('"\\u00'),
    Written('"\udcff"'),
    Written('{"a":1,"a":2}'),
    Written('{"type":"text","type":"tool_use"}'),
    Written("'"),
    Written(""),
)
"""What stands in the place of a value. A lone surrogate is written as three bytes that are no UTF-8."""

_BYTES: Final = (
    b"",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\n\n",
    b":",
    b"data:",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"%00",
    b"%2e%2e%2f",
    b"&key=",
    b"=",
    b"- &a [*a]\n",
    b"!!python/object:os.system x\n",
    b"--",
    b"0x10",
    b"1e999",
)


class Mutator:
    """Changes inputs by chance."""

    def __init__(self, chance: random.Random, seeds: Sequence[bytes]) -> None:
        """`seeds` are what pieces are taken from."""
        self._chance = chance
        self._seeds = seeds

    def change(self, data: bytes, shape: Shape) -> bytes:
        """Return `data` with a few changes; the last of them may cut it anywhere."""
        for _ in range(self._chance.randint(1, _MOST_CHANGES)):
            make = self._raw if self._chance.random() < 0.15 else self._of_shape(shape)
            data = make(data)
        return data[:LONGEST]

    def _of_shape(self, shape: Shape) -> Callable[[bytes], bytes]:
        return {
            Shape.JSON: self._json,
            Shape.SSE: self._sse,
            Shape.FRAMES: self._frames,
            Shape.BYTES: self._raw,
        }[shape]

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _raw(self, data: bytes) -> bytes:
        chance = self._chance
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 64)))
        match chance.randrange(6):
            case 0:
                return data[:start]
            case 1:
                return data[:start] + chance.choice(_BYTES) + data[end:]
            case 2:
                return data[:start] + chance.randbytes(end - start) + data[end:]
            case 3:
                return data[:end] + data[start:]  # the piece twice
            case 4:
                other = chance.choice(self._seeds)
                cut = chance.randint(0, len(other))
                return data[:start] + other[cut:]
            case _:
                return data[:start] + data[start:end] * chance.choice((0, 2, 50)) + data[end:]

    # -- JSON ---------------------------------------------------------------------------------------------------------

    def _json(self, data: bytes) -> bytes:
        try:
            return self._written(self._changed(json.loads(data))).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):  # no JSON, or none that this can hold
            return self._raw(data)

    def _changed(self, value: Any) -> Any:
        """Return `value` with one change, somewhere in it."""
        holders = list(_holders(value))
        if not holders:
            return self._other(value)
        holder = self._chance.choice(holders)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = self._chance.choice(keys)
        match self._chance.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, holder[key])
            case 1:
                holder[self._chance.choice(("", "type", "of_tomorrow", f"{key} ", str(key).upper()))] = holder[key]
            case 2:  # what stands elsewhere
                other = self._chance.choice(holders)
                holder[key] = json.loads(json.dumps(other, default=str)) if other is not holder else other.__class__()
            case 3:
                holder[key] = self._deep(holder[key])
            case 4:
                holder[key] = [holder[key]]
            case _:
                holder[key] = self._other(holder[key])
        return value

    def _other(self, value: Any) -> Any:
        if isinstance(value, str) and self._chance.random() < 0.4:
            return value * self._chance.choice((0, 2, 40)) + self._chance.choice(("", "\x00", "😀", "x" * 300))
        if isinstance(value, int | float) and self._chance.random() < 0.4:
            return self._chance.choice((-value, value + 1, value * 10**9))
        return self._chance.choice(ODD)

    def _deep(self, value: Any) -> Written:
        depth = self._chance.choice(_DEEP)
        opening, closing = self._chance.choice((("[", "]"), ('{"a":', "}"), ('{"content":[', "]}")))
        return Written(opening * depth + self._written(value) + closing * depth)

    def _written(self, value: Any) -> str:
        if isinstance(value, Written):
            return str(value)
        if isinstance(value, dict):
            members = [f"{json.dumps(name)}:{self._written(each)}" for name, each in value.items()]
            if members and self._chance.random() < 0.02:
                members.append(self._chance.choice(members))  # a member twice
            return "{" + ",".join(members) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(self._written, value)) + "]"
        return json.dumps(value, ensure_ascii=self._chance.random() < 0.5)

    # -- streams ------------------------------------------------------------------------------------------------------

    def _sse(self, data: bytes) -> bytes:
        splitter = SseSplitter()
        events = [*splitter.feed(data), splitter.tail()]
        return b"".join(self._events(events, self._event))

    def _event(self, event: bytes) -> bytes:
        name, _, _ = event.partition(b"data:")
        told = self._json(data_of(event))
        match self._chance.randrange(6):
            case 0:
                told = told.replace(b",", b",\ndata:", 1)
            case 1:
                name += b": a comment\r\nid: 1\r\n"
            case 2:
                return name + b"data:" + told + self._chance.choice((b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\n"))
            case _:
                pass
        return name + b"data: " + told + b"\n\n"

    def _frames(self, data: bytes) -> bytes:
        try:
            return b"".join(self._events(FrameSplitter(limit=LONGEST).feed(data), self._frame))
        except UnreadableError:
            return self._raw(data)

    def _frame(self, frame: bytes) -> bytes:
        try:
            read = read_frame(frame)
        except UnreadableError:
            return frame
        headers = dict(read.headers)
        match self._chance.randrange(5):
            case 0 if headers:
                headers.pop(self._chance.choice(list(headers)))
            case 1:
                kind = self._chance.choice((":event-type", ":exception-type", ":error-code", ":message-type", ""))
                headers[kind] = self._chance.choice(("", "exception", "error", "event", "messageStop", "é"))
            case 2:
                return write_frame(headers, self._raw(read.payload))
            case _:
                pass
        return write_frame(headers, self._json(read.payload))

    def _events(self, events: list[bytes], change: Callable[[bytes], bytes]) -> list[bytes]:
        if not events:
            return [self._chance.choice(self._seeds)]
        at = self._chance.randrange(len(events))
        match self._chance.randrange(8):
            case 0:
                del events[at]
            case 1:
                events.insert(at, events[at])
            case 2:
                other = self._chance.randrange(len(events))
                events[at], events[other] = events[other], events[at]
            case 3:
                events = events + events[: at + 1]  # more behind the end
            case _:
                events[at] = change(events[at])
        return events


def pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """Return `data`, cut anywhere."""
    if len(data) <= 400 and chance.random() < 0.3:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 12)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _holders(value: Any) -> list[Any]:
    """Return the objects and lists in a value that hold something, itself among them."""
    found, open_ = [], [value]
    while open_:
        each = open_.pop()
        if isinstance(each, dict | list) and each:
            found.append(each)
            open_.extend(each.values() if isinstance(each, dict) else each)
    return found
