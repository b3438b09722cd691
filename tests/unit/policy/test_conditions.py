"""Conditions in CEL."""

import contextlib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.policy.conditions import MAX_LENGTH, ConditionFailedError, compile_condition
from keystead.policy.facts import Facts

THURSDAY_NOON = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "model": "gpt-5",
        "endpoint": "chat",
        "dialect": "openai",
        "stream": True,
        "tags": {"project": "apollo"},
        "team": "team_1",
        "principal": "mem_1",
        "data_class": "confidential",
        "time_us": THURSDAY_NOON,
    }
    return Facts(**{**values, **changes})


@pytest.mark.parametrize(
    "text",
    [
        'request.model.startsWith("gpt-") && request.endpoint == "chat" && request.dialect == "openai"',
        "request.stream",
        'tags["project"] == "apollo"',
        'has(tags.project) && !("secret" in tags)',
        'team in ["team_1", "team_2"] && principal != "mem_2"',
        'data_class == "confidential"',
        'time > timestamp("2025-12-31T23:59:59Z") && time - duration("1h") < timestamp("2026-01-01T11:00:01Z")',
        "hour == 12 && weekday == 4",
        'request.model.contains("5") ? true : false',
        "size(tags) == 1",
        "// why not\ntrue",
    ],
)
def test_what_holds_holds(text: str) -> None:
    assert compile_condition(text).holds(facts()) is True
    assert compile_condition(f"!(\n{text}\n)").holds(facts()) is False


def test_hours_and_weekdays_are_told_in_the_organizations_time_zone() -> None:
    condition = compile_condition("hour == 1 && weekday == 5")
    assert condition.holds(facts(time_zone="Asia/Tokyo", time_us=THURSDAY_NOON + 4 * 3_600_000_000))
    assert not condition.holds(facts(time_us=THURSDAY_NOON + 4 * 3_600_000_000))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "It is empty."),
        ("   ", "It is empty."),
        ("request.modle == 'x'", "At column 8: undeclared reference to 'request.modle'."),
        ("request.model == 5", "found no matching overload for '_==_' applied to '(string, int)'"),
        ("user == 'x'", "undeclared reference to 'user'"),
        ("request.model", "It must be true or false, and is of the type string."),
        ("1 + 1", "It must be true or false, and is of the type int."),
        ("true &&", "Syntax error"),
        ("true\n&& x", "At line 2, column 4: undeclared reference to 'x'."),
        ("tags.project == 1", "(string, int)"),
        ("dyn(1) == 1", "undeclared reference to 'dyn'"),
        ('request.model.matches("(a*)*b")', "undeclared reference to 'matches'"),
        ("[1, 2].exists(x, x > 1)", "undeclared reference to 'exists'"),
        ("tags.all(name, true)", "undeclared reference to 'all'"),
        ("team == '\ud800'", "It cannot be read."),
        ("team == '\x00'", "It holds a control character."),
        ("(" * 900 + "true" + ")" * 900, "It cannot be read."),
        (f"team == '{'x' * MAX_LENGTH}'", "It is longer than 2,000 characters."),
    ],
)
def test_what_does_not_check_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        compile_condition(text)
    assert refused.value.code == "condition_invalid"
    assert refused.value.param == "condition"
    assert why in refused.value.message


@pytest.mark.parametrize("text", ['tags.absent == "x"', "1 / (hour - 12) == 1", 'time.getHours("Nowhere/Land") == 1'])
def test_what_cannot_be_decided_is_an_error_and_neither_yes_nor_no(text: str) -> None:
    with pytest.raises(ConditionFailedError):
        compile_condition(text).holds(facts())


def test_facts_that_nobody_can_read_are_an_error_and_neither_yes_nor_no() -> None:
    with pytest.raises(ConditionFailedError):
        compile_condition("true").holds(facts(time_zone="Nowhere/Land"))
    with pytest.raises(ConditionFailedError):
        compile_condition('request.model == "x"').holds(facts(model="\ud800"))


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = compile_condition(text)
    except InvalidRequestError:
        return
    with contextlib.suppress(ConditionFailedError):
        assert condition.holds(facts()) in {True, False}


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
"""Of tags. The library ends a name at a NUL; the gateway takes none that is not printable."""


@given(st.text(max_size=40), st.dictionaries(NAMES, st.text(max_size=10), max_size=5))
def test_values_from_outside_are_only_values(model: str, tags: dict[str, str]) -> None:
    condition = compile_condition('request.model == "gpt-5" || "admin" in tags')
    assert condition.holds(facts(model=model, tags=tags)) is (model == "gpt-5" or "admin" in tags)


def test_who_writes_no_condition_does_not_load_the_library() -> None:
    program = "import sys, keystead.policy.access; sys.exit('cel_expr_python' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
