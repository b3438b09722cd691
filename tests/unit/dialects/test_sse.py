import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.sse import SseSplitter, UsageChunkFilter, data_of, event_name

PIECES = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"data: x", b"data:y", b"event: z", b": ping", b"id: 1", b"\x00\xff"]
)
STREAMS = st.lists(PIECES, max_size=30).map(b"".join)


@st.composite
def chopped(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def split(chunks: list[bytes], limit: int | None = None) -> tuple[list[bytes], bytes, int]:
    splitter = SseSplitter(limit=limit)
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    return events, splitter.tail(), splitter.dropped


@given(chopped(STREAMS))
def test_any_chop_of_a_stream_gives_the_same_events(chunks: list[bytes]) -> None:
    assert split(chunks) == split([b"".join(chunks)])


@given(chopped(STREAMS), st.integers(1, 40))
def test_any_chop_drops_the_same_long_events(chunks: list[bytes], limit: int) -> None:
    assert split(chunks, limit) == split([b"".join(chunks)], limit)


@given(chopped(STREAMS))
def test_events_and_tail_are_the_stream_byte_for_byte(chunks: list[bytes]) -> None:
    events, tail, _ = split(chunks)
    assert b"".join(events) + tail == b"".join(chunks)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n"])
def test_every_line_ending_of_the_standard_ends_an_event(end: bytes) -> None:
    events, tail, _ = split([b"data: 1" + end + b"data: 2" + end + b": end"])
    assert events == [b"data: 1" + end, b"data: 2" + end]
    assert tail == b": end"


def test_one_crlf_is_not_an_empty_line() -> None:
    events, _, _ = split([b"event: a\r\ndata: 1\r\n\r\n:"])
    assert events == [b"event: a\r\ndata: 1\r\n\r\n"]


def test_an_endless_event_is_dropped_and_counted_and_never_held() -> None:
    splitter = SseSplitter(limit=100)
    for _ in range(1000):
        assert splitter.feed(b"data: " + b"x" * 50) == []
        assert splitter.pending() <= 100
    assert splitter.tail() == b""
    assert splitter.feed(b"\n\ndata: 1\n\n") == [b"data: 1\n\n"]
    assert splitter.dropped == 1


def test_the_data_of_an_event_is_its_data_lines() -> None:
    assert data_of(b"data: 1\n\n") == b"1"
    assert data_of(b"data:1\r\n\r\n") == b"1"
    assert data_of(b"data:  1\n\n") == b" 1"
    assert data_of(b"event: a\nid: 7\ndata: 1\ndata:2\n\n") == b"1\n2"
    assert data_of(b"\xef\xbb\xbfdata: 1\n\n") == b"1"
    assert data_of(b": comment\n\n") == b""


def test_the_name_of_an_event_is_its_event_line() -> None:
    assert event_name(b"event: error\ndata: 1\n\n") == b"error"
    assert event_name(b"data: 1\n\n") == b""


CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":null}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
SPACED = b'data: {"id": "c", "choices": [ ], "usage": {"total_tokens": 3}}\r\n\r\n'
AZURE = b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}],"usage":null}\n\n'
BESIDE = b'data: {"choices":[{"index":0,"delta":{"content":""}}],"usage":{"total_tokens":3}}\n\n'
NESTED = b'data: {"meta":{"choices":[]},"choices":[{"index":0}],"usage":{"total_tokens":3}}\n\n'
QUOTED = b'data: {"choices":[{"index":0,"delta":{"content":"\\"choices\\":[],\\"usage\\":{}"}}]}\n\n'
BROKEN = b'data: {"choices":[],"usage":{\n\n'
DONE = b"data: [DONE]\n\n"


def forwarded(*chunks: bytes) -> bytes:
    usage_filter = UsageChunkFilter()
    return b"".join([usage_filter.feed(chunk) for chunk in chunks]) + usage_filter.flush()


def test_the_usage_chunk_is_withheld_and_nothing_else() -> None:
    stream = [AZURE, CHUNK, b": ping\n\n", QUOTED, BESIDE, NESTED, BROKEN, USAGE, DONE]
    assert forwarded(*stream) == b"".join(part for part in stream if part is not USAGE)
    assert forwarded(CHUNK, SPACED, DONE) == CHUNK + DONE


def test_an_event_is_forwarded_as_soon_as_it_is_whole() -> None:
    usage_filter = UsageChunkFilter()
    assert usage_filter.feed(CHUNK + USAGE[:20]) == CHUNK
    assert usage_filter.feed(USAGE[20:] + DONE) == DONE


def test_a_last_event_without_an_empty_line_is_flushed_unless_it_is_the_usage() -> None:
    assert forwarded(CHUNK, b"data: [DONE]") == CHUNK + b"data: [DONE]"
    assert forwarded(CHUNK, USAGE.rstrip()) == CHUNK
    assert forwarded(CHUNK, USAGE[:30]) == CHUNK + USAGE[:30]


def test_a_giant_event_passes_as_it_comes() -> None:
    usage_filter = UsageChunkFilter()
    head = b'data: {"choices":[],"usage":{"x":"' + b"y" * 70_000
    rest = b'"}}\n\n'
    first = usage_filter.feed(head)
    assert len(first) >= len(head) - 3
    assert first + usage_filter.feed(b"z") + usage_filter.feed(rest) == head + b"z" + rest
    assert usage_filter.feed(USAGE + DONE) == DONE


EVENTS = st.lists(
    st.sampled_from([CHUNK, USAGE, SPACED, AZURE, BESIDE, NESTED, QUOTED, BROKEN, DONE, b": ping\r\n\r\n"]), max_size=8
)


@given(chopped(EVENTS.map(b"".join)))
def test_any_chop_withholds_the_same_bytes(chunks: list[bytes]) -> None:
    assert forwarded(*chunks) == forwarded(b"".join(chunks))


@given(EVENTS)
def test_what_is_withheld_is_exactly_the_usage_chunks(events: list[bytes]) -> None:
    assert forwarded(*events) == b"".join(event for event in events if event not in (USAGE, SPACED))


@given(st.binary(max_size=300))
def test_bytes_that_are_no_stream_at_all_pass_whole(noise: bytes) -> None:
    assert forwarded(noise) == noise
