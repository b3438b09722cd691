"""Charges of FOCUS files: exact, complete, cut where tags change, with the columns that the specification asks for."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from keystead.domain.clock import DAY_US, HOUR_US
from keystead.domain.ids import VirtualKeyId, new_id
from keystead.identity.tags import change_tags, first_tags
from keystead.metering import focus
from keystead.metering.days import Span
from keystead.metering.usage import usage_by
from keystead.storage.bulk import insert_ended
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement

KEY = VirtualKeyId("vk_1")
NEVER_NULL = {
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory",
    "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "SkuId",
}  # fmt: skip
"""What FOCUS 1.2 lets no charge of usage be without."""
MANDATORY = NEVER_NULL | {"BillingAccountName", "ChargeClass", "ChargeDescription"}


def account(time_zone: str) -> focus.Account:
    return focus.Account(organization_id="org_1", name="Acme", currency="EUR", time_zone=time_zone)


async def used(database: Database, clock: FakeClock, at: int, **changes: Any) -> None:
    request = request_intent(clock, id=new_id("req", at), started_at=at, virtual_key_id=KEY)
    ended = settlement(clock, request, attempt_intent(clock, started_at=at, **changes), finished_at=at + 1)
    async with database.write() as conn:
        await insert_ended(conn, [(ended,)])


async def charged(database: Database, time_zone: str, span: Span) -> list[dict[str, Any]]:
    mine = account(time_zone)
    found = []
    async with database.read() as conn:
        changes = await focus.tag_changes(conn, "org_1")
        for part in focus.parts_of(mine, span, changes):
            lines = await focus.charges(conn, mine, part, team_ids=None)
            found += [focus.charge(line, mine, part, titles={"openai": "OpenAI"}) for line in lines]
    return found


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
async def test_charges_add_up_to_the_report_and_have_every_column(
    database: Database, clock: FakeClock, zone: str
) -> None:
    begin = at("2026-03-28T05:00")
    for number in range(40):
        owner = "platform" if number % 5 == 0 else "own"
        await used(database, clock, begin + number * 2 * HOUR_US, owner=owner)
    span = Span(begin, begin + 4 * DAY_US)
    found = await charged(database, zone, span)
    async with database.read() as conn:
        report = await usage_by(
            conn, organization_id="org_1", dimensions=["owner"], from_at=span.since, to_at=span.until
        )
    own = {line.keys[0].id: line for line in report.lines}
    assert sum(one["BilledCost"] for one in found) == Decimal(own["own"].cost) > 0
    assert sum(one["x_Requests"] for one in found) == 40
    for one in found:
        assert tuple(one) == focus.COLUMNS
        assert set(one) >= MANDATORY
        assert all(one[name] not in {None, ""} for name in NEVER_NULL), one
        assert one["BilledCost"] == one["EffectiveCost"] == one["ListCost"] == one["ContractedCost"]
        assert one["BillingPeriodStart"] <= one["ChargePeriodStart"] < one["ChargePeriodEnd"] <= one["BillingPeriodEnd"]
        assert (one["x_CredentialOwner"] == "platform") == (one["InvoiceIssuerName"] == "Keystead")
    assert all(one["BilledCost"] == 0 for one in found if one["x_CredentialOwner"] == "platform")


async def test_a_day_is_cut_where_a_tag_changes_and_an_hour_counts_to_the_tags_it_began_with(
    database: Database, clock: FakeClock
) -> None:
    async with database.write() as conn:
        await first_tags(conn, "org_1", KEY, {"project": "apollo"})
        await change_tags(conn, "org_1", KEY, {"project": "zephyr", "stage": "live"}, now=at("2026-03-10T09:20"))
        await change_tags(conn, "org_1", KEY, {"stage": "live"}, now=at("2026-03-10T12:00"))
    for hour in ("08:59", "09:40", "10:00", "12:00", "13:00"):
        await used(database, clock, at(f"2026-03-10T{hour}"))
    found = await charged(database, "UTC", Span(at("2026-03-10T00:00"), at("2026-03-12T00:00")))
    assert [
        (
            one["ChargePeriodStart"],
            one["ChargePeriodEnd"],
            one["Tags"] and msgspec.json.decode(one["Tags"]),
            one["x_Requests"],
        )
        for one in found
    ] == [
        ("2026-03-10T00:00:00Z", "2026-03-10T10:00:00Z", {"project": "apollo"}, 2),
        ("2026-03-10T10:00:00Z", "2026-03-10T12:00:00Z", {"project": "zephyr", "stage": "live"}, 1),
        ("2026-03-10T12:00:00Z", "2026-03-11T00:00:00Z", {"stage": "live"}, 2),
    ]


async def test_months_are_the_organizations_own(database: Database, clock: FakeClock) -> None:
    await used(database, clock, at("2026-03-31T23:00"))
    [one] = await charged(database, "Europe/Berlin", Span(at("2026-03-31T00:00"), at("2026-04-02T00:00")))
    assert (one["BillingPeriodStart"], one["BillingPeriodEnd"]) == ("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z")
    assert (one["ChargePeriodStart"], one["ChargePeriodEnd"]) == ("2026-03-31T22:00:00Z", "2026-04-01T22:00:00Z")
    assert one["Tags"] is None
