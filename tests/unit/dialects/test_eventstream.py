"""Frames of AWS event streams: cut anywhere, altered anywhere, and against AWS's own reader."""

import struct
import zlib
from contextlib import suppress

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.eventstream import (
    FrameSplitter,
    event_frame,
    exception_frame,
    head_of,
    read_frame,
    write_frame,
)
from keystead.dialects.translating import UnreadableError

LIMIT = 4096
names = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40)
headers = st.dictionaries(names, st.text(max_size=80), max_size=6)
payloads = st.binary(max_size=300)


@given(headers=headers, payload=payloads)
def test_what_is_written_is_read_by_us_and_by_aws(headers: dict[str, str], payload: bytes) -> None:
    frame = write_frame(headers, payload)
    read = read_frame(frame)
    assert (dict(read.headers), read.payload) == (headers, payload)
    buffer = EventStreamBuffer()
    buffer.add_data(frame)
    [event] = list(buffer)
    assert (event.headers, event.payload) == (headers, payload)


@given(frames=st.lists(payloads.map(lambda payload: event_frame("x", payload)), max_size=5), data=st.data())
def test_frames_are_the_same_however_they_are_chopped(frames: list[bytes], data: st.DataObject) -> None:
    whole, splitter = b"".join(frames), FrameSplitter(limit=LIMIT)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    found = [
        frame
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        for frame in splitter.feed(whole[start:end])
    ]
    assert found == frames
    assert not splitter.tail()


@given(data=st.data())
def test_one_frame_byte_by_byte(data: st.DataObject) -> None:
    frame, splitter = event_frame("x", data.draw(payloads)), FrameSplitter(limit=LIMIT)
    found = [each for number in range(len(frame)) for each in splitter.feed(frame[number : number + 1])]
    assert found == [frame]


def test_the_rest_of_a_cut_stream_is_its_tail() -> None:
    splitter = FrameSplitter(limit=LIMIT)
    whole = event_frame("a", b"1") + event_frame("b", b"2")
    assert len(splitter.feed(whole[:-1])) == 1
    assert splitter.tail() == event_frame("b", b"2")[:-1]


@given(size=st.integers(LIMIT, 3 * LIMIT), step=st.integers(1, 999))
def test_a_frame_that_is_too_long_is_dropped_and_never_held(size: int, step: int) -> None:
    small, splitter = event_frame("x", b"{}"), FrameSplitter(limit=LIMIT)
    stream = small + event_frame("big", bytes(size)) + small
    found: list[bytes] = []
    for start in range(0, len(stream), step):
        found += splitter.feed(stream[start : start + step])
        assert len(splitter.tail()) <= LIMIT
    assert (found, splitter.dropped) == ([small, small], 1)


def test_frames_before_what_is_none_are_returned_with_it_or_without() -> None:
    good, bad = event_frame("x", b"{}"), bytes(16)
    splitter = FrameSplitter(limit=LIMIT)
    assert splitter.feed(good + good + bad) == [good, good]
    assert splitter.tail() == bad
    with pytest.raises(UnreadableError):
        splitter.feed(b"")


@given(bit=st.integers(0, 8 * len(event_frame("x", b'{"a":1}')) - 1))
def test_a_frame_in_which_a_bit_flipped_is_none(bit: int) -> None:
    frame = bytearray(event_frame("x", b'{"a":1}'))
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(UnreadableError):
        read_frame(bytes(frame))


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    with suppress(UnreadableError):
        FrameSplitter(limit=LIMIT).feed(data)
    with suppress(UnreadableError):
        read_frame(data)


@given(st.binary(max_size=60))
def test_no_headers_break_it(data: bytes) -> None:
    lengths = struct.pack(">II", 16 + len(data), len(data))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + data
    with suppress(UnreadableError):
        read_frame(body + struct.pack(">I", zlib.crc32(body)))


def test_headers_of_other_types_are_passed_over() -> None:
    data = b"\x01t\x00\x01f\x01\x01b\x02\x07\x01s\x03\x00\x01\x01i\x04\x00\x00\x00\x01\x01l\x05" + bytes(8)
    data += b"\x01y\x06\x00\x02ab\x01d\x08" + bytes(8) + b"\x01u\x09" + bytes(16) + b"\x01x\x07\x00\x02hi"
    lengths = struct.pack(">II", 16 + len(data), len(data))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + data
    assert dict(read_frame(body + struct.pack(">I", zlib.crc32(body))).headers) == {"x": "hi"}


def test_an_event_an_exception_and_an_error_are_told_apart() -> None:
    event, exception = read_frame(event_frame("metadata", b"")), read_frame(exception_frame("throttlingException", b""))
    error = read_frame(write_frame({":message-type": "error", ":error-code": "Busy"}, b""))
    assert (event.event, event.failure) == ("metadata", "")
    assert (exception.event, exception.failure) == ("", "throttlingException")
    assert (error.event, error.failure) == ("", "Busy")
    assert b"metadata" in head_of(event_frame("metadata", b"payload"))
