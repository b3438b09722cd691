"""An organization's own prices, on each engine: added, listed, ended, and compiled into the price book."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import CallerError, ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.traffic import CostState, Endpoint
from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering import prices
from keystead.metering.price_book import Override
from keystead.metering.prices import Overrides, Terms, load_snapshot
from keystead.metering.pricing import cost_of
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock

DAY_US = 86_400_000_000
CONTRACT = {"input_tokens": "0.0000008", "output_tokens": "0.0000064"}


@pytest.fixture
def own(clock: FakeClock) -> Overrides:
    return Overrides(clock)


async def add(
    own: Overrides,
    conn: AsyncConnection,
    *,
    organization_id: str = "org_1",
    allow_past: bool = False,
    **changes: Any,
) -> Override:
    contract: Mapping[str, Any] = {"provider": "openai", "model": "gpt-5*", "prices": CONTRACT, "note": "contract 7"}
    terms = Terms(**{**contract, **changes})
    return await own.add(conn, organization_id=organization_id, actor_id="mem_1", terms=terms, allow_past=allow_past)


async def test_an_override_is_kept_as_it_was_entered(database: Database, own: Overrides, clock: FakeClock) -> None:
    async with database.write() as conn:
        added = await add(own, conn, valid_to=clock.now_us() + DAY_US)
    async with database.read() as conn:
        assert await own.get(conn, "org_1", added.id) == added
        assert await own.list(conn, "org_1") == [added]
        assert await prices.overrides(conn) == [added]
    assert (added.prices, added.currency, added.note, added.created_by) == (CONTRACT, "USD", "contract 7", "mem_1")
    assert (added.valid_from, added.created_at) == (clock.now_us(), clock.now_us())


async def test_a_compiled_override_prices_attempts_of_its_organization(
    database: Database, own: Overrides, clock: FakeClock
) -> None:
    async with database.write() as conn:
        added = await add(own, conn)
    async with database.read() as conn:
        book = load_snapshot().with_overrides(await prices.overrides(conn))
    for organization_id, expected in (("org_1", 800_000_000), ("org_2", 1_250_000_000)):
        cost = cost_of(
            book,
            organization_id=organization_id,
            provider="openai",
            endpoint=Endpoint.CHAT,
            model_sent="gpt-5",
            region="",
            at=clock.now_us(),
            reading=Reading(usage=Usage(input_tokens=1000), source=UsageSource.PROVIDER),
        )
        assert (cost.state, cost.pico) == (CostState.PRICED, expected)
        assert (cost.price_version == f"override/{added.id}") is (organization_id == "org_1")


async def test_overrides_are_listed_newest_first_in_pages(database: Database, own: Overrides, clock: FakeClock) -> None:
    async with database.write() as conn:
        added = []
        for number in range(5):
            clock.advance(1)
            added.append(await add(own, conn, model=f"model-{number}"))
        await add(own, conn, organization_id="org_2")
    newest = added[::-1]
    async with database.read() as conn:
        first = await own.list(conn, "org_1", limit=2)
        assert first == newest[:2]
        assert await own.list(conn, "org_1", before=first[-1].id, limit=50) == newest[2:]


async def test_an_ended_override_counts_until_its_end(database: Database, own: Overrides, clock: FakeClock) -> None:
    async with database.write() as conn:
        added = await add(own, conn)
    clock.advance(60)
    async with database.write() as conn:
        ended = await own.end(conn, organization_id="org_1", override_id=added.id)
    assert ended.valid_to == clock.now_us()
    assert ended.in_force(clock.now_us() - 1)
    assert not ended.in_force(clock.now_us())
    async with database.read() as conn:
        assert await own.list(conn, "org_1", in_force_only=True) == []
        assert await own.list(conn, "org_1") == [ended]
    async with database.write() as conn:
        with pytest.raises(ConflictError):
            await own.end(conn, organization_id="org_1", override_id=added.id)


async def test_an_override_that_has_not_begun_can_be_ended_for_good(
    database: Database, own: Overrides, clock: FakeClock
) -> None:
    async with database.write() as conn:
        added = await add(own, conn, valid_from=clock.now_us() + DAY_US)
        ended = await own.end(conn, organization_id="org_1", override_id=added.id)
    assert ended.valid_to == added.valid_from
    assert not ended.in_force(added.valid_from)


async def test_neither_end_reaches_back(database: Database, own: Overrides, clock: FakeClock) -> None:
    async with database.write() as conn:
        with pytest.raises(InvalidRequestError) as begun:
            await add(own, conn, valid_from=clock.now_us() - 1)
        assert begun.value.param == "valid_from"
        late = await add(own, conn, valid_from=clock.now_us() - DAY_US, allow_past=True)
        assert late.valid_from == clock.now_us() - DAY_US
        with pytest.raises(InvalidRequestError) as ended:
            await own.end(conn, organization_id="org_1", override_id=late.id, valid_to=clock.now_us() - 1)
        assert ended.value.param == "valid_to"


async def test_another_organizations_override_is_not_found_like_one_that_never_was(
    database: Database, own: Overrides
) -> None:
    async with database.write() as conn:
        added = await add(own, conn, organization_id="org_2")
        messages = set()
        for override_id in (added.id, "price_01k0000000000000000000000"):
            with pytest.raises(NotFoundError) as missing:
                await own.end(conn, organization_id="org_1", override_id=override_id)
            messages.add((missing.value.message, missing.value.code, missing.value.next_step))
        assert len(messages) == 1
        assert await own.list(conn, "org_1") == []
        assert (await own.get(conn, "org_2", added.id)).valid_to is None


async def test_what_is_not_valid_is_refused_by_name(
    database: Database, own: Overrides, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("provider", {"provider": "Open AI"}),
        ("provider", {"provider": ""}),
        ("model", {"model": ""}),
        ("model", {"model": "a model"}),
        ("model", {"model": "x" * 201}),
        ("currency", {"currency": "usd"}),
        ("prices", {"prices": {}}),
        ("prices", {"prices": {"tokens": "1"}}),
        ("prices", {"prices": {"Flex.input_tokens": "1"}}),
        ("prices", {"prices": {f"t{n}.input_tokens": "1" for n in range(65)}}),
        ("prices.input_tokens", {"prices": {"input_tokens": "-1"}}),
        ("prices.input_tokens", {"prices": {"input_tokens": "1e3"}}),
        ("prices.input_tokens", {"prices": {"input_tokens": "NaN"}}),
        ("prices.input_tokens", {"prices": {"input_tokens": "0.0000000000000000001"}}),
        ("prices.input_tokens", {"prices": {"input_tokens": "\u0661"}}),
        ("prices.input_tokens", {"prices": {"input_tokens": "1\n"}}),
        ("valid_to", {"valid_to": 1}),
        ("note", {"note": "two\nlines"}),
        ("note", {"note": "x" * 501}),
    )
    for param, changes in cases:
        with subtests.test(changes=changes):
            async with database.write() as conn:
                with pytest.raises(CallerError) as refused:
                    await add(own, conn, **changes)
                assert refused.value.param == param
                assert await prices.overrides(conn) == []
