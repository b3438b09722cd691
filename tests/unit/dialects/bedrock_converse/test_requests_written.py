"""Requests written for Converse: in AWS's own shapes, and in the words of each model's maker."""

import base64
import json
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.validate import ParamValidator
from hypothesis import given

from keystead.dialects.bedrock_converse import BEDROCK_CONVERSE
from keystead.dialects.translating import Profile, Written
from keystead.domain.chat import (
    ChatRequest,
    Maker,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Sealed,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.unit.dialects import chats

CONVERSE: Any = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
NEW_CLAUDE = "global.anthropic.claude-opus-4-7-v1:0"
NOVA = "eu.amazon.nova-lite-v1:0"
NOVA_2 = "global.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
HIDDEN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123"
HELLO = Turn(role="user", parts=(Text(text="Hello"),))
LOOK = Tool(name="look", description="Looks.", parameters=chats.SCHEMA)
CALL = Turn(role="assistant", parts=(ToolCall(id="call_1", name="look", arguments='{"city":"Bern"}'),))
RESULT = Turn(role="user", parts=(ToolResult(call_id="call_1", parts=(Text(text="sunny"),)),))
SEAL = Sealed(maker=Maker.ANTHROPIC, data="c2VhbA==")


def write(request: ChatRequest) -> Written:
    return BEDROCK_CONVERSE.write_request(request, Profile())


def asked(model: str = CLAUDE, *turns: Turn, **more: Any) -> ChatRequest:
    return ChatRequest(model=model, turns=turns or (HELLO,), **more)


def body(request: ChatRequest) -> Any:
    written = write(request)
    found = json.loads(written.body)
    report = ParamValidator().validate({"modelId": request.model, **found}, CONVERSE.input_shape)
    assert not report.has_errors(), report.generate_report()
    return found


def lost(request: ChatRequest) -> dict[str, bool]:
    return {loss.field: loss.grave for loss in write(request).losses}


def user(*parts: Part) -> Turn:
    return Turn(role="user", parts=parts)


@pytest.mark.parametrize("model", [CLAUDE, OLD_CLAUDE, NEW_CLAUDE, NOVA, NOVA_2, LLAMA, GPT, HIDDEN, "m-1"])
def test_all_that_is_written_has_awss_shapes(model: str) -> None:
    @given(request=chats.requests())
    def every(request: ChatRequest) -> None:
        body(msgspec.structs.replace(request, model=model))

    every()


def test_a_conversation_begins_with_the_user_and_alternates() -> None:
    system = Turn(role="system", parts=(Text(text="Be brief."),))
    said = Turn(role="assistant", parts=(Text(text="Hi."),))
    written = body(asked(CLAUDE, system, said, said, HELLO, system, HELLO))
    assert written["system"] == [{"text": "Be brief."}]
    assert [message["role"] for message in written["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in written["messages"][2]["content"]] == ["Hello", "Be brief.", "Hello"]


def test_results_stand_before_what_the_user_says() -> None:
    written = body(asked(CLAUDE, HELLO, CALL, user(Text(text="And?"), *RESULT.parts), tools=(LOOK,)))
    assert [next(iter(block)) for block in written["messages"][2]["content"]] == ["toolResult", "text"]


def test_a_tool_that_failed_and_ids_that_do_not_fit() -> None:
    long = "x" * 65
    call = Turn(role="assistant", parts=(ToolCall(id=long, name="look", arguments="{}"),))
    result = user(ToolResult(call_id=long, is_error=True))
    [_, called, told] = body(asked(CLAUDE, HELLO, call, result, tools=(LOOK,)))["messages"]
    identifier = called["content"][0]["toolUse"]["toolUseId"]
    assert told["content"][0]["toolResult"] == {"toolUseId": identifier, "content": [], "status": "error"}
    assert len(identifier) == 64


def test_calls_without_ids_are_paired_with_their_results() -> None:
    call = Turn(role="assistant", parts=(ToolCall(id="", name="look", arguments="{}"),) * 2)
    results = user(*(ToolResult(call_id="", name="look"),) * 2)
    [_, called, told] = body(asked(CLAUDE, HELLO, call, results, tools=(LOOK,)))["messages"]
    ids = [block["toolUse"]["toolUseId"] for block in called["content"]]
    assert [block["toolResult"]["toolUseId"] for block in told["content"]] == ids
    assert len(set(ids)) == 2


def test_claude_is_forbidden_calls_in_its_own_words_and_others_by_offering_none() -> None:
    none = ToolChoice(mode="none")
    written = body(asked(CLAUDE, tools=(LOOK,), tool_choice=none))
    assert written["additionalModelRequestFields"]["tool_choice"] == {"type": "none"}
    assert "toolConfig" not in body(asked(LLAMA, tools=(LOOK,), tool_choice=none))
    assert lost(asked(LLAMA, HELLO, CALL, RESULT, tools=(LOOK,), tool_choice=none))["tool_choice"]


def test_calls_of_earlier_turns_have_their_tools_even_if_none_is_offered_now() -> None:
    written = body(asked(NOVA, HELLO, CALL, RESULT))
    assert [tool["toolSpec"]["name"] for tool in written["toolConfig"]["tools"]] == ["look"]
    assert lost(asked(NOVA, HELLO, CALL, RESULT)) == {}
    told = body(asked(CLAUDE, HELLO, CALL, RESULT))["additionalModelRequestFields"]["tool_choice"]
    assert told == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (ToolChoice(mode="auto"), {"auto": {}}),
        (ToolChoice(mode="required"), {"any": {}}),
        (ToolChoice(mode="named", names=("look",)), {"tool": {"name": "look"}}),
    ],
)
def test_which_tools_may_be_called(choice: ToolChoice, told: Any) -> None:
    assert body(asked(CLAUDE, tools=(LOOK,), tool_choice=choice))["toolConfig"]["toolChoice"] == told


@pytest.mark.parametrize(
    ("model", "reasoning", "extra", "effort"),
    [
        (CLAUDE, Reasoning(effort="low"), {"thinking": {"type": "enabled", "budget_tokens": 2048}}, None),
        (NEW_CLAUDE, Reasoning(effort="max"), {"thinking": {"type": "adaptive"}}, "max"),
        (CLAUDE, Reasoning(effort="none"), {"thinking": {"type": "disabled"}}, None),
        (
            NOVA_2,
            Reasoning(effort="high"),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
        ),
        (NOVA_2, Reasoning(budget_tokens=0), None, None),
        (GPT, Reasoning(effort="minimal"), {"reasoning_effort": "low"}, None),
        (LLAMA, Reasoning(effort="low"), None, None),
    ],
)
def test_how_much_a_model_may_think_in_its_makers_words(
    model: str, reasoning: Reasoning, extra: Any, effort: str | None
) -> None:
    written = body(asked(model, reasoning=reasoning))
    assert written.get("additionalModelRequestFields") == extra
    assert written.get("outputConfig", {}).get("effort") == effort
    assert lost(asked(model, reasoning=reasoning)) == ({"reasoning_effort": False} if model == LLAMA else {})


def test_nova_thinks_hard_only_unbounded() -> None:
    written = body(asked(NOVA_2, reasoning=Reasoning(effort="high"), max_output_tokens=500))
    assert written["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"


def test_thoughts_go_back_to_claude_as_they_were_sealed_and_to_nobody_else() -> None:
    thought = Turn(
        role="assistant",
        parts=(
            Thinking(text="Hm.", sealed=SEAL),
            Thinking(sealed=SEAL, redacted=True),
            Thinking(text="Foreign.", sealed=Sealed(maker=Maker.GEMINI, data="x")),
            Text(text="Hi."),
        ),
    )
    [_, said, _] = body(asked(CLAUDE, HELLO, thought, HELLO))["messages"]
    assert said["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": SEAL.data}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(SEAL.data.encode()).decode()}},
        {"text": "Hi."},
    ]
    [_, said, _] = body(asked(LLAMA, HELLO, thought, HELLO))["messages"]
    assert said["content"] == [{"text": "Hi."}]
    assert lost(asked(LLAMA, HELLO, thought, HELLO)) == {"thinking": False}


@pytest.mark.parametrize(
    ("model", "points", "left_out"),
    [
        (CLAUDE, [{"type": "default", "ttl": "1h"}, {"type": "default"}], set()),
        (OLD_CLAUDE, [], {"messages[0].content[0].cache_control", "tools.look.cache_control"}),
        (NOVA, [{"type": "default"}], {"messages[0].content[0].cache_control.ttl", "tools.look.cache_control"}),
        (LLAMA, [], {"messages[0].content[0].cache_control", "tools.look.cache_control"}),
    ],
)
def test_cache_marks_become_points_where_a_model_knows_them(model: str, points: Any, left_out: set[str]) -> None:
    tool = msgspec.structs.replace(LOOK, cache="1h")
    turn = user(Text(text="Long.", cache="1h" if model == NOVA else "5m"))
    request = asked(model, turn, tools=(tool,))
    written = body(request)
    found = [*written["toolConfig"]["tools"], *written["messages"][0]["content"]]
    assert [block["cachePoint"] for block in found if "cachePoint" in block] == points
    assert lost(request) == dict.fromkeys(left_out, False)


def test_no_more_than_four_cache_points_and_no_long_one_behind_a_short_one() -> None:
    parts = [Text(text=str(number), cache="1h" if number == 4 else "5m") for number in range(6)]
    written = body(asked(CLAUDE, user(*parts)))
    points = [block["cachePoint"] for block in written["messages"][0]["content"] if "cachePoint" in block]
    assert points == [{"type": "default"}] * 4


def test_a_cache_point_stays_behind_its_result() -> None:
    result = ToolResult(call_id="call_1", cache="5m")
    written = body(asked(CLAUDE, HELLO, CALL, user(Text(text="?"), result), tools=(LOOK,)))
    assert [next(iter(block)) for block in written["messages"][2]["content"]] == ["toolResult", "cachePoint", "text"]


@pytest.mark.parametrize(("model", "taken"), [(CLAUDE, True), (GPT, True), (NOVA, False), (OLD_CLAUDE, False)])
def test_a_schema_where_models_have_it_and_refused_by_name_where_not(model: str, taken: bool) -> None:
    request = asked(model, output=OutputFormat(json_schema=chats.SCHEMA, name="answer", description="What."))
    if not taken:
        assert lost(request) == {"response_format": True}
        return
    told = body(request)["outputConfig"]["textFormat"]
    definition = told["structure"]["jsonSchema"]
    assert (told["type"], definition["name"], definition["description"]) == ("json_schema", "answer", "What.")
    assert json.loads(definition["schema"]) == msgspec.json.decode(chats.SCHEMA)


def test_any_json_object_is_asked_for_in_words() -> None:
    assert "JSON" in body(asked(output=OutputFormat()))["system"][0]["text"]
    assert lost(asked(output=OutputFormat())) == {"response_format": False}


def test_a_strict_tool() -> None:
    strict = msgspec.structs.replace(LOOK, strict=True)
    assert body(asked(CLAUDE, tools=(strict,)))["toolConfig"]["tools"][0]["toolSpec"]["strict"]
    assert lost(asked(NOVA, tools=(strict,))) == {"tools.look.strict": False}


@pytest.mark.parametrize(
    ("model", "extra"), [(CLAUDE, {"top_k": 5}), (NOVA, {"inferenceConfig": {"topK": 5}}), (LLAMA, None)]
)
def test_how_answers_are_drawn(model: str, extra: Any) -> None:
    written = body(asked(model, temperature=0.5, top_k=5, max_output_tokens=9, stop=("END",)))
    assert written["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["END"]}
    assert written.get("additionalModelRequestFields") == extra


def test_only_claude_is_given_a_limit_unasked() -> None:
    assert body(asked(CLAUDE))["inferenceConfig"] == {"maxTokens": 32_000}
    assert "inferenceConfig" not in body(asked(NOVA))


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            Media(kind="image", media_type="image/jpeg", data=chats.PNG),
            {"image": {"format": "jpeg", "source": {"bytes": chats.PNG}}},
        ),
        (
            Media(kind="image", url="s3://bucket/cat.png"),
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/cat.png"}}}},
        ),
        (
            Media(kind="document", media_type="text/x-python", data="cHJpbnQ=", name="a_b.py"),
            {"document": {"name": "a b py", "format": "txt", "source": {"bytes": "cHJpbnQ="}}},
        ),
        (
            Media(kind="video", media_type="video/mp4", data="AAAA"),
            {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
        ),
    ],
)
def test_media(part: Media, block: Any) -> None:
    assert body(asked(CLAUDE, user(Text(text="Look."), part)))["messages"][0]["content"] == [{"text": "Look."}, block]


@pytest.mark.parametrize(
    "part",
    [
        Media(kind="image", url="https://pictures.example/1.png"),
        Media(kind="image", file_id="file_1"),
        Media(kind="image", media_type="image/tiff", data=chats.PNG),
        Media(kind="image", media_type="image/png", data="not base64!"),
        Media(kind="document", media_type="application/zip", data=chats.PNG),
    ],
)
def test_what_converse_does_not_take_is_refused_by_its_place(part: Media) -> None:
    assert lost(asked(CLAUDE, user(Text(text="Look."), part))) == {"messages[0].content[1]": True}


def test_documents_have_names_of_their_own_and_never_stand_without_a_text() -> None:
    document = Media(kind="document", media_type="application/pdf", data=chats.PNG, name="Q1 (final) [2].pdf")
    content = body(asked(CLAUDE, user(document, document)))["messages"][0]["content"]
    names = [block["document"]["name"] for block in content if "document" in block]
    assert names == ["Q1 (final) [2] pdf", "Q1 (final) [2] pdf 2"]
    assert content[-1] == {"text": names[0]}


def test_a_refusal_of_an_earlier_turn_is_text() -> None:
    said = Turn(role="assistant", parts=(Refusal(text="No."),))
    assert body(asked(CLAUDE, HELLO, said, HELLO))["messages"][1]["content"] == [{"text": "No."}]


def test_what_nobody_can_say_is_named() -> None:
    request = asked(CLAUDE, n=2, logprobs=1, presence_penalty=1, seed=1, end_user="u", stop=(" ",), tools=(LOOK,))
    found = lost(msgspec.structs.replace(request, parallel_tool_calls=False))
    assert found == {
        "n": True,
        "logprobs": True,
        "presence_penalty": True,
        "stop": True,
        "seed": False,
        "user": False,
        "parallel_tool_calls": False,
    }
