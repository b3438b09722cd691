"""What may be tried for a request, decided from values alone."""

from typing import Any

import msgspec
import pytest

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import KeysteadError
from keystead.domain.grants import Consent, Grant, Reason, Terms
from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId
from keystead.domain.routes import ModelRoute, RouteAttempt
from keystead.domain.traffic import Dialect, Endpoint, OnDisconnect, Owner
from keystead.gateway.plan import Plan, Question, plan_for
from keystead.gateway.rules import Rules, caller_of
from keystead.identity.views import TeamFacts
from keystead.limits.holds import BudgetRules
from keystead.limits.rates import RateRules
from keystead.policy.access import AccessRules
from keystead.policy.classes import DataClasses
from keystead.policy.facts import Facts

ORGANIZATION = OrganizationId("org_1")
TEAM = TeamId("team_1")
NOW = 1_000_000


def credential(name: str, *, owner: Owner = Owner.OWN, provider: str = "openai", **more: Any) -> Credential:
    values: dict[str, Any] = {
        "id": CredentialId(f"cred_{name}"),
        "organization_id": ORGANIZATION if owner is Owner.OWN else OrganizationId("org_operator"),
        "name": name,
        "provider": provider,
        "origin": f"https://{name}.example",
        "settings": {},
        "owner": owner,
        "region": "",
        "models": None,
        "on_disconnect": OnDisconnect.DRAIN,
        "active": SealedVersion(version=1, state=VersionState.ACTIVE, sealed=b""),
    }
    return Credential(**values | more)


def grant(number: int = 1, **changes: Any) -> Grant:
    values: dict[str, Any] = {
        "id": f"grt_{number}",
        "organization_id": ORGANIZATION,
        "effect": "allow",
        "subject_kind": "organization",
        "subject_id": ORGANIZATION,
        "credential_ids": None,
        "models": None,
        "endpoints": None,
        "condition": "",
        "expires_at": None,
    }
    return Grant(**values | changes)


CONSENT = Consent(
    id="con_1",
    organization_id=ORGANIZATION,
    team_ids=None,
    models=None,
    data_classes=("public", "internal"),
    reasons=(Reason.DOWN,),
    daily_cap_pico=1,
    monthly_cap_pico=1,
    created_by="mem_1",
    expires_at=NOW * 2,
)


def plan(
    model: str,
    credentials: list[Credential],
    *,
    grants: list[Grant] | None = None,
    route: ModelRoute | None = None,
    consents: tuple[Consent, ...] = (),
    data_class: str = "public",
    endpoint: Endpoint = Endpoint.CHAT,
    **key: Any,
) -> Plan:
    rules = Rules(
        organization_id=ORGANIZATION,
        time_zone="UTC",
        credentials=tuple(credentials),
        teams={TEAM: TeamFacts(id=TEAM, organization_id=ORGANIZATION, parent_id=None, data_class="", cost_centers=())},
        access=AccessRules([grant()] if grants is None else grants),
        classes=DataClasses(),
        recognizers=None,
        routes={route.name: route} if route else {},
        consents=consents,
        budgets=BudgetRules([]),
        rates=RateRules([]),
        prepaid_account=None,
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
    found = rules.classes.get(data_class)
    assert found is not None
    facts = Facts(
        model=model,
        endpoint=endpoint,
        dialect=Dialect.OPENAI,
        stream=False,
        tags={},
        team=TEAM,
        principal="mem_1",
        data_class=data_class,
        time_us=NOW,
    )
    return plan_for(
        Question(
            caller=caller_of(VirtualKey(**values | key), rules),
            dialect=Dialect.OPENAI,
            endpoint=endpoint,
            model=model,
            data_class=found,
            facts=facts,
            now_us=NOW,
        )
    )


def names(found: Plan) -> list[list[str]]:
    return [[step.credential.name for step in group] for group in found.groups]


def refused(*arguments: Any, **more: Any) -> KeysteadError:
    with pytest.raises(KeysteadError) as caught:
        plan(*arguments, **more)
    return caught.value


OWN, POOL = credential("own"), credential("pool", owner=Owner.PLATFORM, margin_ppm=0)
OTHER = credential("other")


def test_a_name_before_the_slash_is_that_credential_or_nothing() -> None:
    assert names(plan("other/gpt-5", [OWN, OTHER])) == [["other"]]
    denied = [grant(), grant(2, effect="deny", credential_ids=(OTHER.id,), note="not that one")]
    error = refused("other/gpt-5", [OWN, OTHER], grants=denied)
    assert error.code == "not_granted"
    assert "not that one" in error.message


def test_a_platform_credentials_name_is_not_taken_for_a_model_of_an_own_one() -> None:
    named = [grant(), grant(2, credential_ids=(POOL.id,))]
    assert names(plan("pool/gpt-5", [OWN, POOL], grants=named)) == [["pool"]]
    assert refused("pool/gpt-5", [OWN, POOL]).code == "not_granted"


def test_without_a_grant_nothing_is_allowed_and_the_refusal_says_so() -> None:
    error = refused("gpt-5", [OWN], grants=[])
    assert (error.code, error.status) == ("not_granted", 403)


def test_platform_credentials_serve_directly_only_when_granted_and_no_own_one_serves() -> None:
    named = [grant(1, credential_ids=(POOL.id,))]
    assert names(plan("gpt-5", [OWN, POOL], grants=named)) == [["pool"]]
    both = [grant(), grant(2, credential_ids=(POOL.id,))]
    assert names(plan("gpt-5", [OWN, POOL], grants=both)) == [["own"]]


def test_the_platform_stands_in_reserve_only_where_some_consent_exists() -> None:
    assert plan("gpt-5", [OWN, POOL]).reserve == ()
    [step] = plan("gpt-5", [OWN, POOL], consents=(CONSENT,)).reserve
    assert (step.credential.name, step.grant_id) == ("pool", None)


def test_a_key_can_be_narrowed_to_a_platform_credential_and_is_given_nothing_by_that() -> None:
    narrowed: dict[str, Any] = {"credential_ids": (POOL.id,)}
    assert refused("gpt-5", [OWN, POOL], **narrowed).code == "not_granted"
    both = [grant(), grant(2, credential_ids=(POOL.id,))]
    assert names(plan("gpt-5", [OWN, POOL], grants=both, **narrowed)) == [["pool"]]
    assert refused("gpt-5", [OWN, POOL], consents=(CONSENT,), **narrowed).code == "not_granted", "no own key failed"


def test_a_consent_reaches_a_narrowed_key_only_if_the_platforms_credential_is_in_it() -> None:
    for ids, reserve in (((OWN.id,), []), ((OWN.id, POOL.id), ["pool"]), ((POOL.id, OWN.id), ["pool"])):
        found = plan("gpt-5", [OWN, POOL], consents=(CONSENT,), credential_ids=ids)
        assert names(found) == [["own"]]
        assert [step.credential.name for step in found.reserve] == reserve


def test_a_deny_wins_over_a_consent() -> None:
    denied = [grant(), grant(2, effect="deny", credential_ids=(POOL.id,))]
    assert plan("gpt-5", [OWN, POOL], grants=denied, consents=(CONSENT,)).reserve == ()


@pytest.mark.parametrize("folder", ["models/", "models/models/"])
def test_googles_folder_before_a_model_slips_past_no_rule_about_the_model(folder: str) -> None:
    google = credential("google-eu", provider="google")
    assert plan(f"google-eu/{folder}gemini-3-pro", [google]).groups[0][0].model == "gemini-3-pro"
    denied = [grant(), grant(2, effect="deny", models=("gemini-3*",))]
    assert refused(f"google-eu/{folder}gemini-3-pro", [google], grants=denied).code == "not_granted"
    assert plan(f"own/{folder}gemini-3-pro", [OWN]).groups[0][0].model == f"{folder}gemini-3-pro"


def test_a_restricted_request_has_no_reserve_whatever_is_consented_to() -> None:
    kept = msgspec.structs.replace(OWN, terms=Terms(retention_days=0, no_training=True, dpa_reference="DPA"))
    everything = msgspec.structs.replace(CONSENT, data_classes=("public", "restricted"))
    assert plan("gpt-5", [kept, POOL], consents=(everything,), data_class="restricted").reserve == ()


def test_a_credential_whose_terms_do_not_fit_is_passed_over_and_the_reason_told() -> None:
    kept = credential("kept", terms=Terms(retention_days=0, no_training=True, dpa_reference="DPA"))
    found = plan("gpt-5", [OWN, kept], data_class="restricted")
    assert names(found) == [["kept"]]
    assert '"refused":{"own":"A restricted request needs' in found.decision
    assert refused("gpt-5", [OWN], data_class="restricted").code == "data_class_refused"


def test_what_is_nearest_to_being_allowed_is_the_refusal_that_is_told() -> None:
    only_other = [grant(1, credential_ids=(OTHER.id,))]
    error = refused("gpt-5", [OWN, OTHER], grants=only_other, data_class="restricted")
    assert error.code == "data_class_refused"


def test_a_route_keeps_its_attempts_apart_and_leaves_out_what_is_forbidden() -> None:
    route = ModelRoute(
        id="rt_1",
        organization_id=ORGANIZATION,
        name="coding",
        strategy="ordered",
        sticky=False,
        attempts=(
            RouteAttempt(model="gpt-5", credential_id=OTHER.id),
            RouteAttempt(model="gpt-5-mini", provider="openai"),
        ),
    )
    assert names(plan("coding", [OWN, OTHER], route=route)) == [["other"], ["own", "other"]]
    denied = [grant(), grant(2, effect="deny", credential_ids=(OTHER.id,))]
    assert names(plan("coding", [OWN, OTHER], route=route, grants=denied)) == [[], ["own"]]


def test_a_key_narrowed_to_a_routes_name_may_use_what_is_behind_it_and_nothing_else() -> None:
    route = ModelRoute(
        id="rt_1",
        organization_id=ORGANIZATION,
        name="coding",
        strategy="ordered",
        sticky=False,
        attempts=(RouteAttempt(model="gpt-5", credential_id=OWN.id),),
    )
    assert names(plan("coding", [OWN], route=route, models=("coding",))) == [["own"]]
    assert refused("gpt-5", [OWN], route=route, models=("coding",)).code == "model_not_allowed"


def test_a_key_narrowed_to_endpoints_is_held_to_them() -> None:
    assert refused("gpt-5", [OWN], endpoints=(Endpoint.EMBEDDINGS,)).code == "endpoint_not_allowed"


PASSING = grant(endpoints=(Endpoint.PASSTHROUGH,))


def passing(model: str, *credentials: Credential, **more: Any) -> Plan:
    return plan(model, list(credentials), endpoint=Endpoint.PASSTHROUGH, **{"grants": [PASSING]} | more)


def test_what_is_passed_through_goes_to_the_one_that_is_named_and_as_it_came() -> None:
    found = passing("own/v1/files", OWN, OTHER)
    assert names(found) == [["own"]]
    assert found.groups[0][0].wire == (Dialect.OPENAI, Endpoint.PASSTHROUGH)
    assert found.groups[0][0].model == "v1/files"


def test_a_path_of_one_provider_is_not_taken_for_a_model_of_another() -> None:
    mistral = credential("mine", provider="mistral")
    with pytest.raises(KeysteadError) as caught:
        passing("openai/v1/files", mistral)
    assert caught.value.code == "no_credential"


def test_nothing_passes_through_on_the_platforms_account() -> None:
    everything = grant(endpoints=(Endpoint.PASSTHROUGH,), credential_ids=(POOL.id,))
    with pytest.raises(KeysteadError) as caught:
        passing("pool/v1/files", POOL, grants=[everything])
    assert caught.value.code == "model_not_found"


def test_a_route_does_not_lead_what_is_passed_through_elsewhere() -> None:
    away = ModelRoute(
        id="rt_1",
        organization_id=ORGANIZATION,
        name="own/v1/files",
        strategy="ordered",
        sticky=False,
        attempts=(RouteAttempt(model="m", credential_id=OTHER.id),),
    )
    assert names(passing("own/v1/files", OWN, OTHER, route=away)) == [["own"]]


@pytest.mark.parametrize(("provider", "estimates"), [("anthropic", False), ("google", False), ("groq", True)])
def test_who_has_no_counter_is_known_before_anybody_is_asked(provider: str, *, estimates: bool) -> None:
    found = plan("mine/m", [credential("mine", provider=provider)], endpoint=Endpoint.COUNT_TOKENS)
    assert found.groups[0][0].estimates is estimates
