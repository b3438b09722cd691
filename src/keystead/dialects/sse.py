"""Server-sent events as bytes: cut a stream into events, read an event, withhold the one nobody asked for.

Rules are those of the HTML standard, section 9.2.6: a line ends with LF, CR LF or CR; an event ends with an empty
line; lines that begin with a colon are comments. Events keep every byte they came with, so that what is forwarded
is what was received.
"""

import re
from typing import Final

import msgspec

_TWO_LINE_ENDS: Final = re.compile(rb"(?:\n|\r\n?+)(?:\n|\r\n?+)")
"""The end of a line and an empty line. `\\n?+` is possessive, so that CR LF never counts as two line ends."""

_LONGEST_TERMINATOR: Final = len(b"\r\n\r\n")
_KEPT: Final = _LONGEST_TERMINATOR - 1
"""Bytes at the end of an unfinished event that may be the beginning of its terminator."""

_CR: Final = 0x0D
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class SseSplitter:
    """Cuts a stream into events, whatever the sizes of the chunks it comes in.

    Args:
        limit: The longest event, in bytes with its terminator, that is kept. A longer one is dropped and counted,
            and never held in memory. None keeps events of any length.
        goes_on: Whether events are returned that come after a dropped one.
    """

    def __init__(self, *, limit: int | None = None, goes_on: bool = True) -> None:
        self.dropped = 0
        """How many events were longer than the limit."""
        self._limit = limit
        self._goes_on = goes_on
        self._buffer = bytearray()
        self._skipping = False
        self._seen_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes and return the events they complete, each with its terminator."""
        self._seen_cr = self._seen_cr or b"\r" in chunk
        if not self._buffer and not self._seen_cr and chunk.find(b"\n\n") == len(chunk) - 2 >= 0:
            # One whole event, as most chunks are: no copy.
            events: list[bytes] = []
            self._complete(events, chunk)
            return events
        return self._cut(chunk)

    def tail(self) -> bytes:
        """Return the bytes after the last terminator: an event that is not finished, or nothing."""
        lost = self._skipping or (self.dropped and not self._goes_on)
        return b"" if lost else bytes(self._buffer)

    def pending(self) -> int:
        """Return how many bytes of an unfinished event are held."""
        return len(self._buffer)

    def release(self) -> bytes:
        """Give up what is held of an unfinished event, except what may be the beginning of its terminator."""
        held = bytes(self._buffer[:-_KEPT])
        del self._buffer[:-_KEPT]
        return held

    def _cut(self, chunk: bytes) -> list[bytes]:
        source: bytes | bytearray = chunk
        searched = 0
        if self._buffer:
            searched = max(0, len(self._buffer) - _KEPT)
            self._buffer += chunk
            source = self._buffer
        events: list[bytes] = []
        start = 0
        while (end := self._end(source, searched)) > 0:
            self._complete(events, bytes(source[start:end]))
            start = searched = end
        if source is self._buffer:
            del self._buffer[:start]
        else:
            self._buffer += source[start:]
        self._bound()
        return events

    def _end(self, source: bytes | bytearray, start: int) -> int:
        """Return where the first terminator at or after `start` ends, or 0 if there is none yet."""
        if not self._seen_cr:
            found = source.find(b"\n\n", start)
            return found + 2 if found >= 0 else 0
        match = _TWO_LINE_ENDS.search(source, start)
        if match is None:
            return 0
        end = match.end()
        # A CR in the last place may be the first half of a CR LF: the next byte tells.
        return 0 if end == len(source) and source[-1] == _CR else end

    def _complete(self, events: list[bytes], event: bytes) -> None:
        if self._skipping or (self._limit is not None and len(event) > self._limit):
            self.dropped += not self._skipping
            self._skipping = False
            return
        if self._goes_on or not self.dropped:
            events.append(event)

    def _bound(self) -> None:
        if self._limit is None or (len(self._buffer) <= self._limit and not self._skipping):
            return
        self.dropped += not self._skipping
        self._skipping = True
        del self._buffer[:-_KEPT]


def data_of(event: bytes) -> bytes:
    """Return the data of an event: its `data` lines without the field name, joined by LF; empty if it has none."""
    line = event.rstrip(b"\r\n")
    if line.startswith(b"data:") and b"\n" not in line and b"\r" not in line:
        return line[6:] if line.startswith(b"data: ") else line[5:]
    return b"\n".join(_values(event, b"data"))


def event_name(event: bytes) -> bytes:
    """Return the event's name, its last `event` line; empty if it has none (a `message`, in the standard's words)."""
    return ([b"", *_values(event, b"event")])[-1]


def _values(event: bytes, field: bytes) -> list[bytes]:
    values = []
    for line in event.removeprefix(_BYTE_ORDER_MARK).splitlines():
        name, _, value = line.partition(b":")
        if name == field:
            values.append(value.removeprefix(b" "))
    return values


class _UsageChunk(msgspec.Struct):
    choices: list[msgspec.Raw]
    usage: dict[str, msgspec.Raw]


_USAGE_CHUNK: Final = msgspec.json.Decoder(_UsageChunk)
_EMPTY_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')

_LONGEST_USAGE_EVENT: Final = 64 * 1024
"""Bytes of an event beyond which it cannot be the usage chunk (real ones have about 1 KiB) and is passed on as it
comes, so that a provider cannot make the gateway hold memory by never ending an event."""


class UsageChunkFilter:
    """Withholds the usage-only chunk of an OpenAI chat stream from a client that did not ask for it.

    With `stream_options.include_usage`, which the gateway sets to learn the usage, an extra last chunk arrives with
    `"choices": []` and the usage. Clients that did not ask may read `choices[0]` of every chunk, so they do not get
    it. Everything else passes byte for byte, the `"usage": null` that the option adds to the other chunks included;
    so does a chunk that carries usage beside a choice, because such a provider sends it unasked.
    """

    def __init__(self) -> None:
        self._splitter = SseSplitter()
        self._passing = False

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes from the provider and return the bytes for the client."""
        out = []
        for event in self._splitter.feed(chunk):
            # The end of an event whose beginning has been forwarded belongs to the client.
            if self._passing or not _is_usage_only(event):
                out.append(event)
            self._passing = False
        if self._splitter.pending() > _LONGEST_USAGE_EVENT or (self._passing and self._splitter.pending() > _KEPT):
            self._passing = True
            out.append(self._splitter.release())
        return out[0] if len(out) == 1 else b"".join(out)

    def flush(self) -> bytes:
        """Return what is held at the end of the stream."""
        tail = self._splitter.tail()
        return tail if self._passing or not _is_usage_only(tail) else b""


def _is_usage_only(event: bytes) -> bool:
    if b'"usage"' not in event or _EMPTY_CHOICES.search(event) is None:
        return False
    try:
        chunk = _USAGE_CHUNK.decode(data_of(event))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return not chunk.choices
