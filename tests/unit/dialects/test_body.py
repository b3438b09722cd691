import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.body import JsonBody, read_json, rewrite
from keystead.domain.errors import InvalidRequestError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(
    st.text(max_size=12).filter(
        lambda name: (
            name not in {"model", "stream", "stream_options"} and not name.startswith(("max", "n", "best", "cand"))
        )
    ),
    json_values,
    max_size=6,
)


def encode(value: object, *, pretty: bool = False) -> bytes:
    separators = (", ", ": ") if pretty else (",", ":")
    return json.dumps(value, separators=separators, ensure_ascii=False, indent=2 if pretty else None).encode()


def test_the_members_that_routing_needs_are_read() -> None:
    body = read_json(b'{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"messages":[]}')
    assert (body.model, body.stream, body.wants_usage) == ("gpt-5", True, True)


def test_a_usage_chunk_is_not_wanted_without_a_stream() -> None:
    assert not read_json(b'{"model":"m","stream_options":{"include_usage":true}}').wants_usage


@given(bodies, st.booleans())
def test_an_unchanged_body_is_the_very_same_bytes(value: dict[str, object], pretty: bool) -> None:
    raw = encode({"model": "m", **value}, pretty=pretty)
    assert rewrite(read_json(raw), model="m") is raw


@given(bodies, st.booleans())
def test_a_rewritten_body_differs_in_the_model_alone(value: dict[str, object], pretty: bool) -> None:
    raw = encode({"model": "openai/m", **value}, pretty=pretty)
    changed = rewrite(read_json(raw), model="m")
    assert json.loads(changed) == {**value, "model": "m"}


@given(bodies)
def test_every_other_member_keeps_its_bytes(value: dict[str, object]) -> None:
    raw = encode({"model": "openai/m", **value})
    before = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    after = msgspec.json.decode(rewrite(read_json(raw), model="m"), type=dict[str, msgspec.Raw])
    assert {k: bytes(v) for k, v in before.items() if k != "model"} == {
        k: bytes(v) for k, v in after.items() if k != "model"
    }


def test_number_spelling_inside_a_member_survives_a_rewrite() -> None:
    changed = rewrite(read_json(b'{"model":"a/b","temperature":1.00e0,"seed":12345678901234567890}'), model="b")
    assert b'"temperature":1.00e0' in changed
    assert b"12345678901234567890" in changed


def test_asking_for_usage_keeps_the_callers_other_stream_options() -> None:
    body = read_json(b'{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}')
    changed = json.loads(rewrite(body, include_usage=True))
    assert changed["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"model":"cheap","mod\\u0065l":"dear"}',
        b'{ "model" : "cheap" , "x" : 1, "x" : 2 }',
    ],
)
def test_a_member_given_twice_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_json(raw)
    assert caught.value.code == "duplicate_member"


def test_nested_members_of_the_same_name_are_no_duplicates() -> None:
    body = read_json(b'{ "model": "m", "messages": [{"model": "x"}, {"model": "y"}] }')
    assert body.model == "m"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b'{"a":NaN}',
        b'{"a":1}trailing',
        b'{"x":' + b"[" * 100_000,
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff\xfe",
        b'{"\xff": 1}',
        b'{"generationConfig": {"\xff": 1}}',
    ],
)
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_json(raw)
    assert caught.value.code == "malformed_json"


@pytest.mark.parametrize("value", ["1", '"yes"', "{}", "[true]"])
def test_a_stream_flag_that_is_no_boolean_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_json(f'{{"model":"m","stream":{value}}}'.encode())


@pytest.mark.parametrize("name", ["n", "max_tokens", "max_completion_tokens", "max_output_tokens", "best_of"])
@pytest.mark.parametrize("value", ["-1", "1e309", "1.5", '"5"', "99999999999", "true"])
def test_a_count_that_cannot_be_one_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_json(f'{{"model":"m","{name}":{value}}}'.encode())
    assert caught.value.param == name


def test_a_model_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_json(b'{"model":"\xff"}')
    assert caught.value.param == "model"


@pytest.mark.parametrize("model", ["", "a b", "a\\nb", "a\\r\\nb", "\\u0000", "modèle", "m" * 257])
def test_a_model_name_that_cannot_be_one_is_refused(model: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_json(f'{{"model":"{model}"}}'.encode())


@given(st.binary(max_size=200))
def test_any_bytes_give_a_body_or_a_clear_error(raw: bytes) -> None:
    with contextlib.suppress(InvalidRequestError):
        assert isinstance(read_json(raw), JsonBody)
