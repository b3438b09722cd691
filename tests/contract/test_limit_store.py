"""Budgets and rate limits on each engine: kept, changed, ended, compiled for the data plane, and how budgets stand."""

from typing import Any

import pytest
from sqlalchemy import insert

from keystead.domain.errors import CallerError, ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.ids import OrganizationId
from keystead.domain.means import Budget, RateLimit
from keystead.domain.money import MAX_PICO, PICO_PER_UNIT
from keystead.limits.periods import HOUR_US
from keystead.limits.store import Budgets, RateLimits, budgets, rate_limits, standing, standings
from keystead.limits.views import BudgetView, NewBudget, NewRateLimit, RateLimitView, Standing
from keystead.storage.database import Database
from keystead.storage.governance import counters
from tests.fakes.clock import FakeClock

OURS = OrganizationId("org_1")
THEIRS = OrganizationId("org_2")
UNIT = PICO_PER_UNIT
DAY_US = 24 * HOUR_US


class House:
    """Two organizations, each call in a transaction of its own."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.budgets = Budgets(clock)
        self.limits = RateLimits(clock)

    async def budget(self, organization_id: OrganizationId = OURS, **changes: Any) -> BudgetView:
        self.clock.advance(1)
        given: dict[str, Any] = {
            "name": "all",
            "scope_kind": "organization",
            "scope_id": OURS,
            "period": "month",
            "limit_pico": 100 * UNIT,
        }
        async with self.database.write() as conn:
            return await self.budgets.create(
                conn, organization_id=organization_id, actor_id="mem_1", new=NewBudget(**(given | changes))
            )

    async def limit(self, organization_id: OrganizationId = OURS, **changes: Any) -> RateLimitView:
        self.clock.advance(1)
        given: dict[str, Any] = {
            "name": "pace",
            "scope_kind": "team",
            "scope_id": "team_1",
            "measure": "requests_per_minute",
            "most": 60,
        }
        async with self.database.write() as conn:
            return await self.limits.create(
                conn, organization_id=organization_id, actor_id="mem_1", new=NewRateLimit(**(given | changes))
            )

    async def change(self, budget: str = "all", **changes: Any) -> BudgetView:
        async with self.database.write() as conn:
            return await self.budgets.change(conn, **({"organization_id": OURS, "budget": budget} | changes))

    async def end(self, budget: str = "all", organization_id: OrganizationId = OURS) -> BudgetView:
        async with self.database.write() as conn:
            return await self.budgets.end(conn, organization_id=organization_id, budget=budget)

    async def get(self, budget: str = "all", organization_id: OrganizationId = OURS) -> BudgetView:
        async with self.database.read() as conn:
            return await self.budgets.get(conn, organization_id, budget)

    async def delete(self, rate_limit: str, organization_id: OrganizationId = OURS) -> RateLimitView:
        async with self.database.write() as conn:
            return await self.limits.delete(conn, organization_id=organization_id, rate_limit=rate_limit)

    async def listed(self, **page: Any) -> list[BudgetView]:
        async with self.database.read() as conn:
            return await self.budgets.list(conn, OURS, **page)

    async def compiled(self) -> tuple[list[Budget], list[RateLimit]]:
        async with self.database.read() as conn:
            return await budgets(conn), await rate_limits(conn)

    async def counted(self, counter_id: str, bucket_at: int, *, spent: int, held: int = 0) -> None:
        row = {
            "counter_id": counter_id,
            "bucket_at": bucket_at,
            "organization_id": OURS,
            "ceiling": None,
            "spent": spent,
            "held": held,
        }
        async with self.database.write() as conn:
            await conn.execute(insert(counters).values(row))

    async def stands(self, budget: Budget, time_zone: str = "UTC") -> Standing:
        async with self.database.read() as conn:
            return await standing(conn, budget, self.clock.now_us(), time_zone)


@pytest.fixture
def house(database: Database, clock: FakeClock) -> House:
    return House(database, clock)


async def test_a_budget_is_kept_as_it_was_written(house: House) -> None:
    ends_at = house.clock.now_us() + DAY_US
    made = await house.budget(
        scope_kind="model",
        scope_id="gpt-5*",
        period="rolling",
        rolling_hours=24,
        currency="XCR",
        hard=False,
        alert_percent=1,
        unpriced="hold",
        unpriced_hold_pico=UNIT,
        ends_at=ends_at,
    )
    assert await house.get("all") == await house.get(made.id) == made
    assert made.id.startswith("bud_")
    assert (made.created_at, made.created_by, made.ended_at) == (house.clock.now_us(), "mem_1", None)
    assert (await house.compiled())[0] == [
        Budget(
            id=made.id,
            organization_id=OURS,
            name="all",
            scope_kind="model",
            scope_id="gpt-5*",
            period="rolling",
            rolling_hours=24,
            limit_pico=100 * UNIT,
            currency="XCR",
            hard=False,
            alert_percent=1,
            unpriced="hold",
            unpriced_hold_pico=UNIT,
            ends_at=ends_at,
        )
    ]


async def test_a_budget_is_hard_in_dollars_and_refuses_what_has_no_price_unless_told_otherwise(house: House) -> None:
    made = await house.budget()
    assert (made.currency, made.hard, made.alert_percent) == ("USD", True, 80)
    assert (made.unpriced, made.unpriced_hold_pico, made.rolling_hours, made.ends_at) == ("refuse", 0, 0, None)


async def test_what_is_no_budget_is_refused_and_nothing_is_kept(house: House, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "bud_01hf7yat002js5kpthz4dbqfx6"}, "name"),
        ({"scope_kind": "galaxy"}, "scope_kind"),
        ({"scope_kind": "model", "scope_id": ""}, "model"),
        ({"scope_kind": "model", "scope_id": "gpt 5"}, "model"),
        ({"scope_kind": "model", "scope_id": "gpt-[5"}, "model"),
        ({"period": "year"}, "period"),
        ({"period": "rolling"}, "rolling_hours"),
        ({"period": "rolling", "rolling_hours": 8761}, "rolling_hours"),
        ({"period": "rolling", "rolling_hours": -1}, "rolling_hours"),
        ({"period": "day", "rolling_hours": 24}, "rolling_hours"),
        ({"limit_pico": 0}, "limit"),
        ({"limit_pico": -1}, "limit"),
        ({"limit_pico": MAX_PICO + 1}, "limit"),
        ({"currency": "UDS"}, "currency"),
        ({"alert_percent": 0}, "alert_percent"),
        ({"alert_percent": 101}, "alert_percent"),
        ({"unpriced": "perhaps"}, "unpriced"),
        ({"unpriced": "hold"}, "unpriced_hold"),
        ({"unpriced": "hold", "unpriced_hold_pico": -1}, "unpriced_hold"),
        ({"unpriced": "allow", "unpriced_hold_pico": 1}, "unpriced_hold"),
        ({"ends_at": 1}, "ends_at"),
    )
    for changes, param in cases:
        with subtests.test(changes=changes):
            with pytest.raises(InvalidRequestError) as caught:
                await house.budget(**changes)
            assert caught.value.param == param
            assert await house.compiled() == ([], [])


async def test_an_end_that_is_now_has_passed(house: House) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await house.budget(ends_at=house.clock.now_us() + 1_000_000)  # the call itself takes a second here
    assert caught.value.code == "end_passed"


async def test_the_largest_limit_can_be_kept(house: House) -> None:
    assert (await house.budget(limit_pico=MAX_PICO)).limit_pico == MAX_PICO
    assert (await house.stands(await house.get())).remaining == MAX_PICO


async def test_a_name_is_the_budgets_own_in_its_organization_even_after_its_end(house: House) -> None:
    await house.budget()
    await house.end()
    with pytest.raises(ConflictError) as caught:
        await house.budget()
    assert (caught.value.code, caught.value.param) == ("name_taken", "name")
    assert (await house.budget(organization_id=THEIRS, scope_id=THEIRS)).name == "all"


async def test_a_change_replaces_what_is_given_and_nothing_else(house: House) -> None:
    ends_at = house.clock.now_us() + DAY_US
    made = await house.budget(unpriced="hold", unpriced_hold_pico=UNIT, ends_at=ends_at)
    changed = await house.change(limit_pico=UNIT, hard=False, alert_percent=50)
    assert (changed.limit_pico, changed.hard, changed.alert_percent) == (UNIT, False, 50)
    assert (changed.unpriced, changed.unpriced_hold_pico, changed.ends_at) == ("hold", UNIT, ends_at)
    assert (await house.change(made.id, ends_at=None)).ends_at is None
    assert (await house.change(unpriced_hold_pico=2 * UNIT)).unpriced_hold_pico == 2 * UNIT
    changed = await house.change(unpriced="allow")
    assert (changed.unpriced, changed.unpriced_hold_pico) == ("allow", 0)
    assert await house.change() == changed
    assert await house.get() == changed


async def test_a_change_that_is_refused_changes_nothing(house: House, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"limit_pico": 0}, "limit"),
        ({"alert_percent": 101}, "alert_percent"),
        ({"unpriced": "hold"}, "unpriced_hold"),
        ({"unpriced_hold_pico": 1}, "unpriced_hold"),
        ({"ends_at": 1}, "ends_at"),
    )
    made = await house.budget()
    for changes, param in cases:
        with subtests.test(changes=changes):
            with pytest.raises(InvalidRequestError) as caught:
                await house.change(**({"hard": False} | changes))
            assert caught.value.param == param
            assert await house.get() == made


async def test_a_budget_is_ended_once_and_for_good_and_not_forgotten(house: House) -> None:
    made = await house.budget()
    await house.counted(made.id, 0, spent=1)
    ended = await house.end(made.id)
    house.clock.advance(60)
    assert await house.end() == ended == await house.get()
    assert ended.ended_at == ended.created_at
    assert (await house.compiled())[0] == []
    assert await house.listed() == [ended]
    assert await house.listed(in_force_only=True) == []
    with pytest.raises(ConflictError) as caught:
        await house.change(hard=False)
    assert caught.value.code == "budget_ended"


async def test_a_budget_past_its_end_is_not_in_force_and_can_be_prolonged(house: House) -> None:
    await house.budget(ends_at=house.clock.now_us() + HOUR_US)
    house.clock.advance(3600)
    assert await house.listed(in_force_only=True) == []
    later = await house.change(ends_at=house.clock.now_us() + HOUR_US)
    assert await house.listed(in_force_only=True) == [later]


async def test_budgets_are_listed_newest_first_in_pages(house: House) -> None:
    made = [await house.budget(name=f"budget {number}") for number in range(5)][::-1]
    await house.budget(organization_id=THEIRS, name="theirs")
    first = await house.listed(limit=2)
    assert first == made[:2]
    assert await house.listed(before=first[-1].id) == made[2:]


async def test_another_organizations_rules_are_as_absent_as_ones_that_never_were(house: House) -> None:
    budget, limit = await house.budget(), await house.limit()
    told = []
    for reference in (budget.id, "all", "bud_nothing"):
        with pytest.raises(NotFoundError) as caught:
            await house.get(reference, THEIRS)
        told.append((caught.value.code, caught.value.message))
        with pytest.raises(NotFoundError):
            await house.end(reference, THEIRS)
        with pytest.raises(NotFoundError):
            await house.change(reference, organization_id=THEIRS, hard=False)
    assert set(told) == {("budget_not_found", "There is no such budget.")}
    for reference in (limit.id, "pace", "lim_nothing"):
        with pytest.raises(NotFoundError) as caught:
            await house.delete(reference, THEIRS)
        assert caught.value.code == "rate_limit_not_found"
    assert [len(rules) for rules in await house.compiled()] == [1, 1]


async def test_nothing_is_spent_of_a_new_budget(house: House) -> None:
    stands = await house.stands(await house.budget())
    assert stands == Standing(
        spent=0,
        held=0,
        limit=100 * UNIT,
        remaining=100 * UNIT,
        period_starts_at=stands.period_starts_at,
        state="ok",
    )
    assert stands.period_starts_at <= house.clock.now_us()


@pytest.mark.parametrize(
    ("spent", "held", "remaining", "state"),
    [
        (80 * UNIT - 1, 0, 20 * UNIT + 1, "ok"),
        (10 * UNIT, 90 * UNIT, 0, "ok"),
        (80 * UNIT, 5 * UNIT, 15 * UNIT, "near"),
        (100 * UNIT - 1, 0, 1, "near"),
        (100 * UNIT, 0, 0, "over"),
        (130 * UNIT, 1, 0, "over"),
    ],
)
async def test_a_budget_stands_by_what_is_spent_in_its_period(
    house: House, spent: int, held: int, remaining: int, state: str
) -> None:
    budget = await house.budget()
    start = (await house.stands(budget)).period_starts_at
    await house.counted(budget.id, start - 1, spent=50 * UNIT)  # of the month before
    await house.counted(budget.id, start, spent=spent, held=held)
    await house.counted("bud_other", start, spent=1)
    stands = await house.stands(budget)
    assert (stands.spent, stands.held, stands.remaining, stands.state) == (spent, held, remaining, state)


async def test_the_period_is_the_one_of_the_organizations_time_zone(house: House) -> None:
    budget = await house.budget(period="day")
    utc, samoa = [(await house.stands(budget, zone)).period_starts_at for zone in ("UTC", "Pacific/Apia")]
    assert (samoa - utc) % DAY_US == 11 * HOUR_US


async def test_a_rolling_budget_adds_up_its_hours_beyond_what_64_bits_hold(house: House) -> None:
    budget = await house.budget(period="rolling", rolling_hours=2)
    hour = house.clock.now_us() // HOUR_US * HOUR_US
    for back in range(4):
        await house.counted(budget.id, hour - back * HOUR_US, spent=MAX_PICO, held=back)
    stands = await house.stands(budget)
    assert (stands.spent, stands.held, stands.remaining) == (3 * MAX_PICO, 3, 0)
    assert (stands.period_starts_at, stands.state) == (hour - 2 * HOUR_US, "over")


async def test_several_budgets_stand_each_in_its_own_period(house: House) -> None:
    monthly, rolling = await house.budget(), await house.budget(name="r", period="rolling", rolling_hours=1)
    now = house.clock.now_us()
    await house.counted(monthly.id, (await house.stands(monthly)).period_starts_at, spent=3)
    await house.counted(rolling.id, now - now % HOUR_US, spent=5)
    async with house.database.read() as conn:
        found = await standings(conn, [rolling, monthly], now, "UTC")
        assert await standings(conn, [], now, "UTC") == ()
    assert [stands.spent for stands in found] == [5, 3]


async def test_a_rate_limit_lives_from_its_creation_to_its_end(house: House) -> None:
    made = await house.limit(most=2**53)
    assert made.id.startswith("lim_")
    assert (await house.compiled())[1] == [
        RateLimit(
            id=made.id,
            organization_id=OURS,
            name="pace",
            scope_kind="team",
            scope_id="team_1",
            measure="requests_per_minute",
            most=2**53,
        )
    ]
    with pytest.raises(ConflictError):
        await house.limit()
    async with house.database.read() as conn:
        assert await house.limits.list(conn, OURS) == [made]
        assert await house.limits.list(conn, OURS, before=made.id) == []
        assert await house.limits.get(conn, OURS, "pace") == made
    assert await house.delete("pace") == made
    assert (await house.compiled())[1] == []
    assert (await house.limit()).id != made.id


async def test_what_is_no_rate_limit_is_refused(house: House, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"name": "a/b"}, "name"),
        ({"scope_kind": "model", "scope_id": "a b"}, "model"),
        ({"measure": "requests_per_year"}, "measure"),
        ({"most": 0}, "most"),
        ({"most": -1}, "most"),
        ({"most": 2**53 + 1}, "most"),
    )
    for changes, param in cases:
        with subtests.test(changes=changes):
            with pytest.raises(CallerError) as caught:
                await house.limit(**changes)
            assert caught.value.param == param
            assert await house.compiled() == ([], [])
