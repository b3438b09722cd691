"""The matrix of grants, the tree of teams, and a decision as a chain of steps."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.traffic import Endpoint
from keystead.gateway.said import Said
from keystead.policy.access import Finding
from keystead.web.admin.explain import ExplanationShown
from keystead.web.admin.grants import GrantShown
from keystead.web.admin.teams import TeamShown
from keystead.web.console.matrix import Cell, Column, Matrix, columns_of, is_about
from keystead.web.console.reasons import steps
from keystead.web.console.tree import below, chain, ordered

AT = datetime(2026, 1, 1, tzinfo=UTC)
OWN = Column(id="c1", name="main", provider="openai")
PLATFORM = Column(id="p1", name="p1", platform=True)


def team(name: str, parent: str | None = None) -> TeamShown:
    return TeamShown(
        id=name,
        name=name,
        parent_id=parent,
        parent=parent,
        cost_center="default",
        cost_centers=(),
        data_class="",
        members=0,
        created_at=AT,
    )


def grant(subject: str = "a", effect: Any = "allow", **said: Any) -> GrantShown:
    known: dict[str, Any] = {
        "id": f"g-{effect}-{subject}",
        "effect": effect,
        "subject_kind": "organization" if subject == "everyone" else "team",
        "subject_id": subject,
        "subject": subject,
        "credential_ids": None,
        "credentials": None,
        "models": None,
        "endpoints": None,
        "condition": "",
        "note": "",
        "state": "active",
        "created_at": AT,
        "created_by": "mem",
        "expires_at": None,
        "revoked_at": None,
    }
    return GrantShown(**known | said)


TEAMS = {one.id: one for one in (team("a"), team("b", "a"), team("c", "b"), team("x"))}


def cell(grants: list[GrantShown], of: str | None, column: Column = OWN) -> Cell:
    return Matrix(grants, TEAMS).cell(of, column)


def test_a_team_has_what_is_granted_to_it_to_those_above_it_and_to_everyone() -> None:
    grants = [grant("b")]
    assert [cell(grants, name).state for name in ("a", "b", "c", "x")] == ["none", "granted", "inherited", "none"]
    assert cell(grants, "c").rulings[0].origin == "b"
    everyone = [grant("everyone")]
    assert [cell(everyone, name).state for name in (None, "a")] == ["granted", "inherited"]
    assert cell(everyone, "a").rulings[0].origin == "everyone"


def test_a_whole_deny_wins_and_a_deny_of_some_models_takes_them_away() -> None:
    assert cell([grant("a"), grant("b", "deny")], "c").state == "denied"
    some = cell([grant("a"), grant("b", "deny", models=("*-pro",))], "c")
    assert (some.state, some.words) == ("inherited", "all models, not *-pro")
    assert cell([grant("a"), grant("a", "deny", condition="hour < 7")], "a").conditional
    assert cell([grant("a"), grant("a", "deny", endpoints=(Endpoint.CHAT,))], "a").state == "granted"
    assert cell([grant("a", "deny", models=("o1",))], "a").state == "none"


def test_an_allow_of_everything_never_means_the_platform_and_a_deny_of_everything_does() -> None:
    assert cell([grant("a")], "a", PLATFORM).state == "none"
    assert cell([grant("a", "deny")], "a", PLATFORM).state == "denied"
    assert cell([grant("a", credential_ids=("p1",), credentials=("p1",))], "a", PLATFORM).state == "granted"
    assert not is_about(grant("a", credential_ids=("c2",), credentials=("other",)), OWN)


def test_models_are_told_shortly() -> None:
    assert cell([], "a").words == "no grant"
    assert cell([grant("a", "deny")], "a").words == "denied"
    assert cell([grant("a", models=("a", "b", "c", "d"))], "a").words == "a, b, c + 1"
    assert cell([grant("a", models=("a",)), grant("b")], "b").words == "all models"


def test_who_sees_no_credentials_sees_those_that_grants_name() -> None:
    named = [grant("a", credential_ids=("c1", "p1"), credentials=("main", "p1"))]
    assert [(one.id, one.platform) for one in columns_of(None, named)] == [
        ("all", False),
        ("c1", False),
        ("p1", True),
    ]
    assert [(one.id, one.platform) for one in columns_of((), named)] == [("c1", True), ("p1", True)]


@given(st.lists(st.integers(-1, 20), max_size=20))
def test_a_tree_holds_every_team_once_each_after_what_is_above_it(parents: list[int]) -> None:
    teams = [team(str(n), str(p) if 0 <= p < n else None) for n, p in enumerate(parents)]
    branches = ordered(teams)
    places = {branch.team.id: place for place, branch in enumerate(branches)}
    assert sorted(places) == sorted(one.id for one in teams)
    by_id = {one.id: one for one in teams}
    for branch in branches:
        line = chain(branch.team.id, by_id)
        assert branch.depth == len(line) - 1
        for above in line[1:]:
            assert places[above.id] < places[branch.team.id]
            assert branch.team in below(above.id, branches)


def decision(**said: Any) -> ExplanationShown:
    known: dict[str, Any] = {
        "at": AT,
        "allowed": False,
        "code": "",
        "reason": "",
        "rule": "",
        "data_class": "internal",
        "attempts": (),
        "considered": (),
        "grants": (),
        "rules": (),
    }
    return ExplanationShown(**known | said)


def test_what_comes_after_a_refusal_was_not_asked_any_more() -> None:
    found = steps(
        decision(code="data_class_refused", reason="main does not promise it."), subject="team:a", model="gpt-5*?"
    )
    assert [one.state for one in found] == ["yes", "yes", "yes", "yes", "no", "unreached", "unreached"]
    assert found[4].says == ("main does not promise it.",)
    assert all(not one.change for one in found if one.state != "no")


def test_a_missing_grant_leads_to_its_form_and_a_deny_to_its_end() -> None:
    [step] = [
        one
        for one in steps(decision(code="not_granted", reason="No grant."), subject="team:a", model="gpt-5*?")
        if one.state == "no"
    ]
    assert [link.to for link in step.links] == [
        "/console/permissions/grants/new?subject=team%3Aa&models=gpt-5%2A%3F",
    ]
    deny = Finding(grant_id="g1", effect="deny", applies=True, reason="The deny g1 applies.")
    found = steps(
        decision(code="not_granted", reason="Denied by g1.", grants=(deny,)), subject="team:a", model="gpt-5*?"
    )
    assert found[3].links[0].to == "/console/permissions/grants/g1/revoke"
    assert found[3].says == ("Denied by g1.",), "said once"


def test_every_kind_of_rule_is_said_by_some_step() -> None:
    kinds: tuple[Any, ...] = ("virtual_key", "data_class", "recognizers", "route", "limit", "budget", "consent")
    rules = tuple(Said(kind=kind, name="", says=kind) for kind in kinds)
    told = [line for one in steps(decision(allowed=True, rules=rules), subject="", model="gpt-5") for line in one.says]
    assert set(kinds) <= set(told)


def test_a_code_that_nobody_listed_is_about_the_models_name() -> None:
    found = steps(decision(code="model_ambiguous", reason="Several serve it."), subject="", model="gpt-5")
    assert [one.title for one in found if one.state == "no"] == ["The model's name"]
