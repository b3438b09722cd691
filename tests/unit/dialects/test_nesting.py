"""How deep JSON may nest, wherever it is decoded as a whole."""

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.named_models import named_models
from keystead.dialects.nesting import MOST_NESTED, TooDeepError, decode
from keystead.dialects.taking import decoded
from keystead.dialects.translating import Profile
from keystead.domain.chat import ChatRequest, Text, ToolCall, Turn
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import CHATS

_HOSTILE = st.text(alphabet='[]{}"\\\\,: a\n')
_VALUES = st.recursive(
    st.none() | st.integers() | _HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_HOSTILE, inner, max_size=3),
)


def nested(value: Any, levels: int) -> Any:
    for level in range(levels):
        value = [value] if level % 3 else {"]": value, "[": "[[[{"}
    return value


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(value=_VALUES, levels=st.integers(MOST_NESTED - 8, MOST_NESTED), spaced=st.booleans())
def test_the_bound_is_the_same_for_whatever_stands_around_and_within(value: Any, levels: int, *, spaced: bool) -> None:
    whole = [nested(value, levels), "[" * 200, value]
    text = json.dumps(whole, indent=1) if spaced else json.dumps(whole, separators=(",", ":"))
    if depth(whole) <= MOST_NESTED:
        assert decode(text) == decode(text.encode()) == whole
    else:
        with pytest.raises(TooDeepError):
            decode(text)


@pytest.mark.parametrize("left", [150, 400, 700])
def test_the_bound_does_not_depend_on_where_it_is_called(left: int) -> None:
    def from_below(frames: int) -> None:
        if frames:
            return from_below(frames - 1)
        assert depth(decode("[" * MOST_NESTED + "]" * MOST_NESTED)) == MOST_NESTED
        with pytest.raises(TooDeepError):
            decode("[" * (MOST_NESTED + 1) + "]" * (MOST_NESTED + 1))
        return None

    used = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        used, frame = used + 1, frame.f_back
    from_below(sys.getrecursionlimit() - used - MOST_NESTED - left)


def test_what_no_stack_bears_is_too_deep_as_well() -> None:
    with pytest.raises(TooDeepError):
        decode("[" * 100_000 + "]" * 100_000)


def test_many_values_side_by_side_are_not_deep() -> None:
    many = [{"a": ['"[\\"']}] * 10_000
    assert decode(json.dumps(many)) == many


@pytest.mark.parametrize("read", [decoded, named_models])
@pytest.mark.parametrize("levels", [MOST_NESTED + 1, 900, 100_000])
def test_a_body_that_nests_deeper_is_refused_in_our_words(read: Any, levels: int) -> None:
    body = b'{"model":"m","a":' + b"[" * levels + b"]" * levels + b"}"
    with pytest.raises(InvalidRequestError, match="nested more than 128 deep"):
        read(body)


@pytest.mark.parametrize("wire", CHATS, ids=str)
@pytest.mark.parametrize("levels", [MOST_NESTED, MOST_NESTED + 1, 850, 960])
def test_arguments_are_written_for_every_dialect_however_deep_they_are(
    wire: tuple[Dialect, Endpoint], levels: int
) -> None:
    call = ToolCall(id="call_1", name="f", arguments='{"a":' + "[" * levels + "]" * levels + "}")
    asked = Turn(role="user", parts=(Text(text="Hi"),))
    written = CHATS[wire].write_request(
        ChatRequest(model="m", turns=(asked, Turn(role="assistant", parts=(call,))), max_output_tokens=9), Profile()
    )
    msgspec.json.decode(written.body, type=dict[str, msgspec.Raw])


def test_a_schema_in_a_text_is_bounded_like_one_in_the_body() -> None:
    schema = '{"a":' + "[" * MOST_NESTED + "]" * MOST_NESTED + "}"
    structure = {"type": "json_schema", "structure": {"jsonSchema": {"name": "s", "schema": schema}}}
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "outputConfig": {"textFormat": structure}}
    with pytest.raises(InvalidRequestError, match="a JSON Schema as text"):
        CHATS[Dialect.BEDROCK, Endpoint.CONVERSE].read_request(msgspec.json.encode(body), model="m", stream=False)
