"""Models that a body of any form names."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.named_models import named_models
from keystead.domain.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("body", "models"),
    [
        ({}, set()),
        ({"model": "a"}, {"a"}),
        ({"model": "a", "requests": [{"params": {"model": "b"}}, {"params": {"model": "a"}}]}, {"a", "b"}),
        ({"model": {"model": "a"}}, {"a"}),
        ({"model": 7, "x": None}, set()),
        ({"metadata": {"model": "a"}, "tools": [{"parameters": {"model": "b"}}]}, set()),
        ([{"model": "a"}], {"a"}),
    ],
)
def test_every_model_that_may_run_is_named(body: Any, models: set[str]) -> None:
    assert named_models(json.dumps(body).encode()) == models


def test_escapes_hide_nothing() -> None:
    assert named_models(rb'{"x":{"mod\u0065l":"a"}}') == {"a"}


@pytest.mark.parametrize("body", [b'{"model"', b'"model"]', b"[" * 5000 + b'"model"', b'{"model":"\xff"}'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        named_models(body)


@given(
    st.recursive(
        st.just({"model": "deep"}), lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.text(), inner)
    )
)
def test_depth_hides_nothing(body: Any) -> None:
    text = json.dumps(body)
    hidden = any(name in text for name in ("metadata", "tools", "parameters", "input_schema"))
    assert hidden or ("deep" in named_models(text.encode())) == ('"deep"' in text)
