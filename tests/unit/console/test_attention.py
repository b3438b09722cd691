"""What needs somebody's attention, in words."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from keystead.domain.traffic import OnDisconnect, Owner
from keystead.web.admin.credential_shapes import CredentialShown, TermsShown
from keystead.web.admin.credential_uses import CredentialUseShown
from keystead.web.console.pages.attention import of_budgets, of_credentials, of_fallbacks, of_prices, of_unused

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


def credential(
    name: str,
    *,
    age_days: int = 90,
    owner: Owner = Owner.OWN,
    ends_in: timedelta | None = None,
    revoked: bool = False,
) -> CredentialShown:
    terms = TermsShown(
        regions=(),
        retention_days=None,
        no_training=False,
        baa_reference="",
        dpa_reference="",
        ends_at=None if ends_in is None else NOW + ends_in,
    )
    return CredentialShown(
        id=f"cred_{name}",
        name=name,
        provider="openai",
        origin="https://api.openai.com",
        settings={},
        owner=owner,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        terms=terms,
        margin_ppm=None,
        created_at=NOW - timedelta(days=age_days),
        created_by="mem_1",
        revoked_at=NOW if revoked else None,
        active_version=1,
        versions=(),
    )


def use(name: str, days_ago: int | None) -> CredentialUseShown:
    at = None if days_ago is None else NOW - timedelta(days=days_ago)
    return CredentialUseShown(credential_id=f"cred_{name}", last_used_at=at, last_error=None)


def test_a_key_that_nobody_used_for_long_is_told() -> None:
    some = [credential("spare"), credential("busy")]
    [notice] = of_unused(some, [use("spare", 31), use("busy", 1)], NOW_US)
    assert (notice.text, notice.to) == ("spare was not used in 30 days.", "/console/vault/cred_spare")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("ab", "a and b were not used in 30 days."),
        ("abc", "a, b and c were not used in 30 days."),
        ("abcd", "a, b, c and 1 other were not used in 30 days."),
        ("abcdef", "a, b, c and 3 others were not used in 30 days."),
    ],
)
def test_several_unused_keys_are_told_at_once(names: str, said: str) -> None:
    [notice] = of_unused(map(credential, names), [use(name, None) for name in names], NOW_US)
    assert (notice.text, notice.to) == (said, "/console/vault")


def test_what_is_new_revoked_or_not_the_organizations_own_is_not_told_as_unused() -> None:
    some = [
        credential("new", age_days=29),
        credential("gone", revoked=True),
        credential("sandbox", owner=Owner.SANDBOX),
        credential("for-others", owner=Owner.PLATFORM),
    ]
    assert of_unused(some, [], NOW_US) == []


@pytest.mark.parametrize(
    ("ends_in", "said"),
    [
        (timedelta(hours=5), "within a day"),
        (timedelta(days=1, hours=5), "in 1 day"),
        (timedelta(days=2, hours=5), "in 2 days"),
    ],
)
def test_when_a_contract_ends_is_said_in_days(ends_in: timedelta, said: str) -> None:
    texts = [notice.text for notice in of_credentials([credential("main", ends_in=ends_in)], NOW_US)]
    assert f"main: its contract ends {said}." in texts


def test_one_attempt_is_not_several() -> None:
    [fallback] = of_fallbacks(1, Decimal("0.5"))
    assert fallback.text == "1 attempt ran on the platform's keys, for 0.50 credits."
    assert [notice.text.split(":")[0] for notice in of_prices(unpriced=1, unknown=2)] == [
        "1 attempt has no price yet",
        "2 attempts have an unknown cost",
    ]


def test_a_key_that_nothing_can_use_is_told_whichever_way_it_is_so() -> None:
    def texts(one: Any) -> list[tuple[str, str]]:
        return [(notice.weight, notice.text) for notice in of_credentials([one], NOW_US)]

    def tried(outcome: str | None) -> Any:
        version = SimpleNamespace(version=1, probe=SimpleNamespace(outcome=outcome) if outcome else None)
        terms = SimpleNamespace(ends_at=None)
        return SimpleNamespace(
            id="cred_1", name="main", revoked_at=None, active_version=1, versions=[version], terms=terms
        )

    assert texts(tried("valid")) == texts(tried(None)) == []
    assert texts(tried("invalid")) == [("bad", "main: the provider refused the key when it was tried.")]
    none = msgspec.structs.replace(credential("main"), active_version=None)
    assert texts(none) == [("bad", "main has no active key: nothing can use it.")]
    assert texts(msgspec.structs.replace(none, revoked_at=NOW)) == []
    ended = credential("main", ends_in=-timedelta(hours=5))
    assert ("bad", "main: its contract has ended and promises nothing any more.") in texts(ended)


def test_a_budget_is_named_when_it_is_near_its_end_and_says_whether_it_stops_anybody() -> None:
    def budget(state: str, *, hard: bool = True, active: bool = True) -> Any:
        standing = SimpleNamespace(state=state, spent="9.5")
        made = {"id": "bud_1", "name": "All", "limit": "10", "currency": "USD", "hard": hard}
        return SimpleNamespace(**made, standing=standing, state="active" if active else "ended")

    told = [budget("ok"), budget("over", active=False), budget("near"), budget("over"), budget("over", hard=False)]
    assert [(notice.weight, notice.text) for notice in of_budgets(told)] == [
        ("warning", "Budget All: $9.50 of $10.00 spent."),
        ("bad", "Budget All: $9.50 of $10.00 spent, and no more is let through."),
        ("warning", "Budget All: $9.50 of $10.00 spent."),
    ]
