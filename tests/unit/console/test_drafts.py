"""A route's form: what its buttons do, what it asks for, and where an error belongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.web.console import drafts
from keystead.web.console.drafts import Draft, Row

FORM = {
    "name": " coding ",
    "strategy": "weighted",
    "sticky": "yes",
    "unsupported": "drop",
    "model-0": "gpt-5",
    "on-0": "credential:cred_1",
    "weight-0": "70",
    "wait-0": "2.5",
    "model-1": "claude-sonnet-5",
    "on-1": "provider:anthropic",
    "weight-1": "",
    "wait-1": "",
}


def models(do: str) -> list[str]:
    return [row.model for row in drafts.typed(FORM | {"do": do}).rows]


@pytest.mark.parametrize(
    ("do", "left"),
    [
        ("save", ["gpt-5", "claude-sonnet-5"]),
        ("up-0", ["gpt-5", "claude-sonnet-5"]),
        ("up-1", ["claude-sonnet-5", "gpt-5"]),
        ("down-0", ["claude-sonnet-5", "gpt-5"]),
        ("down-1", ["gpt-5", "claude-sonnet-5"]),
        ("remove-0", ["claude-sonnet-5"]),
        ("add", ["gpt-5", "claude-sonnet-5", ""]),
        ("up-7", ["gpt-5", "claude-sonnet-5"]),
        ("remove-1x", ["gpt-5", "claude-sonnet-5"]),
    ],
)
def test_a_button_moves_removes_or_adds(do: str, left: list[str]) -> None:
    assert models(do) == left


def test_the_last_row_that_is_removed_leaves_an_empty_one() -> None:
    draft = drafts.typed({"model-0": "gpt-5", "do": "remove-0"})
    assert draft.rows == (Row(),)


def test_a_form_holds_at_most_as_many_rows_as_a_route_has() -> None:
    form = {f"model-{number}": "m" for number in range(40)}
    assert len(drafts.typed(form | {"do": "add"}).rows) == 16


def test_what_is_typed_is_asked_for_as_the_api_takes_it() -> None:
    assert drafts.asked(drafts.typed(FORM)) == {
        "strategy": "weighted",
        "sticky": True,
        "unsupported": "drop",
        "attempts": [
            {"model": "gpt-5", "credential": "cred_1", "weight": "70", "first_byte_timeout_s": "2.5"},
            {"model": "claude-sonnet-5", "provider": "anthropic"},
        ],
    }


def test_what_is_sticky_stays_so_only_while_there_are_weights() -> None:
    assert drafts.asked(drafts.typed(FORM | {"strategy": "ordered"}))["sticky"] is False


@pytest.mark.parametrize(
    ("param", "place"),
    [
        ("attempts[1].model", "model-1"),
        ("attempts[0].credential", "on-0"),
        ("attempts[0].provider", "on-0"),
        ("attempts[2].first_byte_timeout_s", "wait-2"),
        ("attempts[2].weight", "weight-2"),
        ("attempts[3]", "model-3"),
        ("name", "name"),
        (None, ""),
    ],
)
def test_an_error_belongs_to_a_field(param: str | None, place: str) -> None:
    assert drafts.place_of(InvalidRequestError("Wrong.", param=param)) == place


@given(st.text(max_size=6))
def test_any_weight_can_be_drawn(weight: str) -> None:
    assert drafts.weight_of(Row(weight=weight)) >= 0


def test_no_button_says_where_it_was_used_but_one_on_a_row() -> None:
    assert drafts.typed(FORM).at is None
    assert drafts.typed(FORM | {"do": "down-0"}).at == 1
    assert Draft().at is None
