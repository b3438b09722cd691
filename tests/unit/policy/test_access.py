"""Who may use which credential for which model."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.credential import Credential
from keystead.domain.grants import Grant
from keystead.domain.traffic import Endpoint, Owner
from keystead.policy.access import AccessRules, Verdict
from tests.unit.policy.cases import NOW, SUBJECT, credential, facts, grant


def decide(*grants: Grant, on: Credential | None = None, model: str = "gpt-5", **changes: Any) -> Verdict:
    rules = AccessRules(grants)
    return rules.decide(SUBJECT, on or credential(), model, Endpoint.CHAT, facts(model=model, **changes))


def test_without_a_grant_nothing_is_allowed() -> None:
    verdict = decide()
    assert verdict == Verdict(
        allowed=False, grant_id=None, reason="No grant lets team Research use credential openai-eu for gpt-5."
    )


def test_an_allow_allows_and_says_which_it_is() -> None:
    assert decide(grant(note="the lab")) == Verdict(
        allowed=True, grant_id="grt_1", reason="Allowed by grant grt_1 (the lab)."
    )


def test_a_deny_wins_over_every_allow_in_any_order() -> None:
    deny = grant(2, effect="deny", models=("gpt-*",), note="no gpt for interns")
    for grants in ((grant(), deny), (deny, grant())):
        assert decide(*grants) == Verdict(
            allowed=False, grant_id="grt_2", reason="Denied by grant grt_2 (no gpt for interns)."
        )
    assert decide(grant(), deny, model="o5").allowed


@pytest.mark.parametrize(
    ("kind", "identifier", "concerned"),
    [
        ("team", "team_research", True),
        ("team", "team_all", True),
        ("team", "team_below", False),
        ("member", "mem_1", True),
        ("member", "mem_2", False),
        ("service_account", "mem_1", False),
        ("organization", "org_1", True),
        ("organization", "org_2", False),
    ],
)
def test_a_grant_concerns_a_principal_its_teams_and_its_organization(
    kind: str, identifier: str, concerned: bool
) -> None:
    assert decide(grant(subject_kind=kind, subject_id=identifier)).allowed is concerned


def test_another_organizations_grants_and_credentials_do_not_count() -> None:
    assert not decide(grant(organization_id="org_2")).allowed
    theirs = credential(organization_id="org_2")
    assert not decide(grant(), grant(2, credential_ids=("cred_1",)), on=theirs).allowed


def test_an_allow_of_all_credentials_means_own_ones_and_the_sandbox_but_never_the_platforms() -> None:
    platform = credential(owner=Owner.PLATFORM, organization_id="org_operator", name="platform-openai")
    assert decide(grant(), on=credential(owner=Owner.SANDBOX, provider="sandbox")).allowed
    assert not decide(grant(), on=platform).allowed
    assert decide(grant(credential_ids=("cred_1",)), on=platform).allowed


def test_an_allow_of_all_endpoints_does_not_mean_what_is_passed_through_but_a_deny_does() -> None:
    def passes(*grants: Grant) -> bool:
        asked = (SUBJECT, credential(), "v1/files", Endpoint.PASSTHROUGH, facts())
        return AccessRules(grants).decide(*asked).allowed

    named = grant(2, endpoints=(Endpoint.PASSTHROUGH,))
    assert not passes(grant())
    assert passes(grant(), named)
    assert not passes(named, grant(3, effect="deny"))


def test_a_deny_of_all_credentials_means_the_platforms_as_well() -> None:
    platform = credential(owner=Owner.PLATFORM, organization_id="org_operator")
    deny = grant(2, effect="deny", models=("gpt-5",))
    assert decide(grant(credential_ids=("cred_1",)), deny, on=platform).grant_id == "grt_2"


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("gpt-5", True),
        ("gpt-*", True),
        ("gpt-?", True),
        ("gpt-[4-6]", True),
        ("openai/*", True),
        ("openai/gpt-5", True),
        ("openai-eu/gpt*", True),
        ("*", True),
        ("GPT-5", False),
        ("gpt", False),
        ("anthropic/*", False),
        ("gpt-5*o", False),
    ],
)
def test_a_pattern_may_name_the_model_alone_with_its_provider_or_with_its_credential(pattern: str, fits: bool) -> None:
    assert decide(grant(models=("nothing-else", pattern))).allowed is fits


@pytest.mark.parametrize("model", ["GPT-5", "Gpt-5-Pro"])
@pytest.mark.parametrize("pattern", ["gpt-5*", "GPT-5*", "openai/gpt*", "OpenAI-EU/*", "gpt-[5]*"])
def test_a_model_in_other_letters_slips_past_no_deny(pattern: str, model: str) -> None:
    assert not decide(grant(1), grant(2, effect="deny", models=(pattern,)), model=model).allowed


def test_endpoints_narrow_a_grant() -> None:
    assert not decide(grant(endpoints=(Endpoint.EMBEDDINGS,))).allowed
    assert decide(grant(endpoints=(Endpoint.EMBEDDINGS, Endpoint.CHAT))).allowed


def test_an_expired_grant_no_longer_counts_whichever_way_it_went() -> None:
    verdict = decide(grant(expires_at=NOW))
    assert not verdict.allowed
    assert verdict.reason.endswith("grt_1 has expired.")
    assert decide(grant(expires_at=NOW + 1)).allowed
    assert decide(grant(), grant(2, effect="deny", expires_at=NOW)).allowed


def test_a_condition_decides_by_the_facts() -> None:
    conditional = grant(condition='tags.purpose == "research" && !request.stream')
    assert decide(conditional, tags={"purpose": "research"}).allowed
    assert not decide(conditional, tags={"purpose": "fun"}).allowed
    assert not decide(conditional, tags={"purpose": "research"}, stream=True).allowed


def test_a_condition_that_cannot_be_decided_allows_nothing_and_denies() -> None:
    failing = 'tags.purpose == "research"'
    allow = decide(grant(condition=failing))
    assert not allow.allowed
    assert allow.reason.endswith("grt_1 has a condition that could not be decided.")
    deny = decide(grant(), grant(2, effect="deny", condition=failing))
    assert (deny.allowed, deny.grant_id) == (False, "grt_2")
    assert deny.reason == "Denied by grant grt_2. Its condition could not be decided, so it is taken to hold."


def test_a_kept_condition_that_no_longer_compiles_cannot_be_decided() -> None:
    assert not decide(grant(condition="request.model ~ 1")).allowed
    assert not decide(grant(), grant(2, effect="deny", condition="request.model ~ 1")).allowed


def test_a_deny_whose_other_parts_do_not_fit_needs_no_condition() -> None:
    assert decide(grant(), grant(2, effect="deny", models=("o5",), condition="request.model ~ 1")).allowed


def test_the_reason_names_the_grant_that_came_nearest() -> None:
    assert decide(grant(models=("o5",))).reason == (
        "No grant lets team Research use credential openai-eu for gpt-5; grt_1 is for other models."
    )


def test_every_grant_that_concerns_a_subject_has_its_say_in_an_explanation() -> None:
    rules = AccessRules(
        [
            grant(1, models=("o5",)),
            grant(2),
            grant(3, effect="deny", condition='tags.x == "y"'),
            grant(4, credential_ids=("cred_2",)),
            grant(5, subject_id="team_other"),
        ]
    )
    found = rules.findings(SUBJECT, credential(), "gpt-5", Endpoint.CHAT, facts())
    assert [(one.grant_id, one.effect, one.applies) for one in found] == [
        ("grt_3", "deny", True),
        ("grt_1", "allow", False),
        ("grt_2", "allow", True),
        ("grt_4", "allow", False),
    ]
    assert found[3].reason == "The allow grt_4 is for other credentials."


def test_it_is_known_when_a_decision_may_not_be_kept() -> None:
    rules = AccessRules([grant(1, expires_at=NOW + 5), grant(2, expires_at=NOW + 3), grant(3, expires_at=NOW - 1)])
    assert rules.expires(SUBJECT, now_us=NOW) == NOW + 3
    assert not rules.conditional(SUBJECT)
    assert AccessRules([grant(condition="true")]).conditional(SUBJECT)
    assert not AccessRules([grant(condition="true", subject_id="team_other")]).conditional(SUBJECT)
    assert AccessRules([grant()]).expires(SUBJECT) is None


_GRANTS = st.builds(
    grant,
    st.integers(1, 9),
    effect=st.sampled_from(["allow", "deny"]),
    subject_id=st.sampled_from(["team_research", "team_all", "team_other"]),
    credential_ids=st.sampled_from([None, ("cred_1",), ("cred_2",), ("cred_1", "cred_2")]),
    models=st.sampled_from([None, ("gpt-5",), ("gpt-*", "o?"), ("claude-*",), ("openai/*",)]),
    endpoints=st.sampled_from([None, (Endpoint.CHAT,), (Endpoint.SPEECH,)]),
    condition=st.sampled_from(["", "request.stream", "!request.stream", 'tags.x == "1"']),
    expires_at=st.sampled_from([None, NOW, NOW + 1]),
)


@given(st.lists(_GRANTS, max_size=6), _GRANTS)
def test_a_further_deny_never_allows_and_a_further_allow_never_forbids(grants: list[Grant], further: Grant) -> None:
    before, after = decide(*grants).allowed, decide(*grants, further).allowed
    assert (not after or before) if further.effect == "deny" else (after or not before)


@given(st.lists(_GRANTS, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_grants_decides_nothing(grants: list[Grant], random: Any) -> None:
    shuffled = list(grants)
    random.shuffle(shuffled)
    assert decide(*grants).allowed is decide(*shuffled).allowed


@given(st.lists(_GRANTS, max_size=6))
def test_a_verdict_and_its_explanation_agree(grants: list[Grant]) -> None:
    rules = AccessRules(grants)
    verdict = rules.decide(SUBJECT, credential(), "gpt-5", Endpoint.CHAT, facts())
    found = rules.findings(SUBJECT, credential(), "gpt-5", Endpoint.CHAT, facts())
    applying = {one.effect for one in found if one.applies}
    assert verdict.allowed is (applying == {"allow"})


def test_a_decision_among_many_grants_takes_microseconds() -> None:
    others = [grant(number, credential_ids=(f"cred_{number}",)) for number in range(2, 200)]
    rules = AccessRules([*others, grant(models=("gpt-*",))])
    on, what = credential(), facts()
    rules.decide(SUBJECT, on, "gpt-5", Endpoint.CHAT, what)
    best = float("inf")
    for _ in range(50):
        started = time.perf_counter()
        rules.decide(SUBJECT, on, "gpt-5", Endpoint.CHAT, what)
        best = min(best, time.perf_counter() - started)
    assert best < 50e-6
