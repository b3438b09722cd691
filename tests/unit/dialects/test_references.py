"""Which stored objects a body names."""

import json
from typing import Any

import pytest

from keystead.dialects.body import read_json
from keystead.dialects.references import MOST, references_in
from keystead.domain.errors import InvalidRequestError
from keystead.domain.stored import ObjectKind
from keystead.domain.traffic import Dialect, Endpoint


def named(body: dict[str, Any] | bytes, dialect: Dialect = Dialect.OPENAI) -> list[tuple[str, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    endpoint = Endpoint.BATCHES if b"input_file_id" in raw else Endpoint.RESPONSES
    return sorted((each.kind.value, each.upstream_id) for each in references_in(read_json(raw), dialect, endpoint))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"input": "about a file_id"}, []),
        ({"input": [{"type": "input_file", "file_id": "file-1"}]}, [("file", "file-1")]),
        ({"messages": [{"content": [{"type": "file", "file": {"file_id": "f"}}]}]}, [("file", "f")]),
        (
            {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}]},
            [("vector_store", "vs_1"), ("vector_store", "vs_2")],
        ),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}]}, [("file", "f")]),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, [("container", "cntr_1")]),
        ({"input": [{"type": "code_interpreter_call", "container_id": "cntr_1"}]}, [("container", "cntr_1")]),
        (
            {"tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}]},
            [("container", "c")],
        ),
        (b'{"tools":[{"type":"code_interpreter","\\u0063ontainer":"c"}]}', [("container", "c")]),
        ({"input": [{"role": "user", "content": 'my docker "container": "c"'}]}, []),
        ({"file_ids": ["f"]}, [("file", "f")]),
        ({"input_file_id": "file-1", "endpoint": "/v1/responses"}, [("file", "file-1")]),
        ({"conversation": "conv_1"}, [("conversation", "conv_1")]),
        ({"conversation": {"id": "conv_1"}}, [("conversation", "conv_1")]),
        (b'{"input":[{"type":"input_file","file\\u005fid":"f"}]}', [("file", "f")]),
        (b'{"input":[{"type":"input_file","\\u0066ile_id":"f"}]}', [("file", "f")]),
        ({"prompt": {"id": "pmpt_1", "version": "2"}}, [("prompt", "pmpt_1")]),
        ({"prompt": "About a skill_id"}, []),
        ({"prompt": [1, 2]}, []),
        (
            {
                "tools": [
                    {"type": "shell", "environment": {"skills": [{"type": "skill_reference", "skill_id": "skill_1"}]}}
                ]
            },
            [("skill", "skill_1")],
        ),
        ({"tools": [{"type": "function", "parameters": {"properties": {"skill_id": {"const": "x"}}}}]}, []),
        # What is only said is no reference: arguments, schemas, citations.
        ({"tools": [{"type": "function", "parameters": {"properties": {"file_id": {"const": "x"}}}}]}, []),
        ({"input": [{"type": "message", "content": [{"annotations": [{"file_id": "x"}]}]}]}, []),
        ({"input": [{"type": "function_call", "arguments": '{"file_id":"x"}'}]}, []),
    ],
)
def test_what_a_provider_would_look_up_is_found(body: Any, found: list[tuple[str, str]]) -> None:
    assert named(body) == found


def test_what_a_model_wrote_for_a_tool_is_no_reference() -> None:
    said = {"type": "tool_use", "id": "t", "name": "n", "input": {"file_id": "x"}}
    ran = {"type": "code_execution_tool_result", "content": {"content": [{"file_id": "made-there"}]}}
    read = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    back = {"type": "tool_result", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_2"}}]}
    body = {"messages": [{"role": "user", "content": [said, ran, read, back]}]}
    assert named(body, Dialect.ANTHROPIC) == [("anthropic_file", "file_1"), ("anthropic_file", "file_2")]


@pytest.mark.parametrize(
    ("container", "found"),
    [
        ("container_1", ["container_1"]),
        ({"id": "container_1", "skills": []}, ["container_1"]),
        ({"skills": [{"type": "anthropic", "skill_id": "pptx"}]}, []),
        ({"id": None}, []),
        (None, []),
        ({"id": 1}, [""]),
    ],
)
def test_the_container_of_a_message_is_found(container: Any, found: list[str]) -> None:
    assert named({"container": container}, Dialect.ANTHROPIC) == [("container", name) for name in found]


def test_the_custom_skills_of_a_message_are_found_and_not_those_that_everybody_has() -> None:
    skills = [{"type": "anthropic", "skill_id": "pptx"}, {"type": "custom", "skill_id": "skill_1"}]
    found = named({"container": {"id": "container_1", "skills": skills}}, Dialect.ANTHROPIC)
    assert found == [("container", "container_1"), ("skill", "skill_1")]
    hidden = b'{"container":{"skills":[{"type":"custom","\\u0073kill_id":"skill_1"}]}}'
    assert named(hidden, Dialect.ANTHROPIC) == [("skill", "skill_1")]


def test_the_file_search_stores_of_gemini_are_found() -> None:
    for tool, names in (("fileSearch", "fileSearchStoreNames"), ("file_search", "file_search_store_names")):
        body = {"contents": [], "tools": [{tool: {names: ["fileSearchStores/a-1", "b"]}}]}
        assert named(body, Dialect.GEMINI) == [("search_store", "a-1"), ("search_store", "b")]


GOOGLE = "https://generativelanguage.googleapis.com/v1beta/files"


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        (f"{GOOGLE}/abc-1", "abc-1"),
        (f"{GOOGLE}/abc-1:download?alt=media", "abc-1"),
        ("https://GenerativeLanguage.GoogleAPIs.com./v1beta/%66iles%2Fabc-1", "abc-1"),
        ("http://127.0.0.1:80/v1beta/files/abc-1", "abc-1"),
        ("files/abc-1", "abc-1"),
        ("file-of-openai", "file-of-openai"),
        (f"{GOOGLE}/../x", f"{GOOGLE}/../x"),
        ("https://[", "https://["),
        ("https://www.youtube.com/watch?v=1", None),
        ("https://example.com/a.pdf", None),
        ("gs://bucket/files/abc-1", None),
    ],
)
def test_what_google_might_take_for_one_of_its_files_is_one(uri: str, found: str | None) -> None:
    for data, name in (("fileData", "fileUri"), ("file_data", "file_uri")):
        body = {"contents": [{"parts": [{"text": "Hi"}, {data: {name: uri}}]}]}
        assert named(body, Dialect.GEMINI) == ([] if found is None else [("gemini_file", found)])


def test_what_a_function_was_called_with_is_no_file_of_geminis() -> None:
    said = {"functionCall": {"name": "f", "args": {"fileUri": "files/x"}}}
    back = {
        "functionResponse": {"name": "f", "response": {"fileUri": "files/x"}, "parts": [{"fileData": {"fileUri": "y"}}]}
    }
    assert named({"contents": [{"parts": [said, back]}]}, Dialect.GEMINI) == [("gemini_file", "y")]


def test_the_url_of_a_file_at_google_names_it_in_every_dialect() -> None:
    part = {"type": "image_url", "image_url": {"url": f"{GOOGLE}/abc"}}
    assert named({"messages": [{"role": "user", "content": [part]}]}) == [("gemini_file", "abc")]
    part = {"type": "image_url", "image_url": {"url": "https://storage.googleapis.com/files/abc"}}
    assert named({"messages": [{"role": "user", "content": [part]}]}) == []


def test_a_cached_content_is_named_with_or_without_its_collection() -> None:
    for name in ("cachedContent", "cached_content"):
        assert named({name: "cachedContents/abc"}, Dialect.GEMINI) == [(ObjectKind.CACHED_CONTENT.value, "abc")]


def test_a_body_names_a_bounded_number() -> None:
    with pytest.raises(InvalidRequestError, match="more than"):
        named({"file_ids": [f"f{number}" for number in range(MOST + 1)]})
