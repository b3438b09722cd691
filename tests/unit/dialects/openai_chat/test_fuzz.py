"""Bodies that are almost right: realistic ones in which one member, somewhere, is something else."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.openai_chat import OPENAI_CHAT
from keystead.dialects.sse import SseSplitter, data_of
from keystead.dialects.translating import UnreadableError
from keystead.domain.errors import InvalidRequestError
from keystead.providers.profiles import PROFILES
from tests.unit.dialects.openai_chat import goldens

ODD: list[Any] = [None, True, 0, -1, 2**70, 0.5, "", "x", "data:,", [], ["x"], [None], {}, {"type": "x"}, {"x": []}]


@pytest.mark.parametrize("name", goldens.REQUESTS)
@given(data=st.data())
def test_no_request_is_anything_but_read_or_refused_and_what_is_read_can_be_written(
    name: str, data: st.DataObject
) -> None:
    body = _spoilt(goldens.request(name), data)
    with suppress(InvalidRequestError):
        request = OPENAI_CHAT.read_request(msgspec.json.encode(body), model="m", stream=False)
        for profile in PROFILES.values():
            OPENAI_CHAT.write_request(request, profile)


@pytest.mark.parametrize("name", goldens.ANSWERS)
@given(data=st.data())
def test_no_answer_is_anything_but_read_or_unreadable(name: str, data: st.DataObject) -> None:
    body = _spoilt(msgspec.json.decode(goldens.answer(name)), data)
    with suppress(UnreadableError):
        OPENAI_CHAT.write_answer(OPENAI_CHAT.read_answer(msgspec.json.encode(body)), usage=None, created_s=1)


@pytest.mark.parametrize("name", goldens.STREAMS)
@given(data=st.data())
def test_no_stream_is_anything_but_read_or_unreadable(name: str, data: st.DataObject) -> None:
    reader = OPENAI_CHAT.stream_reader()
    writer = OPENAI_CHAT.stream_writer(goldens.read(goldens.request("functions")), request_id="r", created_s=1)
    with suppress(UnreadableError):
        for event in SseSplitter().feed(goldens.stream(name)):
            for read in reader.feed(_spoilt_event(event, data)):
                writer.feed(read)
        for read in reader.end():
            writer.feed(read)


def _spoilt_event(event: bytes, data: st.DataObject) -> bytes:
    said = data_of(event)
    if not said.startswith(b"{") or data.draw(st.integers(0, 3)):
        return event
    return b"data: " + msgspec.json.encode(_spoilt(msgspec.json.decode(said), data)) + b"\n\n"


def _spoilt(body: Any, data: st.DataObject) -> Any:
    """Put something else in the place of one member, somewhere."""
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                visit(value[key])

    visit(body)
    place, key = data.draw(st.sampled_from(places))
    place[key] = data.draw(st.sampled_from(ODD))
    return body
