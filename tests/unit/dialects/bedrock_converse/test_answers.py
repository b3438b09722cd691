"""Answers and streams of Converse: as AWS gives them, and as AWS's own SDK takes them."""

import base64
import json
from typing import Any

import botocore.session
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import EventStreamJSONParser, create_parser
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.bedrock_converse import BEDROCK_CONVERSE
from keystead.dialects.eventstream import event_frame, exception_frame, write_frame
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import (
    Answer,
    ChatRequest,
    Choice,
    Citation,
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    Maker,
    Media,
    Refusal,
    RefusalDelta,
    Sealed,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
)
from keystead.domain.usage import Usage
from tests.unit.dialects import chats

SERVICE: Any = botocore.session.get_session().get_service_model("bedrock-runtime")
WHOLE = SERVICE.operation_model("Converse").output_shape
EVENTS = SERVICE.operation_model("ConverseStream").output_shape.members["stream"]
SEAL = Sealed(maker=Maker.ANTHROPIC, data="c2VhbA==")
REDACTED = base64.b64encode(SEAL.data.encode()).decode()
USAGE = Usage(input_tokens=11, cache_read_tokens=5, cache_write_5m_tokens=2, cache_write_1h_tokens=3, output_tokens=7)


def whole(*content: Any, reason: str = "end_turn", **more: Any) -> Choice:
    body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason, **more}
    return BEDROCK_CONVERSE.read_answer(json.dumps(body).encode()).choices[0]


def stream(*events: tuple[str, Any]) -> list[Event]:
    reader = BEDROCK_CONVERSE.stream_reader()
    return [each for kind, told in events for each in reader.feed(event_frame(kind, json.dumps(told).encode()))]


def delta(index: int, **told: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": told, "p": "abcd"}


def taken_by_aws(frames: bytes) -> list[Any]:
    buffer = EventStreamBuffer()
    buffer.add_data(frames)
    return [EventStreamJSONParser().parse(event.to_response_dict(), EVENTS) for event in buffer]


def test_a_whole_answer() -> None:
    choice = whole(
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": SEAL.data}}},
        {"reasoningContent": {"redactedContent": REDACTED}},
        {"text": "Sunny."},
        {
            "citationsContent": {
                "content": [{"text": "As said."}],
                "citations": [
                    {"title": "T", "sourceContent": [{"text": "q"}], "location": {"documentChar": {"start": 1}}}
                ],
            }
        },
        {"image": {"format": "png", "source": {"bytes": chats.PNG}}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "look", "input": {"city": "Bern"}}},
        {"toolUse": {"toolUseId": "srv_1", "name": "search", "input": {}, "type": "server_tool_use"}},
        {"ofTomorrow": {"a": 1}},
        reason="tool_use",
    )
    assert choice.parts == (
        Thinking(text="Hm.", sealed=SEAL),
        Thinking(sealed=SEAL, redacted=True),
        Text(text="Sunny."),
        Text(text="As said.", citations=(Citation(title="T", quoted="q"),)),
        Media(kind="image", media_type="image/png", data=chats.PNG),
        ToolCall(id="tooluse_1", name="look", arguments='{"city": "Bern"}'),
    )
    assert choice.finish is Finish.TOOL_CALLS


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", Finish.STOP),
        ("stop_sequence", Finish.STOP),
        ("max_tokens", Finish.LENGTH),
        ("model_context_window_exceeded", Finish.LENGTH),
        ("guardrail_intervened", Finish.REFUSED),
        ("content_filtered", Finish.REFUSED),
        ("malformed_tool_use", Finish.OTHER),
        ("of_tomorrow", Finish.OTHER),
    ],
)
def test_why_it_ended(reason: str, finish: Finish) -> None:
    choice = whole({"text": "a"}, reason=reason, additionalModelResponseFields={"stop_sequence": "END"})
    assert (choice.finish, choice.stop_sequence) == (finish, "END")
    assert stream(("messageStop", {"stopReason": reason})) == [Finished(finish=finish)]


def test_a_stream() -> None:
    found = stream(
        ("messageStart", {"role": "assistant", "p": "abc"}),
        delta(0, reasoningContent={"text": "Hm."}),
        delta(0, reasoningContent={"signature": "c2Vh"}),
        delta(0, reasoningContent={"signature": "bA=="}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        delta(1, reasoningContent={"redactedContent": REDACTED}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        delta(2, text="Sun"),
        delta(2, text="ny."),
        delta(2, citation={"title": "T", "location": {"web": {"url": "https://a.example"}}}),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t1", "name": "look"}}}),
        delta(3, toolUse={"input": '{"a":'}),
        delta(3, toolUse={"input": "1}"}),
        ("contentBlockStop", {"contentBlockIndex": 3}),
        ("contentBlockStart", {"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "t2", "name": "now"}}}),
        ("contentBlockStop", {"contentBlockIndex": 4}),
        ("ofTomorrow", {"a": 1}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 1}}),
    )
    assert found == [
        Started(id="", model=""),
        ThinkingDelta(text="Hm."),
        ThinkingSealed(sealed=SEAL),
        ThinkingSealed(sealed=SEAL, redacted=True),
        TextDelta(text="Sun"),
        TextDelta(text="ny."),
        Cited(citation=Citation(url="https://a.example", title="T")),
        ToolCallStarted(call=0, id="t1", name="look"),
        ToolArgumentsDelta(call=0, json='{"a":'),
        ToolArgumentsDelta(call=0, json="1}"),
        ToolCallStarted(call=1, id="t2", name="now"),
        ToolArgumentsDelta(call=1, json="{}"),
        Finished(finish=Finish.TOOL_CALLS),
    ]


def test_a_failure_inside_a_stream() -> None:
    def failed(frame: bytes) -> Event:
        [event] = BEDROCK_CONVERSE.stream_reader().feed(frame)
        return event

    busy = exception_frame("throttlingException", b'{"message":"Too many tokens"}')
    assert failed(busy) == Failed(message="Too many tokens", overloaded=True)
    assert failed(exception_frame("modelStreamErrorException", b"?")) == Failed(message="modelStreamErrorException")
    error = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Oh."}
    assert failed(write_frame(error, b"")) == Failed(message="Oh.")


@pytest.mark.parametrize(
    "event",
    [
        ("contentBlockDelta", {"delta": {"text": 1}}),
        ("contentBlockDelta", {"delta": {"reasoningContent": {"redactedContent": "?"}}}),
        ("contentBlockStart", []),
        ("messageStop", "x"),
    ],
)
def test_what_is_not_what_its_kind_must_be_cannot_be_read(event: tuple[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        stream(event)


@given(
    kind=st.sampled_from(["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop"]),
    payload=st.binary(max_size=40) | st.from_regex(rb'\{"(delta|start|stopReason|contentBlockIndex)":.{0,20}\}'),
)
def test_no_payload_breaks_the_reader(kind: str, payload: bytes) -> None:
    try:
        BEDROCK_CONVERSE.stream_reader().feed(event_frame(kind, payload))
    except UnreadableError as error:
        assert str(error)  # noqa: PT017 - either it is read, or it says what is wrong


@given(answer=chats.answers(SEAL))
def test_awss_sdk_takes_what_is_written(answer: Answer) -> None:
    body = BEDROCK_CONVERSE.write_answer(answer, usage=USAGE, created_s=1)
    parsed = create_parser("rest-json").parse({"status_code": 200, "headers": {}, "body": body}, WHOLE)
    content = parsed["output"]["message"]["content"]
    assert len(content) == len(answer.choices[0].parts)
    assert {len(block) for block in content} == {1}
    assert parsed["usage"]["totalTokens"] == 28
    request = ChatRequest(model="m", turns=(), stream=True)
    writer = BEDROCK_CONVERSE.stream_writer(request, request_id="req_1", created_s=1)
    frames = b"".join([*(writer.feed(event) for event in chats.events_of(answer)), writer.end(USAGE)])
    events = taken_by_aws(frames)
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert events[-2]["messageStop"]["stopReason"] == parsed["stopReason"]
    assert events[-1]["metadata"]["usage"] == parsed["usage"]
    said = "".join(
        event["contentBlockDelta"]["delta"].get("text", "") for event in events if "contentBlockDelta" in event
    )
    assert said == "".join(part.text for part in answer.choices[0].parts if isinstance(part, Text))


def test_usage_is_told_by_converses_rules() -> None:
    choice = Choice(parts=(Text(text="a"),), finish=Finish.STOP)
    body = BEDROCK_CONVERSE.write_answer(Answer(id="x", model="m", choices=(choice,)), usage=USAGE, created_s=1)
    assert json.loads(body)["usage"] == {
        "inputTokens": 11,
        "outputTokens": 7,
        "totalTokens": 28,
        "cacheReadInputTokens": 5,
        "cacheWriteInputTokens": 5,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 2}, {"ttl": "1h", "inputTokens": 3}],
    }


def test_refusals_foreign_seals_and_failures_are_told() -> None:
    foreign = Thinking(text="G", sealed=Sealed(maker=Maker.GEMINI, data="sig"))
    cited = Text(text="As said.", citations=(Citation(url="https://a.example", title="T", quoted="q"),))
    parts = (foreign, cited, Refusal(text="No."))
    answer = Answer(id="x", model="m", choices=(Choice(parts=parts, finish=Finish.STOP),))
    told = json.loads(BEDROCK_CONVERSE.write_answer(answer, usage=None, created_s=1))
    thought, said, refused = told["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["signature"].startswith("ks1.gemini.")
    assert said["citationsContent"]["citations"][0]["location"] == {"web": {"url": "https://a.example"}}
    assert (refused, told["stopReason"]) == ({"text": "No."}, "content_filtered")

    request = ChatRequest(model="m", turns=(), stream=True)
    writer = BEDROCK_CONVERSE.stream_writer(request, request_id="req_1", created_s=1)
    events: list[Event] = [
        Started(id="x", model="m"),
        ThinkingSealed(sealed=SEAL, redacted=True),
        TextDelta(text="As said."),
        Cited(citation=cited.citations[0]),
        RefusalDelta(text="No."),
        Finished(finish=Finish.STOP),
    ]
    taken = taken_by_aws(b"".join([*map(writer.feed, events), writer.end(None)]))
    deltas = [event["contentBlockDelta"]["delta"] for event in taken if "contentBlockDelta" in event]
    assert deltas[0]["reasoningContent"]["redactedContent"] == SEAL.data.encode()
    assert deltas[2]["citation"]["location"]["web"]["url"] == "https://a.example"
    assert deltas[3] == {"text": "No."}
    assert taken[-2] == {"messageStop": {"stopReason": "content_filtered"}}

    frame = writer.feed(Failed(message="Busy.", overloaded=True))
    buffer = EventStreamBuffer()
    buffer.add_data(frame)
    [failure] = [event.to_response_dict() for event in buffer]
    assert failure["headers"][":exception-type"] == "serviceUnavailableException"
    assert failure["status_code"] == 400
