"""What there is to alert about, from how money, consents, contracts and keys stand, at any moment."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from keystead.alerts.views import Alert, AlertKind, Cause, Ends, KeyRefused, Left, Stands
from keystead.domain.clock import DAY_US, HOUR_US, utc
from keystead.domain.grants import Consent, Reason
from keystead.domain.ids import OrganizationId, TeamId
from keystead.domain.means import Budget
from keystead.domain.money import PICO_PER_UNIT
from keystead.gateway.causes import (
    changes,
    of_budgets,
    of_consents,
    of_contracts,
    of_credits,
    of_keys,
    refusals_since,
)
from keystead.identity.views import ExpiringKey
from keystead.ledger.views import CreditsLeft
from keystead.limits.views import CapUse, Refused, Standing, StandingState
from keystead.vault.view import Contract

NOW = 100 * DAY_US
STARTED = NOW - DAY_US // 2
ORGANIZATION = OrganizationId("org_1")


def budget(**changed: Any) -> Budget:
    given: dict[str, Any] = {
        "id": "bud_1",
        "organization_id": ORGANIZATION,
        "name": "daily",
        "scope_kind": "organization",
        "scope_id": ORGANIZATION,
        "period": "day",
        "rolling_hours": 0,
        "limit_pico": 10 * PICO_PER_UNIT,
        "currency": "USD",
        "hard": True,
        "alert_percent": 80,
        "unpriced": "refuse",
        "unpriced_hold_pico": 0,
        "ends_at": None,
    }
    return Budget(**given | changed)


def standing(state: StandingState, spent: int = 1) -> Standing:
    limit = 10 * PICO_PER_UNIT
    spent *= PICO_PER_UNIT
    return Standing(spent=spent, held=0, limit=limit, remaining=limit - spent, period_starts_at=STARTED, state=state)


def alert_of(cause: Cause, **changed: Any) -> Alert[int]:
    given = {"id": "alr_1", "resolved_at": None, "acknowledged_at": None, "acknowledged_by": None}
    return Alert(**msgspec.structs.asdict(cause) | given | changed)


def reached(*, last_at: int, count: int = 1, **changed: Any) -> Alert[int]:
    cause = Cause(
        organization_id=ORGANIZATION,
        kind=AlertKind.BUDGET_REACHED,
        subject_id="bud_1",
        subject="daily",
        first_at=last_at,
        last_at=last_at,
        count=count,
        detail=Stands(period="day", spent="9", limit="10", currency="USD"),
    )
    return alert_of(cause, **changed)


def kinds(
    one: Budget,
    found: Standing,
    *,
    refused: Mapping[str, Refused] | None = None,
    alert: Alert[int] | None = None,
    now_us: int = NOW,
) -> list[tuple[AlertKind, int]]:
    alerts = {} if alert is None else {"bud_1": alert}
    causes = of_budgets([(one, found)], refused or {}, alerts, now_us=now_us)
    return [(cause.kind, cause.count) for cause in causes]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("ok", []),
        ("near", [(AlertKind.BUDGET_NEAR, 0)]),
        ("over", [(AlertKind.BUDGET_NEAR, 0), (AlertKind.BUDGET_REACHED, 0)]),
    ],
)
@pytest.mark.parametrize("hard", [True, False])
def test_a_budget_alerts_as_it_stands(
    state: StandingState, expected: list[tuple[AlertKind, int]], *, hard: bool
) -> None:
    assert kinds(budget(hard=hard), standing(state)) == expected


def test_a_hard_budget_is_reached_when_it_refuses_however_little_is_spent() -> None:
    refused = {"bud_1": Refused(count=3, first_at=NOW - 2, last_at=NOW - 1)}
    assert kinds(budget(), standing("ok"), refused=refused) == [(AlertKind.BUDGET_REACHED, 3)]


@pytest.mark.parametrize(
    ("state", "last_at", "stays"),
    [
        ("near", NOW - 2 * HOUR_US, True),  # until its period is over
        ("near", STARTED - 1, False),
        ("ok", NOW - HOUR_US + 1, True),  # most of it is left: one large request was refused, and that passes
        ("ok", NOW - 2 * HOUR_US, False),
    ],
)
def test_that_a_budget_refused_is_no_news_for_ever(state: StandingState, last_at: int, *, stays: bool) -> None:
    found = [kind for kind, _ in kinds(budget(), standing(state), alert=reached(last_at=last_at))]
    assert (AlertKind.BUDGET_REACHED in found) is stays


def test_a_raised_limit_resolves_what_was_refused_below_it() -> None:
    found = msgspec.structs.replace(standing("ok"), limit=20 * PICO_PER_UNIT)
    assert kinds(budget(limit_pico=20 * PICO_PER_UNIT), found, alert=reached(last_at=NOW - 1)) == []


def test_refusals_are_news_once() -> None:
    one = [(budget(), standing("near"))]
    assert refusals_since(one, {}, {}, now_us=NOW) == {"bud_1": STARTED - 1}
    assert refusals_since(one, {"bud_1": reached(last_at=NOW - 5)}, {}, now_us=NOW) == {"bud_1": NOW - 5}
    assert refusals_since(one, {}, {"bud_1": NOW - 7}, now_us=NOW) == {"bud_1": NOW - 7}
    assert refusals_since([(budget(hard=False), standing("over"))], {}, {}, now_us=NOW) == {}


def consent(**changed: Any) -> Consent:
    given: dict[str, Any] = {
        "id": "con_1",
        "organization_id": ORGANIZATION,
        "team_ids": None,
        "models": None,
        "data_classes": ("public",),
        "reasons": (Reason.DOWN,),
        "daily_cap_pico": 10 * PICO_PER_UNIT,
        "monthly_cap_pico": 100 * PICO_PER_UNIT,
        "created_by": "mem_1",
        "expires_at": NOW + 100 * DAY_US,
    }
    return Consent(**given | changed)


def caps(day: int, month: int) -> dict[str, tuple[CapUse, ...]]:
    return {
        "con_1": (
            CapUse(period="day", spent=day * PICO_PER_UNIT, cap=10 * PICO_PER_UNIT),
            CapUse(period="month", spent=month * PICO_PER_UNIT, cap=100 * PICO_PER_UNIT),
        )
    }


@pytest.mark.parametrize(
    ("day", "month", "period"), [(7, 79, None), (8, 8, "day"), (0, 80, "month"), (10, 100, "month")]
)
def test_a_consent_alerts_from_four_fifths_of_a_cap_on(day: int, month: int, period: str | None) -> None:
    found = list(of_consents([consent()], caps(day, month), now_us=NOW))
    assert [cause.kind for cause in found] == ([] if period is None else [AlertKind.CONSENT_NEAR_CAP])
    assert [cause.detail.period for cause in found if isinstance(cause.detail, Stands)] == [period][: len(found)]


@pytest.mark.parametrize(("days", "alerts"), [(8, False), (6, True), (-6, True), (-8, False)])
def test_a_consent_alerts_a_week_before_its_end_and_a_week_after(days: int, *, alerts: bool) -> None:
    found = list(of_consents([consent(expires_at=NOW + days * DAY_US)], caps(10, 10), now_us=NOW))
    assert (AlertKind.CONSENT_ENDS in [cause.kind for cause in found]) is alerts
    assert (AlertKind.CONSENT_NEAR_CAP in [cause.kind for cause in found]) is (days > 0), "what has ended has no cap"


@pytest.mark.parametrize(("days", "alerts"), [(31, False), (29, True), (0, True), (-400, True)])
def test_a_contract_alerts_a_month_before_its_end_and_as_long_as_it_is_not_renewed(days: int, *, alerts: bool) -> None:
    one = Contract(organization_id=ORGANIZATION, credential_id="cred_1", credential="main", ends_at=NOW + days * DAY_US)
    found = [(cause.kind, cause.subject, cause.detail) for cause in of_contracts([one], now_us=NOW)]
    expected = (AlertKind.CREDENTIAL_CONTRACT_ENDS, "main", Ends(ends_at=utc(one.ends_at)))
    assert found == ([expected] if alerts else [])


@pytest.mark.parametrize(("left", "alerts"), [(100, False), (20, False), (19, True), (0, True)])
def test_credits_alert_when_less_than_a_fifth_of_the_last_top_up_is_left(left: int, *, alerts: bool) -> None:
    one = CreditsLeft(
        account_id="acc_1", organization_id=ORGANIZATION, left=left * PICO_PER_UNIT, paid_in=100 * PICO_PER_UNIT
    )
    found = [(cause.kind, cause.detail) for cause in of_credits([one], now_us=NOW)]
    assert found == ([(AlertKind.CREDITS_LOW, Left(left=str(left), paid_in="100"))] if alerts else [])


def test_an_alert_about_a_virtual_key_is_its_teams() -> None:
    key = ExpiringKey(id="vk_1", organization_id=ORGANIZATION, team_id=TeamId("team_1"), name="ci", expires_at=NOW + 1)
    [cause] = of_keys([key], now_us=NOW)
    assert (cause.kind, cause.subject_id, cause.team_id) == (AlertKind.VIRTUAL_KEY_EXPIRES, "vk_1", "team_1")


def test_what_stands_is_opened_once_and_what_no_longer_does_is_resolved() -> None:
    [near] = of_budgets([(budget(), standing("near"))], {}, {}, now_us=NOW)
    assert changes([], [near]).recorded == (near,)
    open_alert = alert_of(near)
    assert not changes([open_alert], [near])
    assert changes([open_alert], []).resolved == (open_alert,)


def test_refusals_that_came_since_are_counted_in_the_open_alert() -> None:
    refused = {"bud_1": Refused(count=2, first_at=NOW - 2, last_at=NOW - 1)}
    [cause] = of_budgets([(budget(), standing("ok"))], refused, {}, now_us=NOW)
    assert changes([alert_of(cause)], [cause]).recorded == (cause,)


def test_that_a_key_was_refused_is_not_resolved_by_nothing_standing() -> None:
    detail = KeyRefused(version=1, error_class="auth_failed", upstream_status=401, model="gpt-5", request="req_1")
    key = alert_of(
        Cause(
            organization_id=ORGANIZATION,
            kind=AlertKind.CREDENTIAL_REFUSED,
            subject_id="cred_1",
            subject="main",
            first_at=1,
            last_at=2,
            count=1,
            detail=detail,
        )
    )
    assert not changes([key], [])
