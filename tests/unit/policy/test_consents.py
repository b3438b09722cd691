"""Which consent lets a request fall back."""

from typing import Any

import pytest

from keystead.domain.grants import CONSENTABLE, Consent, DataClass, Reason
from keystead.domain.ids import OrganizationId, TeamId
from keystead.policy.classes import CONFIDENTIAL, INTERNAL, PUBLIC, RESTRICTED
from keystead.policy.consents import find_consent

NOW = 1_767_225_600_000_000


def consent(number: int = 1, **changes: Any) -> Consent:
    values: dict[str, Any] = {
        "id": f"con_{number}",
        "organization_id": OrganizationId("org_1"),
        "team_ids": None,
        "models": None,
        "data_classes": ("public", "internal"),
        "reasons": (Reason.DOWN,),
        "daily_cap_pico": 10**12,
        "monthly_cap_pico": 10**13,
        "created_by": "mem_owner",
        "expires_at": NOW + 1,
    }
    return Consent(**{**values, **changes})


def find(*consents: Consent, **changes: Any) -> Consent | str:
    asked: dict[str, Any] = {
        "team_ids": (TeamId("team_lab"), TeamId("team_all")),
        "model": "gpt-5",
        "data_class": INTERNAL,
        "reason": Reason.DOWN,
        "now_us": NOW,
    }
    return find_consent(consents, **{**asked, **changes})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"expires_at": NOW}, "No consent to fall back to platform credentials is in force."),
        ({"team_ids": (TeamId("team_x"),)}, "No consent to fall back to platform credentials covers the team."),
        (
            {"data_classes": ("public",)},
            "No consent to fall back to platform credentials covers internal requests of the team.",
        ),
        (
            {"models": ("claude-*",)},
            "No consent to fall back to platform credentials covers the model gpt-5 for such requests.",
        ),
        (
            {"reasons": (Reason.THROTTLED,)},
            "No consent to fall back to platform credentials covers such requests after `down`.",
        ),
    ],
)
def test_a_consent_covers_what_it_says_and_why_none_does_is_told(changes: dict[str, Any], why: str) -> None:
    assert find(consent()) == consent()
    assert find(consent(**changes)) == why


def test_without_a_consent_nothing_falls_back() -> None:
    assert isinstance(find(), str)


def test_a_teams_consent_holds_for_the_teams_below_it() -> None:
    assert find(consent(team_ids=(TeamId("team_all"),))) == consent(team_ids=(TeamId("team_all"),))


def test_of_several_the_newest_counts() -> None:
    assert find(consent(1), consent(3), consent(2)) == consent(3)


def test_a_class_that_is_gone_is_covered_by_nothing() -> None:
    assert isinstance(find(consent(), data_class=None), str)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("data_class", [PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED], ids=lambda one: one.name)
@pytest.mark.parametrize("named", [(), ("internal",), ("public", "internal", "confidential", "restricted")])
@pytest.mark.parametrize("reasons", [(), (Reason.DOWN,), tuple(Reason)], ids=len)
def test_platform_credentials_step_in_only_where_the_consent_says_so_and_for_restricted_never(
    reason: Reason, data_class: DataClass, named: tuple[str, ...], reasons: tuple[Reason, ...]
) -> None:
    given = consent(data_classes=named, reasons=reasons)
    allowed = (
        reason in reasons and reason in CONSENTABLE and data_class.name in named and data_class.name != "restricted"
    )
    assert (find(given, data_class=data_class, reason=reason) == given) is allowed
