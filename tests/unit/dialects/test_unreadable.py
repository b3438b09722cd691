"""What only looks like JSON is refused in our words, or left to whom it is for: each was found by the fuzzer."""

import base64

import msgspec
import pytest

from keystead.dialects.body import read_json
from keystead.dialects.gemini_generate import signature
from keystead.dialects.gemini_generate.schema import json_schema
from keystead.dialects.id_words import id_words
from keystead.dialects.references import references_in
from keystead.dialects.stored_objects import as_shown, told
from keystead.domain.chat import Sealed
from keystead.domain.errors import InvalidRequestError
from keystead.domain.stored import ObjectKind, Reference
from keystead.domain.traffic import Dialect, Endpoint

DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("value", [b'"\xed"', b"1e999", b'{"id":1e999}'])
def test_a_member_that_may_name_an_object_must_be_json(value: bytes) -> None:
    for body in (b'{"conversation":{"id":%s}}', b'{"input":[{"file_id":%s}]}'):
        with pytest.raises(InvalidRequestError):
            references_in(read_json(body % value), Dialect.OPENAI, Endpoint.RESPONSES)


@pytest.mark.parametrize("identifier", [b"5", b"null", b'["conv_1"]', b"{}"])
def test_a_conversation_whose_id_is_no_text_is_none_that_anybody_holds(identifier: bytes) -> None:
    body = read_json(b'{"conversation":{"id":%s}}' % identifier)
    assert references_in(body, Dialect.OPENAI, Endpoint.RESPONSES) == (Reference(ObjectKind.CONVERSATION, ""),)


@pytest.mark.parametrize("body", [b'{"a":"\x80"}', b'{"a":1e999}', b"{", DEEP])
def test_ids_are_looked_for_in_json_alone(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        id_words("/v1/x", body, is_form=False)


@pytest.mark.parametrize("rest", [b'"\x8f":1', b'"a":1}}'])
def test_an_object_with_a_member_that_is_no_text_is_shown_as_it_is(rest: bytes) -> None:
    body = b'{"id":"msgbatch_1","results_url":"https://a.example/r",' + rest + b"}"
    assert as_shown(ObjectKind.MESSAGE_BATCH, body) == body


def test_what_is_no_object_is_shown_as_it_is() -> None:
    for body in (b"results_url", b'{"results_url":' + DEEP + b"}"):
        assert told(ObjectKind.MESSAGE_BATCH, body) is None
        assert as_shown(ObjectKind.MESSAGE_BATCH, body) == body


@pytest.mark.parametrize("count", ["--5", "-", "5.0", "٣", "9" * 5_000])
def test_a_count_that_is_none_is_left_for_the_provider_to_refuse(count: str) -> None:
    native = msgspec.json.encode({"type": "ARRAY", "maxItems": count})
    schema = json_schema(msgspec.Raw(native))
    assert schema is not None
    assert msgspec.json.decode(schema) == {"type": "array", "maxItems": count}


def test_a_signature_that_nests_without_end_is_left_for_gemini_to_judge() -> None:
    thought = b'ks1.thoughts.[{"maker":"anthropic","seal":"x","text":"","x":' + DEEP + b"}]"
    assert isinstance(signature.read(base64.b64encode(thought).decode()), Sealed)
