"""What a body asks for; what is not understood counts as more."""

import json
from typing import Any

import pytest

from keystead.dialects.asked import A_FORM, ROUNDS, Asked, asked_output
from keystead.dialects.body import read_json
from keystead.domain.traffic import Dialect

OPENAI, ANTHROPIC, GEMINI, BEDROCK = Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK
TEXT: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


def asked(dialect: Dialect, body: dict[str, Any] | str) -> Asked:
    return asked_output(read_json((body if isinstance(body, str) else json.dumps(body)).encode()), dialect)


@pytest.mark.parametrize(
    ("dialect", "body", "limit"),
    [
        (OPENAI, {"max_tokens": 7}, 7),
        (OPENAI, {"max_completion_tokens": 8}, 8),
        (OPENAI, {"max_output_tokens": 9}, 9),
        (OPENAI, {"max_tokens": 7, "max_completion_tokens": 80}, 80),
        (OPENAI, {"max_tokens": None}, None),
        (OPENAI, {"max_tokens": 0}, None),
        (OPENAI, {}, None),
        (ANTHROPIC, {"max_tokens": 1024}, 1024),
        (GEMINI, {"generationConfig": {"maxOutputTokens": 5}}, 5),
        (GEMINI, {"generation_config": {"max_output_tokens": 6}}, 6),
        (GEMINI, {"generationConfig": {"maxOutputTokens": 5}, "generation_config": {"max_output_tokens": 6}}, 6),
        (GEMINI, {"max_tokens": 7}, None),
        (BEDROCK, {"inferenceConfig": {"maxTokens": 5}}, 5),
        (BEDROCK, {"inferenceConfig": {"maxTokens": 5}, "additionalModelRequestFields": {"max_tokens": 9}}, 9),
        (BEDROCK, {"inferenceConfig": None, "max_tokens": 7}, None),
        (GEMINI, {"generationConfig": None}, None),
    ],
)
def test_the_output_limit_is_the_highest_that_a_provider_may_take(
    dialect: Dialect, body: dict[str, Any], limit: int | None
) -> None:
    assert asked(dialect, body).max_output_tokens == limit


@pytest.mark.parametrize(
    ("dialect", "body", "answers"),
    [
        (OPENAI, {}, 1),
        (OPENAI, {"n": 4}, 4),
        (OPENAI, {"n": 2, "best_of": 5}, 5),
        (OPENAI, {"n": None}, 1),
        (OPENAI, {"prompt": ["a", "b", "c"], "n": 2}, 6),
        (OPENAI, {"prompt": [[1, 2], [3]]}, 2),
        (OPENAI, {"prompt": [1, 2, 3]}, 1),
        (OPENAI, {"prompt": []}, 1),
        (OPENAI, {"prompt": "one"}, 1),
        (GEMINI, {"generationConfig": {"candidateCount": 3}}, 3),
    ],
)
def test_answers_are_counted_over_all_prompts(dialect: Dialect, body: dict[str, Any], answers: int) -> None:
    assert asked(dialect, body).n == answers


def with_part(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, part]}]}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (OPENAI, with_part({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})),
        (OPENAI, with_part({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})),
        (OPENAI, with_part({"type": "file", "file": {"file_id": "file-1"}})),
        (OPENAI, {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
        (OPENAI, {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}),
        (OPENAI, {"input": [{"type": "item_reference", "id": "msg_1"}]}),
        (OPENAI, {"input": "go on", "previous_response_id": "resp_1"}),
        (OPENAI, {"input": "go on", "conversation": "conv_1"}),
        (OPENAI, {"prompt": {"id": "pmpt_1"}}),
        (ANTHROPIC, with_part({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})),
        (ANTHROPIC, with_part({"type": "document", "source": {"type": "file", "file_id": "file_1"}})),
        (GEMINI, {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]}),
        (GEMINI, {"contents": [{"parts": [{"file_data": {"file_uri": "gs://bucket/a.mp4"}}]}]}),
        (GEMINI, {"contents": [], "cachedContent": "cachedContents/1"}),
    ],
)
def test_what_is_not_text_in_the_body_is_noticed(dialect: Dialect, body: dict[str, Any]) -> None:
    assert asked(dialect, body).media


def test_a_part_that_hides_its_type_behind_escapes_is_noticed() -> None:
    assert asked(OPENAI, r'{"messages":[{"role":"user","content":[{"type":"\u0069mage_url"}]}]}').media
    assert asked(OPENAI, r'{"messages":[{"role":"user","content":[{"\u0074ype":"image_url"}]}]}').media


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (OPENAI, TEXT),
        (OPENAI, {"messages": [{"role": "user", "content": 'he wrote {"type":"image_url"} and "audio"'}]}),
        (OPENAI, {"messages": [{"role": "user", "content": "Grüße \x1b"}]}),
        (OPENAI, {**TEXT, "previous_response_id": None}),
        (OPENAI, {**TEXT, "tools": [{"type": "function", "function": {"parameters": {"type": "file"}}}]}),
        (ANTHROPIC, with_part({"type": "tool_use", "input": {"image": "a.png", "file": "b"}})),
        (GEMINI, {"contents": [{"parts": [{"text": 'say "inlineData":'}]}]}),
    ],
)
def test_text_about_images_is_text(dialect: Dialect, body: dict[str, Any]) -> None:
    assert not asked(dialect, body).media


@pytest.mark.parametrize(
    ("dialect", "body", "rounds"),
    [
        (OPENAI, TEXT, 1),
        (OPENAI, {**TEXT, "tools": [{"type": "function"}, {"type": "custom"}, {"type": "apply_patch"}]}, 1),
        (OPENAI, {**TEXT, "tools": [{"type": "web_search"}]}, ROUNDS),
        (OPENAI, {**TEXT, "tools": [{"type": "invented_tomorrow"}]}, ROUNDS),
        (OPENAI, {**TEXT, "tools": [{"type": "web_search"}], "max_tool_calls": 2}, 3),
        (OPENAI, {**TEXT, "tools": [{"type": "web_search"}], "max_tool_calls": "two"}, ROUNDS),
        (OPENAI, {**TEXT, "tools": "none"}, 1),
        (OPENAI, {**TEXT, "web_search_options": {"search_context_size": "low"}}, ROUNDS),
        (ANTHROPIC, {**TEXT, "tools": [{"name": "mine"}, {"type": "bash_20250124"}]}, 1),
        (ANTHROPIC, {**TEXT, "tools": [{"type": "web_search_20250305", "max_uses": 5}]}, ROUNDS),
        (ANTHROPIC, {**TEXT, "mcp_servers": [{"url": "https://example.com"}]}, ROUNDS),
        (GEMINI, {"tools": [{"functionDeclarations": []}]}, 1),
        (GEMINI, {"tools": [{"functionDeclarations": []}, {"googleSearch": {}}]}, ROUNDS),
    ],
)
def test_tools_that_the_provider_runs_make_the_model_run_again(
    dialect: Dialect, body: dict[str, Any], rounds: int
) -> None:
    assert asked(dialect, body).rounds == rounds


def test_tools_and_the_fast_mode_are_noticed() -> None:
    assert asked(ANTHROPIC, {**TEXT, "tools": [], "speed": "fast"}) == Asked(tools=True, fast=True)
    assert asked(ANTHROPIC, TEXT) == Asked()


def test_a_form_is_taken_for_the_most_a_form_can_ask_for() -> None:
    assert asked_output(None, OPENAI) == A_FORM
    assert A_FORM.media


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [{"role": "user", "content": [{"text": 'an "image": {}'}]}]}, Asked()),
        ({"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]}, Asked(media=True)),
        ({"messages": [{"content": [{"video": {"source": {"s3Location": {}}}}]}]}, Asked(media=True)),
        ({"promptVariables": {"a": {"text": "b"}}}, Asked(media=True)),
        ({"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}}, Asked(tools=True)),
        ({"toolConfig": {"tools": [{"systemTool": {"name": "f"}}]}}, Asked(tools=True, rounds=ROUNDS)),
        ({"performanceConfig": {"latency": "optimized"}}, Asked(fast=True)),
    ],
)
def test_what_a_body_of_converse_asks_for(body: dict[str, Any], expected: Asked) -> None:
    assert asked(BEDROCK, body) == expected
