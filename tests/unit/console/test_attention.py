"""What is said to need attention, and what is not."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from keystead.web.console.pages import attention

NOW = datetime(2026, 10, 31, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1_000_000)


def credential(*, probe: str | None = "valid", ends: timedelta | None = None, active: bool = True, **more: Any) -> Any:
    """Return as much of a credential as is looked at."""
    version = SimpleNamespace(version=1, probe=SimpleNamespace(outcome=probe) if probe else None)
    terms = SimpleNamespace(ends_at=None if ends is None else NOW + ends)
    made = {"id": "cred_1", "name": "main", "revoked_at": None, "active_version": 1 if active else None}
    return SimpleNamespace(**made | {"versions": [version], "terms": terms} | more)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (credential(), []),
        (credential(probe=None), []),
        (credential(probe="invalid"), [("bad", "main: the provider refused the key when it was tried.")]),
        (credential(active=False), [("bad", "main has no active key: nothing can use it.")]),
        (credential(active=False, revoked_at=NOW), []),
        (credential(ends=timedelta(days=31)), []),
        (credential(ends=timedelta(days=9, hours=5)), [("warning", "main: its contract ends in 9 d.")]),
        (credential(ends=timedelta(hours=5)), [("warning", "main: its contract ends in 5 h.")]),
        (
            credential(ends=-timedelta(hours=5)),
            [("bad", "main: its contract has ended and promises nothing any more.")],
        ),
    ],
)
def test_a_key_is_named_that_nothing_can_use_or_soon_nothing_may(one: Any, said: list[tuple[str, str]]) -> None:
    found = attention.of_credentials([one], NOW_US)
    assert [(notice.weight, notice.text) for notice in found] == said
    assert {notice.to for notice in found} <= {"/console/vault/cred_1"}


def test_a_key_is_unused_only_if_it_was_there_for_the_whole_span() -> None:
    span: Any = SimpleNamespace(title="30 days", since=NOW - timedelta(days=30))
    old, new = NOW - timedelta(days=31), NOW - timedelta(days=29)
    unused = [credential(created_at=old, name="old"), credential(created_at=new), credential(created_at=old, id="used")]
    found = attention.of_unused(unused, {"used"}, span)
    assert [notice.text for notice in found] == ["old was not used in 30 days."]


def test_a_budget_is_named_when_it_is_near_its_end_and_says_whether_it_stops_anybody() -> None:
    def budget(state: str, *, hard: bool = True, active: bool = True) -> Any:
        standing = SimpleNamespace(state=state, spent="9.5")
        made = {"id": "bud_1", "name": "All", "limit": "10", "currency": "USD", "hard": hard}
        return SimpleNamespace(**made, standing=standing, state="active" if active else "ended")

    told = [budget("ok"), budget("over", active=False), budget("near"), budget("over"), budget("over", hard=False)]
    assert [(notice.weight, notice.text) for notice in attention.of_budgets(told)] == [
        ("warning", "Budget All: $9.50 of $10.00 spent."),
        ("bad", "Budget All: $9.50 of $10.00 spent, and no more is let through."),
        ("warning", "Budget All: $9.50 of $10.00 spent."),
    ]
