"""AWS event streams (`application/vnd.amazon.eventstream`): cut a stream into frames, read a frame, write one. Pure.

A frame is: its length, the length of its headers, a CRC of both, the headers, the payload, a CRC of all before. What is
cut wrongly once can never be cut rightly again, so a prelude that does not add up ends the reading.
(smithy.io/2.0/aws/amazon-eventstream.html)
"""

import struct
from collections.abc import Mapping
from typing import Final
from zlib import crc32

import msgspec

from keystead.dialects.translating import UnreadableError

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_LEAST: Final = _PRELUDE.size + _CRC.size
_LONGEST_HEADERS: Final = 128 * 1024
"""As the protocol bounds them."""
_LONGEST_FRAME: Final = 24 * 1024 * 1024
"""As AWS's own SDKs bound it; a longer one is a defect of the framing."""

_STRING: Final = 7
_WIDTHS: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the values of other types: truth values, integers, times and UUIDs."""
_WITH_LENGTH: Final = frozenset({6, _STRING})


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame, taken apart."""

    headers: Mapping[str, str]
    """Those that are texts; services use no others."""
    payload: bytes

    @property
    def event(self) -> str:
        """The kind of event; empty for an exception or an error."""
        return self.headers.get(":event-type", "") if self.headers.get(":message-type") == "event" else ""

    @property
    def failure(self) -> str:
        """The name of the exception or error that it is; empty for an event."""
        match self.headers.get(":message-type"):
            case "exception":
                return self.headers.get(":exception-type") or "exception"
            case "error":
                return self.headers.get(":error-code") or "error"
            case _:
                return ""


class FrameSplitter:
    """Cuts a stream into frames, whatever the sizes of the chunks it comes in.

    Args:
        limit: The longest frame, in bytes, that is kept. A longer one is dropped and counted, and never held in memory.
        goes_on: Whether frames are returned that come after a dropped one.
    """

    def __init__(self, *, limit: int, goes_on: bool = True) -> None:
        self.dropped = 0
        """How many frames were longer than the limit."""
        self._limit = limit
        self._goes_on = goes_on
        self._buffer = bytearray()
        self._skip = 0
        """Bytes still to come of a frame that is dropped."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes and return the frames they complete.

        Raises:
            UnreadableError: these are no frames. Frames before them are returned first; then the tail is not empty, and
                the next call raises.
        """
        self._buffer += chunk
        frames: list[bytes] = []
        start = 0
        while True:
            if self.dropped and not self._goes_on:
                start = len(self._buffer)
                break
            if self._skip:
                passed = min(self._skip, len(self._buffer) - start)
                self._skip -= passed
                start += passed
            if len(self._buffer) - start < _PRELUDE.size:
                break
            try:
                length = _length(self._buffer, start)
            except UnreadableError:
                if not frames:
                    raise
                break  # what came before it counts; it is still there when more comes
            if length > self._limit:
                self.dropped += 1
                self._skip = length
                continue
            if len(self._buffer) - start < length:
                break
            frames.append(bytes(self._buffer[start : start + length]))
            start += length
        del self._buffer[:start]
        return frames

    def tail(self) -> bytes:
        """Return the bytes behind the last whole frame: one that is not finished, or nothing."""
        return bytes(self._buffer)


def read_frame(frame: bytes) -> Frame:
    """Take a whole frame apart.

    Raises:
        UnreadableError: it is none, or was altered on the way.
    """
    if len(frame) < _LEAST or _length(frame, 0) != len(frame):
        raise UnreadableError("the length of a frame")
    body = memoryview(frame)[: -_CRC.size]
    if crc32(body) != _CRC.unpack_from(frame, len(body))[0]:
        raise UnreadableError("the checksum of a frame")
    end = _PRELUDE.size + _PRELUDE.unpack_from(frame)[1]
    try:
        headers = _headers(frame[_PRELUDE.size : end])
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise UnreadableError("the headers of a frame") from error
    return Frame(headers=headers, payload=bytes(body[end:]))


def write_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Write a frame."""
    encoded = b"".join([_header(name, value) for name, value in headers.items()])
    lengths = struct.pack(">II", _LEAST + len(encoded) + len(payload), len(encoded))
    body = lengths + _CRC.pack(crc32(lengths)) + encoded + payload
    return body + _CRC.pack(crc32(body))


def event_frame(kind: str, payload: bytes) -> bytes:
    """Write an event."""
    return write_frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception_frame(kind: str, payload: bytes) -> bytes:
    """Write an exception; nothing may follow it."""
    return write_frame(
        {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}, payload
    )


def head_of(frame: bytes) -> bytes:
    """Return a whole frame's headers, not decoded: enough to pass over what is of no interest. Empty for no frame."""
    if len(frame) < _LEAST:
        return b""
    return frame[_PRELUDE.size : _PRELUDE.size + _PRELUDE.unpack_from(frame)[1]]


def _length(buffer: bytes | bytearray, start: int) -> int:
    length, headers, checksum = _PRELUDE.unpack_from(buffer, start)
    if crc32(memoryview(buffer)[start : start + 8]) != checksum:
        raise UnreadableError("the framing of the stream")
    if not _LEAST <= length <= _LONGEST_FRAME or headers > min(length - _LEAST, _LONGEST_HEADERS):
        raise UnreadableError("the lengths of a frame")
    return int(length)


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name, kind = data[at + 1 : name_end].decode(), data[name_end]
        at = name_end + 1
        if kind in _WITH_LENGTH:
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
        elif kind in _WIDTHS:
            size = _WIDTHS[kind]
        else:
            raise IndexError
        if at + size > len(data):
            raise IndexError
        if kind == _STRING:
            found[name] = data[at : at + size].decode()
        at += size
    return found


def _header(name: str, value: str) -> bytes:
    encoded, text = name.encode(), value.encode()
    return bytes([len(encoded)]) + encoded + bytes([_STRING]) + struct.pack(">H", len(text)) + text
