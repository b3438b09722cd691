"""What every dialect must do to be translated from and to: one suite for all of them."""

import base64
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.translating import Profile, Translator, UnreadableError
from keystead.domain.chat import ChatRequest, Event, Maker, Media, Part, Sealed, Text, Tool, ToolCall, ToolResult
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect
from keystead.domain.usage import Usage
from keystead.gateway.translate import CHATS, splitter_of
from tests.unit.dialects import chats

DIALECTS = {f"{dialect}-{endpoint}": translator for (dialect, endpoint), translator in CHATS.items()}
MAKERS = {
    "openai-chat": Maker.OPENAI,
    "openai-responses": Maker.OPENAI,
    "anthropic-messages": Maker.ANTHROPIC,
    "gemini-generate": Maker.GEMINI,
    "bedrock-converse": Maker.ANTHROPIC,
}
SEALS = [Sealed(maker=maker, data=base64.b64encode(f"seal of {maker}".encode()).decode()) for maker in Maker]
USAGE = Usage(input_tokens=11, cache_read_tokens=5, output_tokens=7, reasoning_tokens=3)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@each_dialect
@given(request=chats.requests())
def test_a_request_survives_its_own_dialect(dialect: str, request: ChatRequest) -> None:
    translator = DIALECTS[dialect]
    if dialect == "bedrock-converse":
        request = _sayable(request)
    written = translator.write_request(request, Profile())
    assert not [loss for loss in written.losses if loss.grave]
    read = translator.read_request(written.body, model=request.model, stream=request.stream)
    assert not [loss for loss in read.losses if loss.grave]
    assert _meaning(read) == _meaning(request)


@each_dialect
@given(data=st.data())
def test_an_answer_survives_its_own_dialect(dialect: str, data: st.DataObject) -> None:
    translator = DIALECTS[dialect]
    answer = data.draw(chats.answers(_own(dialect)))
    body = translator.write_answer(answer, usage=USAGE, created_s=1)
    assert chats.told_whole(translator.read_answer(body)) == chats.told_whole(answer)


@each_dialect
@given(data=st.data())
def test_a_stream_survives_its_own_dialect_however_it_is_chopped(dialect: str, data: st.DataObject) -> None:
    translator = DIALECTS[dialect]
    answer = data.draw(chats.answers(_own(dialect)))
    events = chats.events_of(answer)
    sent = _written(translator, events)
    cut = data.draw(st.integers(0, len(sent)))
    read = _read(dialect, [sent[:cut], sent[cut:]])
    assert chats.told(read) == chats.told(events)


@each_dialect
@given(seal=st.sampled_from(SEALS), data=st.data())
def test_anybodys_seal_comes_back_as_it_was(dialect: str, seal: Sealed, data: st.DataObject) -> None:
    translator = DIALECTS[dialect]
    answer = data.draw(chats.answers(seal))
    read = chats.told(_read(dialect, [_written(translator, chats.events_of(answer))]))
    mine = MAKERS[dialect]
    for found in read["seals"]:  # type: ignore[attr-defined]
        # An upstream's seals are its own maker's: a carried one is read as such only from a caller.
        assert found.maker is mine or found == seal


@each_dialect
@given(value=json_values)
def test_no_body_breaks_the_reader_of_requests(dialect: str, value: Any) -> None:
    translator = DIALECTS[dialect]
    with suppress(InvalidRequestError):
        translator.read_request(msgspec.json.encode(value), model="m", stream=False)


@each_dialect
@given(request=chats.requests(), data=st.data())
def test_no_member_of_a_wrong_type_breaks_the_reader_of_requests(
    dialect: str, request: ChatRequest, data: st.DataObject
) -> None:
    translator = DIALECTS[dialect]
    body = msgspec.json.decode(translator.write_request(request, Profile()).body)
    _spoil(body, data)
    with suppress(InvalidRequestError):
        translator.read_request(msgspec.json.encode(body), model="m", stream=False)


@each_dialect
@given(value=json_values)
def test_no_body_breaks_the_reader_of_answers(dialect: str, value: Any) -> None:
    translator = DIALECTS[dialect]
    with suppress(UnreadableError):
        translator.read_answer(msgspec.json.encode(value))


@each_dialect
@given(value=json_values, name=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20))
def test_no_event_breaks_the_reader_of_streams(dialect: str, value: Any, name: str) -> None:
    translator = DIALECTS[dialect]
    reader = translator.stream_reader()
    event = b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
    with suppress(UnreadableError):
        reader.feed(event)
        reader.end()


@each_dialect
@given(data=st.data())
def test_a_member_that_is_not_understood_is_named(dialect: str, data: st.DataObject) -> None:
    translator = DIALECTS[dialect]
    request = data.draw(chats.requests())
    body = msgspec.json.decode(translator.write_request(request, Profile()).body)
    body["of_tomorrow"] = {"a": 1}
    read = translator.read_request(msgspec.json.encode(body), model="m", stream=request.stream)
    assert [loss.field for loss in read.losses if loss.grave] == ["of_tomorrow"]


def _own(dialect: str) -> Sealed:
    return next(seal for seal in SEALS if seal.maker is MAKERS[dialect])


def _sayable(request: ChatRequest) -> ChatRequest:
    """Converse takes pictures as bytes alone, cannot forbid calls, and knows none without tools."""
    turns = [
        msgspec.structs.replace(turn, parts=tuple(p for p in turn.parts if not isinstance(p, Media) or p.data))
        for turn in request.turns
    ]
    return msgspec.structs.replace(
        request,
        turns=tuple(turns),
        tools=request.tools or (Tool(name="look", description="Looks.", parameters=chats.SCHEMA),),
        tool_choice=None if request.tool_choice and request.tool_choice.mode == "none" else request.tool_choice,
    )


def _written(translator: Translator, events: list[Event]) -> bytes:
    request = ChatRequest(model="m-1", turns=(), stream=True)
    writer = translator.stream_writer(request, request_id="req_1", created_s=1)
    return b"".join([*(writer.feed(event) for event in events), writer.end(USAGE)])


def _read(dialect: str, chunks: list[bytes]) -> list[Event]:
    splitter, reader = splitter_of(Dialect(dialect.partition("-")[0])), DIALECTS[dialect].stream_reader()
    events = [event for chunk in chunks for whole in splitter.feed(chunk) for event in reader.feed(whole)]
    return [*events, *reader.end()]


def _meaning(request: ChatRequest) -> dict[str, Any]:
    """What is asked, apart from how turns are cut and what a dialect has no word for."""
    return {
        "model": request.model,
        "said": [(turn.role, _plain(part)) for turn in request.turns for part in turn.parts],
        "tools": [(t.name, t.description, msgspec.json.decode(t.parameters or b"{}")) for t in request.tools],
        "choice": request.tool_choice.mode if request.tool_choice else None,
        "most": request.max_output_tokens,
        "sampling": (request.temperature, request.top_p),
        "schema": msgspec.json.decode(request.output.json_schema)
        if request.output and request.output.json_schema
        else None,
    }


def _plain(part: Part) -> Any:
    match part:
        case Text():
            return part.text
        case Media():
            return part.kind, part.data, part.url
        case ToolCall():
            return part.id, part.name, msgspec.json.decode(part.arguments)
        case ToolResult():
            return part.call_id, [_plain(each) for each in part.parts]
        case _:
            return part


def _spoil(body: dict[str, Any], data: st.DataObject) -> None:
    """Put something else in the place of one member, somewhere."""
    place: Any = body
    for _ in range(4):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(json_values)
            return
        place = place[key]
