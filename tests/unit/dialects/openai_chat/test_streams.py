"""Streams of the chat completions, read and written. What is written is put together by OpenAI's own SDK."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from openai import ContentFilterFinishReasonError
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from keystead.dialects.openai_chat import OPENAI_CHAT
from keystead.dialects.sse import SseSplitter, data_of
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import (
    ChatRequest,
    Citation,
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    Maker,
    RefusalDelta,
    Sealed,
    Started,
    TextDelta,
    TextSealed,
    Thinking,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)
from keystead.domain.usage import Usage
from tests.unit.dialects import chats
from tests.unit.dialects.openai_chat import goldens

USAGE = Usage(input_tokens=11, output_tokens=7, reasoning_tokens=3)
STARTED = Started(id="msg_1", model="claude-x")
OWN = Sealed(maker=Maker.OPENAI, data="Z0FBQQ==")
OTHERS = Sealed(maker=Maker.ANTHROPIC, data="c2ln")
GEMINI = Sealed(maker=Maker.GEMINI, data="Z2VtaW5p")


def golden(name: str) -> list[Event]:
    return goldens.events(goldens.stream(name))


def piece(delta: object = None, *, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return b"data: " + msgspec.json.encode({"id": "x", "model": "m", "choices": [choice], **more}) + b"\n\n"


def called(*calls: dict[str, Any]) -> bytes:
    return piece({"tool_calls": list(calls)})


# -- read -----------------------------------------------------------------------------------------------------------


def test_parallel_calls_are_read_piece_by_piece() -> None:
    events = golden("stream_tools")
    assert events[0] == Started(id="chatcmpl-X1", model="m-1")
    assert chats.told(events) == {
        "text": "One moment.",
        "thought": "",
        "refusal": "",
        "calls": {0: ("call_a", "weather", {"city": "Füssen"}), 1: ("call_b", "hours", {})},
        "seals": [],
        "finish": Finish.TOOL_CALLS,
    }
    [first] = [event for event in events if isinstance(event, TextDelta) and event.logprobs is not None]
    assert first.text == "One "


def test_a_refusal_is_one_though_it_is_called_a_stop() -> None:
    assert golden("stream_refused")[1:] == [
        *(RefusalDelta(text="I cannot "), RefusalDelta(text="help."), Finished(finish=Finish.REFUSED))
    ]


def test_deepseeks_thoughts_are_read() -> None:
    assert golden("stream_deepseek")[1:] == [
        *(ThinkingDelta(text="Let me "), ThinkingDelta(text="think."), TextDelta(text="Seven"), TextDelta(text=".")),
        Finished(finish=Finish.LENGTH),
    ]


def test_openrouters_words_are_told_once_with_their_seal_and_citations() -> None:
    cited = Citation(start=0, end=10, url="https://castle.example", title="Castle", quoted="built in 1886")
    assert golden("stream_openrouter")[1:] == [
        *(ThinkingDelta(text="Let me "), ThinkingDelta(text="see."), ThinkingSealed(sealed=OTHERS)),
        *(TextDelta(text="Since 1886."), Cited(citation=cited), Finished(finish=Finish.STOP)),
    ]


def test_googles_calls_are_two_though_they_have_one_index_and_seals_may_come_behind_the_end() -> None:
    assert golden("stream_google")[1:] == [
        ToolCallStarted(call=0, id="function-call-1", name="weather", sealed=GEMINI),
        ToolArgumentsDelta(call=0, json='{"city":"Oslo"}'),
        ToolCallStarted(call=1, id="function-call-2", name="weather"),
        ToolArgumentsDelta(call=1, json='{"city":"Rome"}'),
        TextSealed(sealed=Sealed(maker=Maker.GEMINI, data="dGV4dA==")),
        Finished(finish=Finish.TOOL_CALLS),
    ]


def test_mistrals_content_is_read() -> None:
    assert golden("stream_mistral")[1:] == [
        *(ThinkingDelta(text="Let me count."), TextDelta(text="Three "), TextDelta(text="letters.")),
        *(ToolCallStarted(call=0, id="D681PevKs", name="count"), ToolArgumentsDelta(call=0, json='{"n": 3}')),
        Finished(finish=Finish.TOOL_CALLS),
    ]


def test_several_answers_are_told_apart() -> None:
    assert golden("stream_two_choices")[1:] == [
        *(TextDelta(text="Yes", choice=1), TextDelta(text="No")),
        *(Finished(finish=Finish.REFUSED), Finished(finish=Finish.STOP, choice=1)),
    ]


@pytest.mark.parametrize("name", goldens.STREAMS)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_stream_is_the_same_however_it_is_chopped(name: str, size: int) -> None:
    assert goldens.events(goldens.stream(name), size=size) == golden(name)


@pytest.mark.parametrize("name", goldens.STREAMS)
def test_a_stream_that_is_cut_before_its_end_has_none(name: str) -> None:
    sent = goldens.stream(name)
    cut = sent[: sent.index(b'"finish_reason": "')]
    assert not [event for event in goldens.events(cut) if isinstance(event, Finished)]


def test_a_stream_without_the_last_word_ends_with_its_body() -> None:
    assert goldens.events(piece({"content": "Hi"}, finish="stop"))[-1] == Finished(finish=Finish.STOP)


def test_a_stream_is_cut_while_one_of_its_answers_is() -> None:
    other = {"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}
    sent = piece({"content": "Hi"}) + b"data: " + msgspec.json.encode({"choices": [other]}) + b"\n\ndata: [DONE]\n\n"
    assert not [event for event in goldens.events(sent) if isinstance(event, Finished)]


def test_calls_are_told_apart_by_their_ids_where_there_is_no_index() -> None:
    one = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    two = {"id": "b", "function": {"name": "f", "arguments": {"x": 1}}}
    events = goldens.events(called(one, two) + called({"function": {"arguments": " "}}) + piece(finish="tool_calls"))
    assert chats.told(events)["calls"] == {0: ("a", "f", {}), 1: ("b", "f", {"x": 1})}


def test_a_call_begins_when_its_name_is_known() -> None:
    sent = called({"index": 0, "id": "a"}) + called({"index": 0, "function": {"arguments": "{"}})
    sent += called({"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}}) + piece(finish="stop")
    assert goldens.events(sent)[1:] == [
        *(ToolCallStarted(call=0, id="a", name="f"), ToolArgumentsDelta(call=0, json="{}")),
        Finished(finish=Finish.TOOL_CALLS),
    ]


def test_a_free_text_call_is_read() -> None:
    sent = called({"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}})
    sent += called({"index": 0, "custom": {"input": "ls"}}) + piece(finish="tool_calls")
    assert goldens.events(sent)[1:3] == [
        *(ToolCallStarted(call=0, id="a", name="sh", custom=True), ToolArgumentsDelta(call=0, json="ls"))
    ]


@pytest.mark.parametrize(
    ("sent", "failed"),
    [
        (
            b'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n',
            Failed(message="The server had an error"),
        ),
        (b'data: {"error":"out of memory"}\n\n', Failed(message="out of memory")),
        (b'data: {"error":{"message":"Overloaded","code":503}}\n\n', Failed(message="Overloaded", overloaded=True)),
        (
            b'data: {"object":"error","message":"too long","type":"BadRequest","code":400}\n\n',
            Failed(message="too long"),
        ),
        (b'event: error\ndata: {"detail":"no"}\n\n', Failed(message="no")),
        (b'event: error\ndata: {"detail":[{"msg":"no"}]}\n\n', Failed(message="The provider failed.")),
        (piece(finish="error"), Failed(message="The provider failed.")),
        (
            piece(finish="error", error={"code": 429, "message": "Provider returned error", "metadata": {"raw": "x"}}),
            Failed(message="Provider returned error", overloaded=True),
        ),
    ],
)
def test_an_error_inside_the_stream_is_a_failure_and_nothing_follows(sent: bytes, failed: Failed) -> None:
    events = goldens.events(
        piece({"content": "Hel"}) + sent + piece({"content": "lo"}, finish="stop") + b"data: [DONE]\n\n"
    )
    assert events == [Started(id="x", model="m"), TextDelta(text="Hel"), failed]


@pytest.mark.parametrize("data", [b'{"of_tomorrow":1}', b'{"choices":null}', b'{"choices":[]}', b"{}", b"", b" "])
def test_an_event_that_nobody_knows_is_passed_over(data: bytes) -> None:
    assert OPENAI_CHAT.stream_reader().feed(b"data: " + data + b"\n\n") == []


@pytest.mark.parametrize("data", [b"x", b"[]", b'{"choices":[{"delta":{"content":7}}]}', b'"\xff"', b"[" * 100_000])
def test_what_is_no_event_cannot_be_read(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        OPENAI_CHAT.stream_reader().feed(b"data: " + data + b"\n\n")


@pytest.mark.parametrize("name", [name for name, each in goldens.EXCHANGES.items() if each["stream"]])
def test_every_exchange_is_read(name: str) -> None:
    exchange = goldens.EXCHANGES[name]
    said = exchange["response_body"].encode()
    events = goldens.events(said)
    assert isinstance(events[0], Started)
    assert events[0].id == "chatcmpl-fx01"
    if "error" in exchange["expected"]:
        assert isinstance(events[-1], Failed)
        assert exchange["expected"]["error"].endswith(events[-1].message)
    else:
        assert events[-1] == Finished(finish=Finish.STOP)
        assert str(chats.told(events)["text"]).startswith(("Hello", 'Say "usage"'))


# -- written --------------------------------------------------------------------------------------------------------


def sent(*events: Event, include_usage: bool = True, usage: Usage | None = USAGE) -> list[bytes]:
    """Write a stream; return its events' data."""
    request = ChatRequest(model="m-1", turns=(), stream=True, include_usage=include_usage)
    writer = OPENAI_CHAT.stream_writer(request, request_id="req_1", created_s=1_790_000_000)
    out = b"".join([*(writer.feed(event) for event in events), writer.end(usage)])
    return [data_of(event) for event in SseSplitter().feed(out)]


def chunks(*events: Event, **more: Any) -> list[ChatCompletionChunk]:
    *told, done = sent(*events, **more)
    assert done == b"[DONE]"
    return [ChatCompletionChunk.model_validate_json(data, strict=True) for data in told]


def put_together(events: Sequence[Event]) -> Any:
    """Return the message that OpenAI's SDK makes of a stream."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks(*events):
        state.handle_chunk(chunk)
    return state.get_final_completion().choices[0]


def test_a_stream_is_one_of_chunks() -> None:
    first, text, last, usage = chunks(STARTED, TextDelta(text="Hi"), Finished(finish=Finish.STOP))
    assert (first.id, first.model, first.created) == ("chatcmpl-msg_1", "claude-x", 1_790_000_000)
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    assert (text.choices[0].delta.content, text.choices[0].finish_reason) == ("Hi", None)
    assert (last.choices[0].delta.content, last.choices[0].finish_reason) == (None, "stop")
    assert usage.choices == []
    assert usage.usage is not None
    assert (usage.usage.prompt_tokens, usage.usage.completion_tokens, usage.usage.total_tokens) == (11, 10, 21)
    assert {chunk.id for chunk in (text, last, usage)} == {first.id}


def test_usage_is_told_to_those_who_asked() -> None:
    events = (STARTED, TextDelta(text="Hi"), Finished(finish=Finish.STOP))
    asked, silent = sent(*events), sent(*events, include_usage=False)
    assert all(b'"usage":null' in data for data in asked[:-2])
    assert not [data for data in silent if b"usage" in data]
    assert len(sent(*events, usage=None)) == len(silent)


def test_calls_are_put_together_by_the_sdk() -> None:
    choice = put_together(
        [
            STARTED,
            ToolCallStarted(call=0, id="a", name="f", sealed=GEMINI),
            ToolCallStarted(call=1, id="", name="g"),
            ToolArgumentsDelta(call=0, json='{"x":'),
            ToolArgumentsDelta(call=0, json="1}"),
            Finished(finish=Finish.STOP),
        ]
    )
    assert choice.finish_reason == "tool_calls"
    first, second = choice.message.tool_calls
    assert (first.id, first.type, first.function.name, first.function.arguments) == ("a", "function", "f", '{"x":1}')
    assert first.extra_content == {"google": {"thought_signature": "Z2VtaW5p"}}
    assert (second.id, second.function.name, second.function.arguments) == ("call_msg_1_0_1", "g", "{}")


def test_thoughts_are_put_together_by_the_sdk_so_that_they_can_be_sent_back() -> None:
    events: list[Event] = [
        *(STARTED, ThinkingDelta(text="Hm"), ThinkingDelta(text="."), ThinkingSealed(sealed=OTHERS)),
        *(
            ThinkingSealed(sealed=OTHERS, redacted=True),
            ThinkingDelta(text="So."),
            ThinkingSealed(sealed=OWN, id="rs_1"),
        ),
        *(
            ThinkingDelta(text="Plain."),
            TextDelta(text="Seven."),
            ThinkingDelta(text="More."),
            ThinkingSealed(sealed=GEMINI),
        ),
        Finished(finish=Finish.STOP),
    ]
    message = put_together(events).message
    assert message.reasoning_content == "Hm.\n\nSo.\n\nPlain.\n\nMore."
    [turn] = goldens.read({"messages": [message.model_dump(exclude_none=True)]}).turns
    assert [part for part in turn.parts if isinstance(part, Thinking)] == [
        Thinking(text="Hm.", sealed=OTHERS),
        Thinking(sealed=OTHERS, redacted=True),
        Thinking(text="So.", sealed=OWN, id="rs_1"),
        Thinking(text="Plain."),
        Thinking(text="More.", sealed=GEMINI),
    ]


def test_a_thought_of_which_only_the_seal_is_shown_comes_back_as_one() -> None:
    events: list[Event] = [STARTED, ThinkingSealed(sealed=OTHERS), TextDelta(text="x"), Finished(finish=Finish.STOP)]
    message = put_together(events).message
    [turn] = goldens.read({"messages": [message.model_dump(exclude_none=True)]}).turns
    assert turn.parts[0] == Thinking(sealed=OTHERS)


def test_citations_are_put_together_by_the_sdk_and_count_from_the_beginning() -> None:
    events: list[Event] = [
        *(STARTED, TextDelta(text="Four"), ThinkingDelta(text="Hm."), TextDelta(text="Three")),
        Cited(citation=Citation(url="https://a.example")),
        Cited(citation=Citation(start=1, end=3, url="https://b.example")),
        *(TextDelta(text="Two"), Cited(citation=Citation(url="https://c.example"))),
        *(TextSealed(sealed=GEMINI), Finished(finish=Finish.STOP)),
    ]
    message = put_together(events).message
    assert _ranges(message) == [(4, 9), (5, 7), (9, 12)]
    assert message.extra_content == {"google": {"thought_signature": "Z2VtaW5p"}}


def test_a_citation_that_comes_before_its_text_waits_for_it() -> None:
    cited = Cited(citation=Citation(url="https://a.example"))
    events: list[Event] = [STARTED, cited, cited, TextDelta(text="Four"), Finished(finish=Finish.STOP)]
    assert _ranges(put_together(events).message) == [(0, 4), (0, 4)]


def test_a_refusal_is_put_together_by_the_sdk() -> None:
    choice = put_together(
        [STARTED, RefusalDelta(text="I can"), RefusalDelta(text="not."), Finished(finish=Finish.REFUSED)]
    )
    assert (choice.message.refusal, choice.finish_reason) == ("I cannot.", "stop")
    with pytest.raises(ContentFilterFinishReasonError):
        put_together([STARTED, TextDelta(text="So"), Finished(finish=Finish.REFUSED)])


def test_several_answers_each_begin_with_their_role() -> None:
    told = chunks(STARTED, TextDelta(text="a"), TextDelta(text="b", choice=1), Finished(finish=Finish.STOP))
    assert [(each.choices[0].index, each.choices[0].delta.role) for each in told[:4]] == [
        *((0, "assistant"), (0, None), (1, "assistant"), (1, None))
    ]


def test_probabilities_are_told_with_their_text() -> None:
    tokens = msgspec.Raw(b'[{"token":"x","logprob":-0.5,"bytes":null,"top_logprobs":[]}]')
    told = chunks(STARTED, TextDelta(text="x", logprobs=tokens), Finished(finish=Finish.STOP))[1].choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert told.content[0].logprob == -0.5


@pytest.mark.parametrize("overloaded", [True, False])
def test_a_failure_is_what_the_sdk_raises(*, overloaded: bool) -> None:
    data = sent(STARTED, Failed(message="Out of service.", overloaded=overloaded))[1]
    error = msgspec.json.decode(data)["error"]
    assert error["message"] == "Out of service."
    assert error["type"] == ("overloaded_error" if overloaded else "server_error")


def test_a_provider_that_gives_no_id_is_answered_for_by_the_request() -> None:
    assert chunks(Started(id="", model=""), Finished(finish=Finish.STOP))[0].id == "chatcmpl-req_1"


@pytest.mark.parametrize("name", goldens.STREAMS)
def test_a_stream_that_is_read_and_written_says_the_same(name: str) -> None:
    first = [event for event in golden(name) if getattr(event, "choice", 0) == 0]
    out = b"".join(b"data: " + data + b"\n\n" for data in sent(*first))
    assert chats.told(goldens.events(out)) == chats.told(first)


def _ranges(message: Any) -> list[tuple[int, int]]:
    cited = [(each if isinstance(each, dict) else each.model_dump())["url_citation"] for each in message.annotations]
    return [(each["start_index"], each["end_index"]) for each in cited]
