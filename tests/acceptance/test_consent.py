"""From own keys to platform credentials: only under a consent, only for its reasons, teams, models and data classes."""

from collections.abc import AsyncIterator
from itertools import product

import msgspec
import pytest
import pytest_asyncio

from tests.acceptance import hybrid as stage
from tests.acceptance.hybrid import Hybrid
from tests.fakes.wire import Answer

FAILURES = {
    "throttled": (stage.THROTTLED, "throttled"),
    "down": (stage.DOWN, "down"),
    "out_of_funds": (stage.OUT_OF_FUNDS, "out_of_funds"),
    "wrong_key": (stage.WRONG_KEY, None),
    "no_such_model": (stage.NO_SUCH_MODEL, None),
    "bad_request": (stage.BAD_REQUEST, None),
}
"""How the own key fails, and the reason for which a consent may then be asked."""


class Permission(msgspec.Struct, frozen=True):
    """A consent that exists, and what it covers."""

    reasons: tuple[str, ...] = ("throttled", "down", "out_of_funds")
    classes: tuple[str, ...] = ("public", "internal", "confidential")
    team: str = "Coding"
    cap: str = "50"
    revoked: bool = False


CONSENTS: dict[str, Permission | None] = {
    "none": None,
    "all": Permission(),
    "throttled-only": Permission(reasons=("throttled",)),
    "funds-only": Permission(reasons=("out_of_funds",)),
    "public-only": Permission(classes=("public",)),
    "other-team": Permission(team="Marketing"),
    "tiny-cap": Permission(cap="0.000001"),
    "revoked": Permission(revoked=True),
}
CLASSES = ("public", "confidential", "restricted")
COMBINATIONS = list(product(FAILURES, CONSENTS, CLASSES))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Hybrid, str]]:
    """One organization with a consent for each model `gpt-<consent>`, and a key of the team Coding."""
    async with stage.hybrid(tmp_path_factory.mktemp("consents") / "home", database_settings) as hybrid:
        key = await hybrid.team_key("Coding")
        await hybrid.team_key("Marketing")
        terms = {"retention_days": 0, "no_training": True, "dpa_reference": "DPA-7", "baa_reference": "BAA-7"}
        for number, failure in enumerate(FAILURES):  # a credential for each: a breaker that one opens is not another's
            secret = f"sk-proj-{number}f3b1c9d5e2a4860"
            await hybrid.gateway.add_credential(f"own-{failure}", "openai", secret, origin=hybrid.own.origin)
        for credential in ("pool", *(f"own-{failure}" for failure in FAILURES)):
            await hybrid.gateway.admin("POST", f"/credentials/{credential}/terms", terms)
        await hybrid.price("gpt-*")
        for name, permission in CONSENTS.items():
            if permission is not None:
                consent = await hybrid.consent(
                    models=[f"gpt-{name}"],
                    reasons=permission.reasons,
                    data_classes=permission.classes,
                    teams=[permission.team],
                    daily_cap=permission.cap,
                )
                if permission.revoked:
                    await hybrid.gateway.admin("POST", f"/consents/{consent}/revoke")
        yield hybrid, key


def expected(failure: str, consent: str, data_class: str) -> bool:
    """Say, from the words of the consent alone, whether the platform may step in."""
    _, reason = FAILURES[failure]
    permission = CONSENTS[consent]
    return (
        permission is not None
        and not permission.revoked
        and permission.team == "Coding"
        and permission.cap != "0.000001"
        and reason in permission.reasons
        and data_class in permission.classes
        and data_class != "restricted"
    )


def test_there_are_more_than_a_hundred_combinations_and_both_answers_occur() -> None:
    answers = [expected(*combination) for combination in COMBINATIONS]
    assert len(answers) > 100
    assert 10 < sum(answers) < 100


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("failure", "consent", "data_class"), COMBINATIONS)
async def test_platform_credentials_step_in_only_where_the_consent_says_so(
    world: tuple[Hybrid, str], failure: str, consent: str, data_class: str
) -> None:
    hybrid, key = world
    answer: Answer = FAILURES[failure][0]
    hybrid.own.always(answer)
    hybrid.own.calls.clear()
    hybrid.platform.calls.clear()
    model = f"own-{failure}/gpt-{consent}"
    reply = await hybrid.gateway.chat(model, key=key, headers={"x-keystead-data-class": data_class})
    record = await hybrid.record(reply)
    attempts = record["attempts"]
    if expected(failure, consent, data_class):
        assert reply.status == 200
        assert reply.headers["x-keystead-owner"] == "platform"
        assert reply.headers["x-keystead-fallback-reason"] == FAILURES[failure][1]
        assert reply.headers["x-keystead-consent"] == attempts[-1]["consent_id"]
        assert float(reply.headers["x-keystead-credits"]) > 0
        assert attempts[-1]["owner"] == "platform"
        assert attempts[-1]["charge"] == reply.headers["x-keystead-credits"]
    else:
        assert hybrid.platform.calls == [], "the platform's key was not touched"
        assert reply.status == answer.status, "the caller sees the own provider's refusal"
        assert reply.body == b"".join(step for step in answer.steps if isinstance(step, bytes))
        assert {attempt["owner"] for attempt in attempts} == {"own"}
    assert record["request"]["data_class"] == data_class
    assert record["request"]["state"] != "intent"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_header_can_forbid_the_fallback_and_none_can_allow_it(world: tuple[Hybrid, str]) -> None:
    hybrid, key = world
    hybrid.own.always(stage.DOWN)
    hybrid.platform.calls.clear()
    forbidden = await hybrid.gateway.chat("own-down/gpt-all", key=key, headers={"x-keystead-fallback": "none"})
    assert forbidden.status == 503
    for words in ("platform", "all", "yes", "", "off", "none, all"):
        refused = await hybrid.gateway.chat("own-down/gpt-all", key=key, headers={"x-keystead-fallback": words})
        assert refused.status == 400
        assert refused.headers["x-keystead-error"] == "unknown_fallback"
    assert hybrid.platform.calls == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_fallback_costs_what_was_used_and_not_what_was_held(world: tuple[Hybrid, str]) -> None:
    hybrid, key = world
    hybrid.own.always(stage.DOWN)
    before = float(await hybrid.available())
    reply = await hybrid.gateway.chat("own-down/gpt-all", key=key)
    charged = float(reply.headers["x-keystead-credits"])
    record = await hybrid.record(reply)
    cost = float(record["attempts"][-1]["cost"])
    assert charged == pytest.approx(cost * 1.2 / 0.01), "the provider's cost, the margin, and a credit is a cent"
    assert float(await hybrid.available()) == pytest.approx(before - charged)
    books = await hybrid.gateway.admin("GET", "/trial-balance")
    assert (books["agrees"], books["difference"]) == (True, "0")
