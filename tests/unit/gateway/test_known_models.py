"""Families behind credentials, and which models a key may use: decided from values alone."""

from typing import Any

import msgspec
import pytest

from keystead.catalogue.facts import ModelCatalogue
from keystead.catalogue.offers import Offer, OfferedModel
from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError, KeysteadError, NotFoundError
from keystead.domain.grants import Grant
from keystead.domain.ids import VirtualKeyId
from keystead.domain.routes import ModelRoute, RouteAttempt
from keystead.domain.traffic import Dialect, Endpoint, Owner
from keystead.gateway.known import KnownModels
from keystead.gateway.plan import Plan, Question, plan_for
from keystead.gateway.rules import Rules, caller_of
from keystead.gateway.usable import usable_models
from keystead.identity.views import TeamFacts
from keystead.limits.holds import BudgetRules
from keystead.limits.rates import RateRules
from keystead.policy.access import AccessRules
from keystead.policy.classes import DataClasses
from keystead.policy.facts import Facts
from tests.unit.gateway.test_plan import ORGANIZATION, TEAM, credential, grant

NOW = 1_795_651_200_000_000  # 2026-11-26
FACTS = ModelCatalogue()
CLAUDE = credential("claude", provider="anthropic")
OPENAI = credential("openai-key", provider="openai")
VLLM = credential("vllm-key", provider="vllm")


def offer(*names: str, **dates: str) -> Offer:
    models = [OfferedModel(id=name, released=dates.get(name.replace("-", "_"), ""), first_seen_at=1) for name in names]
    return Offer(models, changed_at=1)


def question(
    model: str,
    credentials: list[Credential],
    *,
    offers: dict[str, Offer] | None = None,
    grants: list[Grant] | None = None,
    route: ModelRoute | None = None,
    dialect: Dialect = Dialect.OPENAI,
    **key: Any,
) -> Question:
    rules = Rules(
        organization_id=ORGANIZATION,
        time_zone="UTC",
        credentials=tuple(credentials),
        teams={TEAM: TeamFacts(id=TEAM, organization_id=ORGANIZATION, parent_id=None, data_class="", cost_centers=())},
        access=AccessRules([grant()] if grants is None else grants),
        classes=DataClasses(),
        recognizers=None,
        routes={route.name: route} if route else {},
        consents=(),
        budgets=BudgetRules([]),
        rates=RateRules([]),
        prepaid_account=None,
        known=KnownModels(FACTS, {f"cred_{name}": each for name, each in (offers or {}).items()}),  # type: ignore[misc]
    )
    values: dict[str, Any] = {
        "id": VirtualKeyId("vk_1"),
        "organization_id": ORGANIZATION,
        "team_id": TEAM,
        "principal_kind": "member",
        "principal_id": "mem_1",
        "name": "key",
        "digest": b"",
        "models": None,
        "credential_ids": None,
        "expires_at": None,
        "revoked_at": None,
    }
    data_class = rules.classes.get("public")
    assert data_class is not None
    endpoint = {Dialect.OPENAI: Endpoint.CHAT, Dialect.ANTHROPIC: Endpoint.MESSAGES}[dialect]
    facts = Facts(
        model=model,
        endpoint=endpoint,
        dialect=dialect,
        stream=False,
        tags={},
        team=TEAM,
        principal="mem_1",
        data_class="public",
        time_us=NOW,
    )
    return Question(
        caller=caller_of(VirtualKey(**values | key), rules),
        dialect=dialect,
        endpoint=endpoint,
        model=model,
        data_class=data_class,
        facts=facts,
        now_us=NOW,
    )


def chosen(model: str, *arguments: Any, **more: Any) -> tuple[str, str]:
    [[step]] = plan_for(question(model, *arguments, **more)).groups
    return step.credential.name, step.model


def usable(*credentials: Credential, **more: Any) -> dict[str, str]:
    return {model.name: model.provider for model in usable_models(question("", list(credentials), **more))}


# -- Families -----------------------------------------------------------------------------------------------------------


def test_a_family_is_its_newest_member_in_the_catalogue_before_the_provider_was_asked() -> None:
    assert chosen("family:claude-sonnet", [CLAUDE, OPENAI]) == ("claude", "claude-sonnet-5-5")
    assert chosen("anthropic/family:claude-sonnet", [CLAUDE, OPENAI]) == ("claude", "claude-sonnet-5-5")
    assert chosen("claude/family:Claude-Sonnet", [CLAUDE]) == ("claude", "claude-sonnet-5-5")


def test_a_family_is_what_the_provider_lists_once_it_was_asked() -> None:
    older = {"claude": offer("claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-5-5")}
    assert chosen("family:claude-sonnet", [CLAUDE], offers=older) == ("claude", "claude-sonnet-4-6")
    this_morning = {"claude": offer("claude-sonnet-5-5", "claude-sonnet-7")}
    assert chosen("family:claude-sonnet", [CLAUDE], offers=this_morning) == ("claude", "claude-sonnet-7")


def test_the_newest_that_the_key_may_use_counts() -> None:
    only_old = [grant(models=("claude-sonnet-4*",))]
    assert chosen("family:claude-sonnet", [CLAUDE], grants=only_old) == ("claude", "claude-sonnet-4-6")
    assert chosen("family:claude-sonnet", [CLAUDE], models=("claude-sonnet-5",)) == ("claude", "claude-sonnet-5")
    narrowed = msgspec.structs.replace(CLAUDE, models=("claude-sonnet-4-5*", "claude-opus-*"))
    assert chosen("family:claude-sonnet", [narrowed])[1].startswith("claude-sonnet-4-5")


def test_a_family_that_may_not_be_used_is_refused_and_one_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(KeysteadError) as caught:
        chosen("family:claude-sonnet", [CLAUDE], grants=[grant(models=("gpt-*",))])
    assert caught.value.code == "not_granted"
    for name in ("family:", "family:claude-nothing", "openai/family:claude-sonnet"):
        with pytest.raises(NotFoundError):
            chosen(name, [CLAUDE, OPENAI])


def test_a_look_alike_does_not_take_a_family_from_its_maker() -> None:
    hostile = {"vllm-key": offer("claude-sonnet-99")}
    assert chosen("family:claude-sonnet", [VLLM, CLAUDE], offers=hostile)[0] == "claude"
    assert chosen("family:claude-sonnet", [VLLM], offers=hostile) == ("vllm-key", "claude-sonnet-99")


def test_two_credentials_with_the_newest_are_ambiguous_unless_the_key_prefers_one() -> None:
    two = [CLAUDE, credential("second", provider="anthropic")]
    with pytest.raises(InvalidRequestError) as caught:
        chosen("family:claude-opus", two)
    assert caught.value.code == "model_ambiguous"
    assert "family:claude-opus" in caught.value.next_step
    assert chosen("family:claude-opus", two, credential_ids=("cred_second", "cred_claude"))[0] == "second"
    newer = {"claude": offer("claude-opus-4-8"), "second": offer("claude-opus-5")}
    assert chosen("family:claude-opus", two, offers=newer) == ("second", "claude-opus-5")


def test_own_credentials_come_before_the_platforms() -> None:
    pool = credential("pool", provider="anthropic", owner=Owner.PLATFORM, margin_ppm=0)
    granted = [grant(), grant(2, credential_ids=("cred_pool",))]
    mine = {"claude": offer("claude-opus-4-8"), "pool": offer("claude-opus-5")}
    assert chosen("family:claude-opus", [CLAUDE, pool], offers=mine, grants=granted) == ("claude", "claude-opus-4-8")
    assert chosen("family:claude-opus", [pool], offers=mine, grants=granted) == ("pool", "claude-opus-5")


def test_an_alias_is_a_route_whose_attempt_names_a_family() -> None:
    route = ModelRoute(
        id="route_1",
        organization_id=ORGANIZATION,
        name="latest-sonnet",
        strategy="ordered",
        sticky=False,
        attempts=(RouteAttempt(model="family:claude-sonnet", provider="anthropic"),),
    )
    assert chosen("latest-sonnet", [CLAUDE, OPENAI], route=route) == ("claude", "claude-sonnet-5-5")
    assert chosen("latest-sonnet", [CLAUDE], route=route, models=("latest-sonnet",))[1] == "claude-sonnet-5-5"
    with pytest.raises(NotFoundError):
        chosen("latest-sonnet", [OPENAI], route=route)


def test_the_decision_says_which_model_a_family_became() -> None:
    def decision(plan: Plan) -> Any:
        return msgspec.json.decode(plan.decision)

    found = decision(plan_for(question("family:claude-opus", [CLAUDE])))
    assert (found["rule"], found["model"]) == ("newest_of_family", "claude-opus-5-5")
    assert "model" not in decision(plan_for(question("anthropic/claude-opus-5", [CLAUDE])))


# -- What a key may use -------------------------------------------------------------------------------------------------


def test_a_model_is_listed_by_its_own_name_where_that_leads_to_it() -> None:
    found = usable(CLAUDE, OPENAI, credential("router", provider="openrouter"))
    assert found["claude-opus-5-5"] == "anthropic"
    assert found["gpt-6.1-sol"] == "openai"
    assert found["openrouter/anthropic/claude-opus-5"] == "openrouter"
    assert "anthropic/claude-opus-5-5" not in found
    two = usable(OPENAI, credential("second", provider="openai"))
    assert "gpt-6.1-sol" not in two, "two could serve it"
    assert {"openai-key/gpt-6.1-sol", "second/gpt-6.1-sol"} <= set(two)


def test_what_is_listed_is_what_can_be_asked_for() -> None:
    credentials = [CLAUDE, OPENAI, VLLM, credential("router", provider="openrouter")]
    offers = {"vllm-key": offer("llama-9", "gpt-5"), "claude": offer("claude-sonnet-7")}
    names = usable(*credentials, offers=offers)
    assert {"llama-9", "vllm/gpt-5", "gpt-5", "claude-sonnet-7"} <= set(names)
    for name, provider in names.items():
        [[step]] = plan_for(question(name, credentials, offers=offers)).groups
        assert step.provider.name == provider


def test_a_model_that_one_provider_lists_is_found_there_by_its_own_name() -> None:
    three = [OPENAI, VLLM, credential("router", provider="openrouter")]
    with pytest.raises(InvalidRequestError):
        chosen("llama-9", three)
    offers = {"vllm-key": offer("llama-9"), "router": offer("meta/llama-9", "gpt-5")}
    assert chosen("llama-9", three, offers=offers) == ("vllm-key", "llama-9")
    assert chosen("meta/llama-9", three, offers=offers) == ("router", "meta/llama-9")
    assert chosen("gpt-5", three, offers=offers)[0] == "openai-key", "its maker comes before who lists it too"
    both = offers | {"router": offer("llama-9")}
    with pytest.raises(InvalidRequestError):
        chosen("llama-9", three, offers=both)


def test_the_list_is_narrowed_by_grants_by_the_key_and_by_the_credential() -> None:
    assert set(usable(CLAUDE, OPENAI, grants=[grant(models=("claude-opus-5*",))])) == {
        "claude-opus-5",
        "claude-opus-5-5",
    }
    assert set(usable(CLAUDE, OPENAI, models=("gpt-6.1*",))) == {"gpt-6.1-sol", "gpt-6.1-terra"}
    assert set(usable(msgspec.structs.replace(VLLM, models=("mine", "ours-*")))) == {"mine"}
    assert usable(CLAUDE, grants=[]) == {}


def test_what_has_ended_is_not_listed_unless_its_provider_still_does() -> None:
    assert "claude-opus-4-1" not in usable(CLAUDE)
    assert "claude-opus-4-1" in usable(CLAUDE, offers={"claude": offer("claude-opus-4-1")})


def test_fine_tuned_models_of_a_credential_are_listed() -> None:
    assert "ft:gpt-4o-mini:acme::1" in usable(OPENAI, offers={"openai-key": offer("ft:gpt-4o-mini:acme::1")})


def test_a_route_is_listed_if_the_key_may_use_it() -> None:
    route = ModelRoute(
        id="route_1",
        organization_id=ORGANIZATION,
        name="coding",
        strategy="ordered",
        sticky=False,
        attempts=(RouteAttempt(model="gpt-5", provider="openai"),),
    )
    assert "coding" in usable(OPENAI, route=route)
    assert "coding" not in usable(CLAUDE, route=route)
    assert "coding" not in usable(OPENAI, route=route, models=("gpt-*",))


def test_an_empty_list_falls_back_to_the_catalogue() -> None:
    assert "claude-opus-5" in usable(CLAUDE, offers={"claude": Offer((), changed_at=1)})
