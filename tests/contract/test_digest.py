"""The owner's digest on each engine, over what the journal wrote."""

from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import insert, update

from keystead.domain.clock import DAY_US
from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import PICO_PER_UNIT
from keystead.domain.records import FREE
from keystead.domain.traffic import ErrorClass, Fault, State
from keystead.domain.usage import NOTHING
from keystead.gateway.digest import Digest, Digests
from keystead.metering import fallbacks
from keystead.storage import governance, schema
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.records import COST, attempt_intent, request_intent, settlement
from tests.fakes.watched import ORGANIZATION, TEAM, Scene

OTHER_TEAM: Final = "team_2"


class Fallen(Scene):
    """The same organization, with a platform credential and a consent."""

    async def furnish(self) -> None:
        await super().furnish()
        consent = {
            "id": "con_1",
            "organization_id": ORGANIZATION,
            "data_classes": '["public"]',
            "reasons": '["down"]',
            "daily_cap_pico": 10 * PICO_PER_UNIT,
            "monthly_cap_pico": 20 * PICO_PER_UNIT,
            "note": "agreed in March",
            "created_at": 1,
            "created_by": "mem_1",
            "expires_at": self.clock.now_us() + 60 * DAY_US,
        }
        pool = {
            "id": "cred_pool",
            "organization_id": "org_platform",
            "name": "pool",
            "provider": "openai",
            "origin": "https://api.openai.com",
            "settings": "{}",
            "owner": "platform",
            "region": "",
            "on_disconnect": "drain",
            "terms": "{}",
            "created_at": 1,
            "created_by": "mem_0",
        }
        member = {"id": "mem_1", "organization_id": ORGANIZATION, "team_id": TEAM, "name": "Ada", "operator": False}
        async with self.database.write() as conn:
            await conn.execute(insert(governance.consents).values(consent))
            await conn.execute(insert(schema.credentials).values(pool))
            await conn.execute(insert(schema.members).values(member | {"created_at": 1}))

    async def stepped_in(self, *, asked: bool = True, **changes: Any) -> None:
        """Record a request that the platform served in place of the own key: after it was asked, or without."""
        request = request_intent(self.clock, decision='{"rule":"only","credential":"main"}', **changes)
        number = 1
        if asked:
            await self._own_fails(request)
            number = 2
        attempt = attempt_intent(
            self.clock,
            number=number,
            credential_id="cred_pool",
            owner="platform",
            model_sent="gpt-5-mini",
            reason="down",
            consent_id="con_1",
        )
        await self.database.journal.intend(request, attempt)
        cost = msgspec.structs.replace(COST, pico=PICO_PER_UNIT)
        await self.database.journal.settle(
            settlement(self.clock, request, attempt, cost=cost, charge_pico=2 * PICO_PER_UNIT)
        )
        self.clock.advance(1)

    async def not_helped(self, why: str, **changes: Any) -> None:
        """Record a request that failed on the own key, and whose fallback was refused."""
        request = request_intent(self.clock, data_class=changes.pop("data_class", "public"))
        await self._own_fails(request, ends_request=not why)
        if why:
            end: dict[str, Any] = {
                "state": State.FAILED_BILLED,
                "status_code": 503,
                "error_class": "overloaded",
                "error_code": why,
                "fault": Fault.PROVIDER,
                "reading": NOTHING,
                "cost": FREE,
                "was_intended": True,
            }
            await self.database.journal.settle(settlement(self.clock, request, None, **end | changes))
        self.clock.advance(1)

    async def _own_fails(self, request: Any, *, ends_request: bool = False) -> None:
        own = attempt_intent(self.clock)
        await self.database.journal.intend(request, own)
        failed: dict[str, Any] = {
            "state": State.FAILED_BILLED,
            "status_code": 503,
            "error_class": "overloaded",
            "fault": Fault.PROVIDER,
            "reading": NOTHING,
            "cost": FREE,
        }
        await self.database.journal.settle(settlement(self.clock, request, own, ends_request=ends_request, **failed))

    async def digest(self, **asked: Any) -> Digest:
        """Return the digest of the week around now."""
        now = self.clock.now_us()
        span = {"from_at": now - 6 * DAY_US, "to_at": now + DAY_US}
        async with self.database.read() as conn:
            return await Digests(self.clock).digest(conn, ORGANIZATION, **span | asked)


@pytest.fixture
async def fallen(database: Database, clock: FakeClock) -> Fallen:
    made = Fallen(database, clock)
    await made.furnish()
    return made


async def test_fallbacks_are_told_by_team_model_reason_and_amount(fallen: Fallen) -> None:
    await fallen.stepped_in()
    await fallen.stepped_in()
    await fallen.stepped_in(team_id=OTHER_TEAM)
    await fallen.stepped_in(asked=False)
    found = (await fallen.digest()).fallbacks
    told = {(line.team, line.credential, line.error_class, line.requests, line.charge) for line in found}
    assert told == {
        ("Research", "main", "overloaded", 2, "4"),
        (OTHER_TEAM, "main", "overloaded", 1, "2"),
        ("Research", "main", "", 1, "2"),  # its breaker was open: it was not asked
    }
    assert {(line.model, line.reason, line.consent_id, line.platform_credential) for line in found} == {
        ("gpt-5-mini", "down", "con_1", "pool")
    }
    assert found[0].charge == "4", "the dearest first"


async def test_fallbacks_that_were_refused_are_told_with_why(fallen: Fallen) -> None:
    await fallen.not_helped("consent_cap_reached", refused_by="con_1:day")
    await fallen.not_helped("consent_cap_reached", refused_by="con_1:day")
    await fallen.not_helped("consent_cap_reached", refused_by="con_1:month")
    await fallen.not_helped("no_consent")
    await fallen.not_helped("no_consent", error_class="auth_failed")  # for that nobody can consent
    await fallen.not_helped("out_of_credits", refused_by="acc_1")
    await fallen.not_helped("")  # nobody would have had to consent: there was nothing to fall back to
    await fallen.stepped_in()
    found = {(line.why, line.consent_id, line.cap, line.requests) for line in (await fallen.digest()).refused}
    assert found == {
        ("consent_cap_reached", "con_1", "day", 2),
        ("consent_cap_reached", "con_1", "month", 1),
        ("no_consent", "", "", 1),
        ("out_of_credits", "", "", 1),
    }


async def test_what_a_class_keeps_on_own_keys_is_told_as_refused(fallen: Fallen) -> None:
    await fallen.not_helped("", data_class="restricted")
    [line] = (await fallen.digest()).refused
    assert (line.why, line.data_class, line.credential) == ("own_key_only", "restricted", "main")
    async with fallen.database.write() as conn:
        await conn.execute(update(governance.consents).values(expires_at=2))
    assert (await fallen.digest()).refused == (), "nobody has wanted a fallback anywhere"


async def test_own_cost_and_credits_are_told_apart(fallen: Fallen) -> None:
    await fallen.call()
    await fallen.stepped_in()
    found = {line.owner: line for line in (await fallen.digest()).spend}
    assert (found["own"].cost, found["own"].charge) == ("0.0000015", "0")
    assert (found["platform"].cost, found["platform"].charge) == ("1", "2")


async def test_consents_are_told_with_who_gave_them_and_how_much_is_used(fallen: Fallen) -> None:
    row = {"organization_id": ORGANIZATION, "counter_id": "con_1:day", "ceiling": 0, "held": 0}
    async with fallen.database.write() as conn:
        spent = {"bucket_at": fallen.clock.now_us(), "spent": 3 * PICO_PER_UNIT}
        await conn.execute(insert(governance.counters).values(row | spent))
    [consent] = (await fallen.digest()).consents
    assert (consent.given_by, consent.note, consent.day_used, consent.daily_cap, consent.month_used) == (
        "Ada",
        "agreed in March",
        "3",
        "10",
        "0",
    )
    assert (await fallen.digest(all_consents=False)).consents == ()
    await fallen.stepped_in()
    assert [one.id for one in (await fallen.digest(all_consents=False)).consents] == ["con_1"]


async def test_alerts_of_the_span_are_told_also_when_they_are_over(fallen: Fallen) -> None:
    await fallen.call(ErrorClass.AUTH_FAILED, 401)
    await fallen.look()
    await fallen.call()
    await fallen.look()
    assert [alert.state for alert in (await fallen.digest()).alerts] == ["resolved"]
    assert (await fallen.digest(alerts_of=frozenset({TEAM}))).alerts == ()
    fallen.clock.advance(30 * DAY_US / 1_000_000)
    assert (await fallen.digest()).alerts == ()


async def test_a_team_is_told_of_its_own_alone_and_an_organization_of_nobody_elses(fallen: Fallen) -> None:
    await fallen.stepped_in(team_id=OTHER_TEAM)
    await fallen.stepped_in(organization_id="org_2")
    await fallen.not_helped("no_consent")
    digest = await fallen.digest(team_ids=frozenset({OTHER_TEAM}))
    assert ([line.team for line in digest.fallbacks], digest.refused) == ([OTHER_TEAM], ())
    assert sum(line.requests for line in (await fallen.digest()).fallbacks) == 1


async def test_more_than_anybody_reads_is_refused(fallen: Fallen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallbacks, "MAX_LINES", 1)
    await fallen.stepped_in()
    await fallen.digest()
    await fallen.stepped_in(team_id=OTHER_TEAM)
    with pytest.raises(InvalidRequestError) as refused:
        await fallen.digest()
    assert refused.value.code == "report_too_long"
