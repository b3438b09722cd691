"""Two days in the life of an organization, from outside: what its people would see."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import openai
import pytest_asyncio

from tests.acceptance import hybrid as stage
from tests.acceptance.hybrid import Hybrid
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer


@pytest_asyncio.fixture
async def hybrid(own_database_settings: dict[str, str], tmp_path: Path) -> AsyncIterator[Hybrid]:
    async with stage.hybrid(tmp_path / "home", own_database_settings) as started:
        yield started


async def _revoke_the_first_grant(gateway: Gateway) -> None:
    [grant] = (await gateway.admin("GET", "/grants?in_force=true"))["items"]
    await gateway.admin("POST", f"/grants/{grant['id']}/revoke")


async def test_a_hospital_keeps_patients_on_its_own_contract_while_marketing_spends_credits(hybrid: Hybrid) -> None:
    gateway = hybrid.gateway
    await _revoke_the_first_grant(gateway)  # from here on, nothing is allowed that is not granted
    await hybrid.price("gpt-5*")
    async with FakeProvider() as europe:
        await gateway.add_credential("eu", "openai", "sk-proj-eu-9c1d7e3b5a2f4860", origin=europe.origin, region="eu")
        terms = {
            "regions": ["eu"],
            "retention_days": 0,
            "no_training": True,
            "baa_reference": "BAA-2026-4",
            "dpa_reference": "DPA-2026-9",
        }
        await gateway.admin("POST", "/credentials/eu/terms", terms)
        requirement = {
            "regions": ["eu"],
            "most_retention_days": 0,
            "no_training": True,
            "baa": True,
            "own_key_only": True,
        }
        await gateway.admin("POST", "/data-classes", {"name": "patients", "rank": 500, "requirement": requirement})
        ward = await hybrid.team_key("Ward", data_class="patients")
        marketing = await hybrid.team_key("Marketing")
        await gateway.admin("POST", "/grants", {"team": "Ward", "credentials": ["eu", "own"], "models": ["gpt-5*"]})
        pool = (await gateway.admin("GET", "/platform-credentials"))["items"][0]["id"]
        await gateway.admin("POST", "/grants", {"team": "Marketing", "credentials": [pool], "models": ["gpt-5-mini"]})
        await hybrid.consent(data_classes=["public", "internal", "confidential"])
        europe.calls.clear()

        for_patients = await gateway.chat("gpt-5-mini", key=ward)
        for_customers = await gateway.chat("gpt-5-mini", key=marketing)

        assert for_patients.status == for_customers.status == 200
        assert for_patients.headers["x-keystead-owner"] == "own"
        assert "x-keystead-credits" not in for_patients.headers
        assert for_customers.headers["x-keystead-owner"] == "platform"
        assert float(for_customers.headers["x-keystead-credits"]) > 0
        assert (len(europe.calls), len(hybrid.own.calls), len(hybrid.platform.calls)) == (1, 0, 1)
        record = await hybrid.record(for_patients)
        assert record["request"]["data_class"] == "patients"
        assert record["decision"]["refused"]["own"], "and says why the other key of the ward was not used"

        # Whoever asks beforehand is told the same, and what it would cost at most.
        explained = await gateway.admin("POST", "/explain", {"virtual_key": "Ward", "model": "gpt-5-mini"})
        assert explained["allowed"]
        assert [attempt["credential"] for attempt in explained["attempts"]] == ["eu"]
        assert float(explained["attempts"][0]["most"]) > 0
        assert [each["code"] for each in explained["considered"] if each["credential"] == "own"] == [
            "data_class_refused"
        ]

        # The contract's own provider fails: no consent, no credit and no other key takes a patient's data.
        europe.always(stage.DOWN)
        failed = await gateway.chat("gpt-5-mini", key=ward)
        assert failed.status == 503
        assert (len(hybrid.own.calls), len(hybrid.platform.calls)) == (0, 1)
        # A caller cannot talk the class down, and what marketing may not use it does not get.
        lowered = await gateway.chat("gpt-5-mini", key=ward, headers={"x-keystead-data-class": "public"})
        assert lowered.status == 503
        refused = await gateway.chat("gpt-5", key=marketing)
        assert (refused.status, refused.headers["x-keystead-error"]) == (403, "not_granted")
        raised = await gateway.chat("gpt-5-mini", key=marketing, headers={"x-keystead-data-class": "patients"})
        assert (raised.status, raised.headers["x-keystead-error"]) == (403, "data_class_refused")
        assert (len(hybrid.own.calls), len(hybrid.platform.calls)) == (0, 1)


async def test_a_coding_team_moves_from_key_to_key_to_credits_and_back_and_its_code_never_changes(
    hybrid: Hybrid,
) -> None:
    gateway = hybrid.gateway
    await hybrid.price("*", provider="openai")
    async with FakeProvider() as azure, FakeProvider() as other:
        await gateway.add_credential("azure", "azure", "0123456789abcdef0123456789abcdef", origin=azure.origin)
        await gateway.add_credential("router", "openrouter", "sk-or-v1-9c1d7e3b5a2f4860", origin=other.origin)
        attempts = [
            {"credential": "own", "model": "gpt-5"},
            {"credential": "azure", "model": "gpt-5"},
            {"credential": "router", "model": "anthropic/claude-sonnet-9"},
            {"credential": await _pool_id(gateway), "model": "gpt-5"},
        ]
        await gateway.admin("POST", "/model-routes", {"name": "coding", "attempts": attempts})
        key = await hybrid.team_key("Coding")
        await hybrid.consent(teams=["Coding"], reasons=["down", "throttled"], daily_cap="40")
        client = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)

        async def ask() -> tuple[str, str]:
            raw = await client.chat.completions.with_raw_response.create(
                model="coding", messages=[{"role": "user", "content": "Write a test."}]
            )
            assert raw.parse().choices[0].message.content
            return raw.headers["x-keystead-provider"], raw.headers["x-keystead-owner"]

        healthy: Answer | None = None
        assert await ask() == ("openai", "own")
        hybrid.own.always(stage.DOWN)
        assert await ask() == ("azure", "own")
        azure.always(stage.DOWN)
        assert await ask() == ("openrouter", "own")
        other.always(stage.DOWN)
        assert await ask() == ("openai", "platform")
        # Breakers learn: after some failures the dead ways are passed over at once.
        for _ in range(6):
            assert await ask() == ("openai", "platform")
        calls = len(hybrid.own.calls)
        assert await ask() == ("openai", "platform")
        assert len(hybrid.own.calls) == calls, "a breaker is open"
        # The provider is back, and so is the team, when the breaker has let a probe through.
        hybrid.own.always(healthy)
        azure.always(healthy)
        other.always(healthy)
        assert await _until_own(ask) == ("openai", "own")
        await client.close()


async def _pool_id(gateway: Gateway) -> str:
    return str((await gateway.admin("GET", "/platform-credentials"))["items"][0]["id"])


async def _until_own(ask: Callable[[], Awaitable[tuple[str, str]]]) -> tuple[str, str]:
    """Ask on until an own credential answers: a breaker stays open for some seconds."""
    async with asyncio.timeout(60):
        while (found := await ask())[1] != "own":
            pass
    return found
