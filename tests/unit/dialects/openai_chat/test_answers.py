"""Whole answers of the chat completions, read and written. What is written is held against OpenAI's own types."""

from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageFunctionToolCall

from keystead.dialects.openai_chat import OPENAI_CHAT
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import (
    Answer,
    Choice,
    Citation,
    Finish,
    Maker,
    Media,
    Part,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
)
from keystead.domain.usage import Usage
from tests.unit.dialects.openai_chat import goldens

USAGE = Usage(
    input_tokens=10,
    cache_read_tokens=5,
    cache_write_1h_tokens=2,
    input_audio_tokens=1,
    output_tokens=7,
    reasoning_tokens=3,
)
GEMINI = Sealed(maker=Maker.GEMINI, data="Z2VtaW5p")


def golden(name: str) -> Answer:
    return OPENAI_CHAT.read_answer(goldens.answer(name))


def answer(*parts: Part, finish: Finish = Finish.STOP, identifier: str = "msg_1") -> Answer:
    return Answer(id=identifier, model="claude-x", choices=(Choice(parts=parts, finish=finish),))


def written(given: Answer, usage: Usage | None = USAGE) -> ChatCompletion:
    body = OPENAI_CHAT.write_answer(given, usage=usage, created_s=1_790_000_000)
    return ChatCompletion.model_validate_json(body, strict=True)


def message(*parts: Part, finish: Finish = Finish.STOP) -> Any:
    return written(answer(*parts, finish=finish)).choices[0].message


# -- read -----------------------------------------------------------------------------------------------------------


def test_tool_calls_are_read_and_are_why_it_ended_whatever_is_said() -> None:
    [choice] = golden("answer_tools").choices
    assert choice.parts == (
        Text(text="One moment."),
        ToolCall(id="call_a", name="weather", arguments='{"city":"Oslo"}'),
        ToolCall(id="call_b", name="shell", arguments="ls -l", custom=True),
    )
    assert choice.finish is Finish.TOOL_CALLS


def test_a_refusal_is_one_though_it_is_called_a_stop() -> None:
    [choice] = golden("answer_refused").choices
    assert choice == Choice(parts=(Refusal(text="I cannot help with that."),), finish=Finish.REFUSED)


def test_citations_probabilities_and_several_answers_are_read() -> None:
    found = golden("answer_searched")
    assert (found.id, found.model) == ("chatcmpl-S1", "gpt-5-search-api")
    first, second = found.choices
    cited = Citation(start=6, end=10, url="https://castle.example", title="Castle")
    assert first.parts == (Text(text="Since 1886.", citations=(cited,)),)
    assert first.logprobs is not None
    assert [token["token"] for token in msgspec.json.decode(first.logprobs)] == ["Since"]
    assert second == Choice(parts=(Text(text="Never"),), finish=Finish.LENGTH)


def test_mistrals_content_is_read_and_what_nobody_knows_in_it_is_passed_over() -> None:
    [choice] = golden("answer_mistral").choices
    assert choice.parts == (Thinking(text="Let me count."), Text(text="Three"), Text(text=" letters."))
    assert choice.finish is Finish.LENGTH


def test_openrouters_thoughts_and_pictures_are_read() -> None:
    [choice] = golden("answer_openrouter").choices
    assert choice.parts == (
        Thinking(text="**Planning**", sealed=Sealed(maker=Maker.OPENAI, data="Z0FBQQ=="), id="rs_1"),
        Text(text="Done."),
        Media(kind="image", media_type="image/png", data="iVBORw0KGgo="),
    )


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_thoughts_in_words_are_read_under_either_name(member: str) -> None:
    body = {"choices": [{"message": {"content": "7", member: "Hm."}, "finish_reason": "stop"}]}
    assert OPENAI_CHAT.read_answer(msgspec.json.encode(body)).choices[0].parts == (Thinking(text="Hm."), Text(text="7"))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", Finish.STOP),
        ("eos", Finish.STOP),
        ("length", Finish.LENGTH),
        ("content_filter", Finish.REFUSED),
        ("insufficient_system_resource", Finish.LENGTH),
        ("of_tomorrow", Finish.OTHER),
        (None, Finish.OTHER),
    ],
)
def test_why_an_answer_ended(reason: str | None, finish: Finish) -> None:
    body = {"choices": [{"message": {"content": "7"}, "finish_reason": reason}]}
    assert OPENAI_CHAT.read_answer(msgspec.json.encode(body)).choices[0].finish is finish


@pytest.mark.parametrize(
    "beside",
    [
        {"annotations": "x"},
        {"annotations": [{"url_citation": 7}]},
        {"reasoning_details": [{"text": 7}]},
        {"images": {"a": 1}},
        {"extra_content": "x"},
        {"extra_content": {"google": None}},
        {"of_tomorrow": {}},
    ],
)
def test_what_stands_beside_the_words_and_is_unlike_what_is_known_is_passed_over(beside: dict[str, Any]) -> None:
    choice = {"message": {"content": "7", **beside}, "finish_reason": "stop", "logprobs": [1]}
    [found] = OPENAI_CHAT.read_answer(msgspec.json.encode({"choices": [choice]})).choices
    assert found == Choice(parts=(Text(text="7"),), finish=Finish.STOP)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b'{"error": {"message": "out of service", "code": 500}}',
        b'{"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"code": 429, "message": "x"}}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_cannot_be_read(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        OPENAI_CHAT.read_answer(body)


@pytest.mark.parametrize("name", [name for name, each in goldens.EXCHANGES.items() if not each["stream"]])
def test_every_exchange_is_read(name: str) -> None:
    exchange = goldens.EXCHANGES[name]
    found = OPENAI_CHAT.read_answer(exchange["response_body"].encode())
    assert found.choices == (Choice(parts=(Text(text="Hello."),), finish=Finish.STOP),)
    assert found.id == "chatcmpl-fx01"
    assert found.model == msgspec.json.decode(exchange["response_body"])["model"]


# -- written --------------------------------------------------------------------------------------------------------


def test_an_answer_is_a_chat_completion() -> None:
    found = written(answer(Text(text="Hello."), finish=Finish.LENGTH))
    assert (found.id, found.created, found.model) == ("chatcmpl-msg_1", 1_790_000_000, "claude-x")
    assert found.system_fingerprint is None
    [choice] = found.choices
    assert (choice.message.content, choice.message.refusal, choice.message.tool_calls) == ("Hello.", None, None)
    assert choice.finish_reason == "length"


def test_counts_are_told_in_openais_way() -> None:
    usage = written(answer(Text(text="x"))).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (18, 10, 28)
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    details = usage.prompt_tokens_details
    assert (details.cached_tokens, details.cache_write_tokens, details.audio_tokens) == (5, 2, 1)
    assert usage.completion_tokens_details.reasoning_tokens == 3
    assert written(answer(Text(text="x")), None).usage is None


def test_calls_are_told_with_ids_of_their_own_and_arguments_that_are_json() -> None:
    call = ToolCall(id="", name="f", arguments="")
    found = written(answer(call, ToolCall(id="toolu_1", name="g", arguments="{}", sealed=GEMINI)))
    [choice] = found.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    first, second = choice.message.tool_calls
    assert isinstance(first, ChatCompletionMessageFunctionToolCall)
    assert (first.id, first.function.arguments) == ("call_msg_1_0_0", "{}")
    assert second.id == "toolu_1"
    assert second.model_extra == {"extra_content": {"google": {"thought_signature": "Z2VtaW5p"}}}


def test_a_refusal_is_an_ordinary_end_and_a_filter_is_not() -> None:
    refused = written(answer(Refusal(text="No."), finish=Finish.REFUSED)).choices[0]
    assert (refused.message.content, refused.message.refusal, refused.finish_reason) == (None, "No.", "stop")
    assert written(answer(Text(text="So"), finish=Finish.REFUSED)).choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("finish", [Finish.PAUSED, Finish.OTHER])
def test_an_end_that_openai_does_not_know_is_an_ordinary_one(finish: Finish) -> None:
    assert written(answer(Text(text="x"), finish=finish)).choices[0].finish_reason == "stop"


def test_citations_count_from_the_beginning_of_the_message() -> None:
    cited = Citation(url="https://a.example", title="A", quoted="so it is")
    placed = Citation(start=1, end=3, url="https://b.example")
    found = message(Text(text="Four"), Text(text="Three", citations=(cited, placed)))
    assert found.content == "FourThree"
    first, second = (each.url_citation for each in found.annotations)
    assert (first.start_index, first.end_index, first.url, first.title, first.content) == (
        4,
        9,
        cited.url,
        "A",
        "so it is",
    )
    assert (second.start_index, second.end_index) == (5, 7)


def test_thoughts_are_shown_in_words_and_their_seals_beside() -> None:
    sealed = Sealed(maker=Maker.ANTHROPIC, data="c2ln")
    redacted = Thinking(sealed=sealed, redacted=True)
    found = message(Thinking(text="One.", sealed=sealed), redacted, Thinking(text="Two."), Text(text="x"))
    assert found.reasoning_content == "One.\n\nTwo."
    assert [(each["type"], each["index"]) for each in found.reasoning_details] == [
        ("reasoning.text", 0),
        ("reasoning.encrypted", 1),
        ("reasoning.text", 2),
    ]
    plain = message(Thinking(text="One."), Text(text="x"))
    assert (plain.reasoning_content, hasattr(plain, "reasoning_details")) == ("One.", False)


def test_pictures_stand_beside_the_content() -> None:
    found = message(Text(text="See"), Media(kind="image", media_type="image/png", data="iVBORw0KGgo="))
    assert found.images == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]


def test_probabilities_are_told() -> None:
    tokens = [{"token": "x", "logprob": -0.1, "bytes": None, "top_logprobs": []}]
    choice = Choice(parts=(Text(text="x"),), finish=Finish.STOP, logprobs=msgspec.Raw(msgspec.json.encode(tokens)))
    found = written(Answer(id="a", model="m", choices=(choice,))).choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert found.content[0].token == "x"


@pytest.mark.parametrize("name", goldens.ANSWERS)
def test_an_answer_that_is_read_and_written_says_the_same(name: str) -> None:
    first = golden(name)
    again = OPENAI_CHAT.read_answer(OPENAI_CHAT.write_answer(first, usage=None, created_s=1))
    assert [_joined(choice) for choice in again.choices] == [_joined(choice) for choice in first.choices]


def _joined(choice: Choice) -> object:
    texts = [part for part in choice.parts if isinstance(part, Text)]
    others = [part for part in choice.parts if not isinstance(part, Text)]
    return (
        "".join(text.text for text in texts),
        [text.citations for text in texts if text.citations],
        others,
        choice.finish,
    )
