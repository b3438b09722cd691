"""The books of credits, on each engine: they add up, they are never overdrawn, and a payment is booked once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import CallerError, ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.money import MAX_PICO, PICO_PER_UNIT
from keystead.ledger.credits import FREE_CREDITS
from keystead.ledger.store import ADJUSTMENTS, GRANTED, RECEIVED, REVENUE, Ledger, prepaid_accounts, revenue_account
from keystead.ledger.views import Balance, Booking, Transfer
from keystead.storage import revision
from keystead.storage.database import Database
from keystead.storage.governance import counters, ledger_transfers
from keystead.storage.schema import organizations
from tests.fakes.clock import START_US, FakeClock

CREDIT = PICO_PER_UNIT
DAY_US = 86_400_000_000
FAR_US = START_US + 1000 * DAY_US


@pytest.fixture
def ledger(clock: FakeClock) -> Ledger:
    return Ledger(clock)


@pytest.fixture
async def opened(database: Database, ledger: Ledger) -> Database:
    """A database with two organizations and their accounts."""
    async with database.write() as conn:
        for organization_id in ("org_1", "org_2"):
            await add_organization(conn, organization_id)
        await ledger.ensure_accounts(conn)
    return database


async def add_organization(conn: AsyncConnection, organization_id: str) -> None:
    row = {
        "id": organization_id,
        "name": organization_id,
        "currency": "USD",
        "time_zone": "UTC",
        "created_at": START_US,
    }
    await conn.execute(insert(organizations).values(row))


async def paid(ledger: Ledger, database: Database, credits_: int, reference: str, /, **more: Any) -> Booking:
    given = {"organization_id": "org_1", "amount": credits_ * CREDIT, "reference": reference, "actor_id": "mem_1"}
    async with database.write() as conn:
        return await ledger.top_up(conn, **{**given, **more})


async def adjusted(ledger: Ledger, database: Database, credits_: int, /, **more: Any) -> Booking:
    given = {"organization_id": "org_1", "amount": credits_ * CREDIT, "reason": "a gift", "actor_id": "mem_1"}
    async with database.write() as conn:
        return await ledger.adjust(conn, **{**given, **more})


async def balance(ledger: Ledger, database: Database, organization_id: str = "org_1") -> Balance:
    async with database.read() as conn:
        return await ledger.balance(conn, organization_id)


async def lines(ledger: Ledger, database: Database, organization_id: str = "org_1") -> list[Transfer]:
    async with database.read() as conn:
        return await ledger.transfers(conn, organization_id, since=0, until=FAR_US)


async def assert_agrees(ledger: Ledger, database: Database) -> None:
    async with database.read() as conn:
        trial = await ledger.trial_balance(conn)
    assert trial.agrees, trial


# --- Accounts ---------------------------------------------------------------------------------------------------


async def test_an_account_is_opened_with_a_hundred_free_credits_once(
    database: Database, ledger: Ledger, clock: FakeClock
) -> None:
    async with database.write() as conn:
        await add_organization(conn, "org_1")
        account_id = await ledger.open_account(conn, "org_1", actor_id="mem_1")
        assert await ledger.open_account(conn, "org_1", actor_id="mem_2") == account_id
    assert await balance(ledger, database) == Balance(
        account_id=account_id,
        organization_id="org_1",
        available=FREE_CREDITS,
        held=0,
        spent=0,
        paid_in=FREE_CREDITS,
    )
    [gift] = await lines(ledger, database)
    assert (gift.kind, gift.change, gift.debit_account, gift.created_by) == ("grant", FREE_CREDITS, GRANTED, "mem_1")
    await assert_agrees(ledger, database)


async def test_every_organization_gets_the_account_it_lacks(database: Database, ledger: Ledger) -> None:
    async with database.write() as conn:
        assert await ledger.ensure_accounts(conn) == 0
        for organization_id in ("org_old", "org_new"):
            await add_organization(conn, organization_id)
        before = await ledger.open_account(conn, "org_new", actor_id="mem_1")
        assert await ledger.ensure_accounts(conn) == 1
        assert await ledger.ensure_accounts(conn) == 0
        accounts = await prepaid_accounts(conn)
        assert accounts["org_new"] == before
        assert set(accounts) == {"org_old", "org_new"}
        assert await revenue_account(conn) == REVENUE
    assert (await balance(ledger, database, "org_old")).available == FREE_CREDITS


async def test_processes_that_start_at_once_open_one_account_each(database: Database, ledger: Ledger) -> None:
    async with database.write() as conn:
        for number in range(5):
            await add_organization(conn, f"org_{number}")

    async def start() -> int:
        async with database.write() as conn:
            return await ledger.ensure_accounts(conn)

    assert sorted(await asyncio.gather(start(), start(), start())) == [0, 0, 5]
    async with database.read() as conn:
        assert len(await prepaid_accounts(conn)) == 5
        trial = await ledger.trial_balance(conn)
    assert trial.agrees
    assert next(line for line in trial.accounts if line.account_id == GRANTED).balance == -5 * FREE_CREDITS


async def test_opening_an_account_is_a_change_of_the_snapshot_and_paying_is_none(
    database: Database, ledger: Ledger
) -> None:
    async with database.write() as conn:
        await add_organization(conn, "org_1")
        before = await revision.current(conn)
        await ledger.open_account(conn, "org_1", actor_id="mem_1")
        after = await revision.current(conn)
        assert after > before
    await paid(ledger, database, 5, "pay_1")
    async with database.read() as conn:
        assert await revision.current(conn) == after


async def test_an_organization_that_is_not_there_has_no_account(database: Database, ledger: Ledger) -> None:
    async with database.write() as conn:
        for attempt in (
            lambda: ledger.open_account(conn, "org_9", actor_id="mem_1"),
            lambda: ledger.balance(conn, "org_9"),
            lambda: ledger.statement(conn, "org_9", since=0, until=1),
            lambda: ledger.transfers(conn, "org_9", since=0, until=1),
            lambda: ledger.top_up(conn, organization_id="org_9", amount=1, reference="p", actor_id="m"),
            lambda: ledger.adjust(conn, organization_id="org_9", amount=1, reason="r", actor_id="m"),
        ):
            with pytest.raises(NotFoundError):
                await attempt()
        assert await prepaid_accounts(conn) == {}


# --- What comes in ----------------------------------------------------------------------------------------------


async def test_a_payment_is_booked_once_whatever_is_sent_again(opened: Database, ledger: Ledger) -> None:
    first = await paid(ledger, opened, 500, "pay_1", note="invoice 7")
    again = await paid(ledger, opened, 500, "pay_1", note="invoice 7")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.transfer == first.transfer
    assert (first.transfer.debit_account, first.transfer.reference) == (RECEIVED, "pay_1")
    found = await balance(ledger, opened)
    assert (found.available, found.paid_in) == (600 * CREDIT, 600 * CREDIT)
    await assert_agrees(ledger, opened)


async def test_the_same_reference_with_other_content_is_refused(
    opened: Database, ledger: Ledger, subtests: pytest.Subtests
) -> None:
    await paid(ledger, opened, 500, "pay_1")
    for change in ({"amount": 501}, {"organization_id": "org_2"}, {"note": "other"}):
        with subtests.test(change=change):
            with pytest.raises(ConflictError) as refused:
                await paid(ledger, opened, 500, "pay_1", **change)
            assert refused.value.code == "reference_taken"
            assert (await balance(ledger, opened)).paid_in == 600 * CREDIT
            assert (await balance(ledger, opened, "org_2")).paid_in == FREE_CREDITS


async def test_a_payment_told_ten_times_at_once_is_booked_once(opened: Database, ledger: Ledger) -> None:
    told = await asyncio.gather(*[paid(ledger, opened, 50, "pay_1") for _ in range(10)])
    assert sorted(booking.repeated for booking in told) == [False] + [True] * 9
    assert len({booking.transfer.id for booking in told}) == 1
    assert (await balance(ledger, opened)).paid_in == 150 * CREDIT


async def test_one_reference_for_two_organizations_at_once_is_booked_for_one(opened: Database, ledger: Ledger) -> None:
    told = await asyncio.gather(
        *[paid(ledger, opened, 50, "pay_1", organization_id=f"org_{number}") for number in (1, 2)],
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in told) == ["Booking", "ConflictError"]
    both = [await balance(ledger, opened, organization_id) for organization_id in ("org_1", "org_2")]
    assert sum(found.paid_in for found in both) == 250 * CREDIT
    await assert_agrees(ledger, opened)


async def test_an_adjustment_goes_both_ways_and_never_below_what_is_there(opened: Database, ledger: Ledger) -> None:
    await adjusted(ledger, opened, 25, reason="sorry for the outage")
    taken = await adjusted(ledger, opened, -100, reason="booked to the wrong organization")
    assert (taken.transfer.change, taken.transfer.credit_account) == (-100 * CREDIT, ADJUSTMENTS)
    assert (await balance(ledger, opened)).available == 25 * CREDIT
    with pytest.raises(ConflictError) as refused:
        await adjusted(ledger, opened, -26)
    assert refused.value.code == "not_enough_credits"
    await adjusted(ledger, opened, -25)
    assert (await balance(ledger, opened)).available == 0
    await assert_agrees(ledger, opened)


async def test_of_twenty_adjustments_at_once_those_that_there_is_room_for_are_made(
    opened: Database, ledger: Ledger
) -> None:
    told = await asyncio.gather(*[adjusted(ledger, opened, -10) for _ in range(20)], return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in told) == ["Booking"] * 10 + ["ConflictError"] * 10
    assert (await balance(ledger, opened)).available == 0
    await assert_agrees(ledger, opened)


async def test_an_adjustment_with_a_reference_is_booked_once_too(opened: Database, ledger: Ledger) -> None:
    first = await adjusted(ledger, opened, -10, reference="case-4711")
    again = await adjusted(ledger, opened, -10, reference="case-4711")
    assert again == Booking(transfer=first.transfer, repeated=True)
    with pytest.raises(ConflictError):
        await paid(ledger, opened, 10, "case-4711")
    assert (await balance(ledger, opened)).available == 90 * CREDIT


async def test_an_account_holds_what_64_bits_hold_and_not_one_more(opened: Database, ledger: Ledger) -> None:
    room = MAX_PICO - FREE_CREDITS
    with pytest.raises(ConflictError) as refused:
        await paid(ledger, opened, 1, "pay_1", amount=room + 1)
    assert refused.value.code == "account_full"
    await paid(ledger, opened, 1, "pay_1", amount=room)
    assert (await balance(ledger, opened)).available == MAX_PICO
    with pytest.raises(ConflictError):
        await adjusted(ledger, opened, 1, amount=1)
    await paid(ledger, opened, 1, "pay_2", amount=room, organization_id="org_2")
    # What the platform received is now more than 63 bits, and still adds up.
    async with opened.read() as conn:
        trial = await ledger.trial_balance(conn)
    assert trial.agrees
    assert next(line for line in trial.accounts if line.account_id == RECEIVED).debits == 2 * room > MAX_PICO


async def test_a_top_up_that_is_not_valid_is_refused_by_name(
    opened: Database, ledger: Ledger, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("credits", {"amount": 0}),
        ("credits", {"amount": -1}),
        ("credits", {"amount": 2**63}),
        ("reference", {"reference": ""}),
        ("reference", {"reference": "a b"}),
        ("reference", {"reference": "pay\n1"}),
        ("reference", {"reference": "ä"}),
        ("reference", {"reference": "x" * 201}),
        ("note", {"note": "two\nlines"}),
        ("note", {"note": "x" * 501}),
        ("note", {"note": "\x00"}),
    )
    for param, change in cases:
        with subtests.test(change=change):
            with pytest.raises(InvalidRequestError) as refused:
                await paid(ledger, opened, 5, "pay_1", **change)
            assert refused.value.param == param
            assert (await balance(ledger, opened)).paid_in == FREE_CREDITS


async def test_an_adjustment_that_is_not_valid_is_refused_by_name(
    opened: Database, ledger: Ledger, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("credits", {"amount": 0}),
        ("credits", {"amount": 2**63}),
        ("credits", {"amount": -(2**63)}),
        ("reason", {"reason": ""}),
        ("reason", {"reason": "  "}),
        ("reason", {"reason": "two\nlines"}),
        ("reference", {"reference": ""}),
    )
    for param, change in cases:
        with subtests.test(change=change):
            with pytest.raises(InvalidRequestError) as refused:
                await adjusted(ledger, opened, 5, **change)
            assert refused.value.param == param
            assert (await balance(ledger, opened)).paid_in == FREE_CREDITS


async def test_what_fails_later_in_the_transaction_books_nothing(opened: Database, ledger: Ledger) -> None:
    async def fail() -> None:
        async with opened.write() as conn:
            await ledger.top_up(conn, organization_id="org_1", amount=CREDIT, reference="pay_1", actor_id="mem_1")
            raise CallerError("Something else was wrong.")

    with pytest.raises(CallerError):
        await fail()
    assert (await balance(ledger, opened)).paid_in == FREE_CREDITS
    assert not (await paid(ledger, opened, 1, "pay_1")).repeated


# --- What the books say -----------------------------------------------------------------------------------------


async def test_a_statement_closes_with_what_it_opened_with_and_its_lines(
    opened: Database, ledger: Ledger, clock: FakeClock
) -> None:
    for day in range(1, 8):
        clock.advance(86_400)
        await paid(ledger, opened, day, f"pay_{day}")
        if day % 2:
            await adjusted(ledger, opened, -day)
    since, until = START_US + 3 * DAY_US, START_US + 6 * DAY_US
    async with opened.read() as conn:
        found = await ledger.statement(conn, "org_1", since=since, until=until)
        between = await ledger.transfers(conn, "org_1", since=since, until=until)
        everything = await ledger.statement(conn, "org_1", since=0, until=FAR_US)
        after = await ledger.statement(conn, "org_1", since=until, until=FAR_US)
    assert found.opening == (100 + 2) * CREDIT
    assert (found.granted, found.topped_up, found.adjusted, found.charged) == (0, 12 * CREDIT, -8 * CREDIT, 0)
    assert found.closing == found.opening + sum(line.change for line in between) == after.opening
    assert [line.posted_at for line in between] == sorted(line.posted_at or 0 for line in between)
    assert (everything.opening, everything.granted) == (0, FREE_CREDITS)
    assert everything.closing == (await balance(ledger, opened)).available


async def test_lines_come_in_pages_that_lose_and_repeat_none(opened: Database, ledger: Ledger) -> None:
    for number in range(7):
        await paid(ledger, opened, 1, f"pay_{number}")  # all in one instant
    pages: list[Transfer] = []
    after: tuple[int, str] | None = None
    async with opened.read() as conn:
        while page := await ledger.transfers(conn, "org_1", since=0, until=FAR_US, after=after, limit=3):
            assert len(page) <= 3
            pages += page
            assert page[-1].posted_at is not None
            after = (page[-1].posted_at, page[-1].id)
    assert pages == await lines(ledger, opened)
    assert len(pages) == 8


async def test_a_span_that_is_empty_has_no_statement(opened: Database, ledger: Ledger) -> None:
    async with opened.read() as conn:
        with pytest.raises(InvalidRequestError):
            await ledger.statement(conn, "org_1", since=5, until=5)


async def test_an_organization_sees_its_own_lines_alone(opened: Database, ledger: Ledger) -> None:
    await paid(ledger, opened, 5, "pay_1")
    assert [line.kind for line in await lines(ledger, opened, "org_2")] == ["grant"]
    assert {line.organization_id for line in await lines(ledger, opened)} == {"org_1"}


@pytest.mark.parametrize(
    "tampered",
    [
        pytest.param(lambda: update(counters).values(ceiling=counters.c.ceiling + 1), id="paid_in"),
        pytest.param(lambda: update(counters).values(spent=counters.c.spent + 1), id="spent"),
        pytest.param(lambda: update(counters).values(held=counters.c.held + 1), id="held"),
        pytest.param(lambda: update(ledger_transfers).values(amount=ledger_transfers.c.amount + 1), id="amount"),
        pytest.param(lambda: update(ledger_transfers).values(credit_account="acc_nobody"), id="account"),
    ],
)
async def test_the_trial_balance_sees_what_was_tampered_with(
    opened: Database, ledger: Ledger, tampered: Callable[[], Any]
) -> None:
    await assert_agrees(ledger, opened)
    async with opened.write() as conn:
        await conn.execute(tampered())
    async with opened.read() as conn:
        trial = await ledger.trial_balance(conn)
    assert not trial.agrees
    assert {found.account_id for found in trial.disagreements} == set((await accounts(opened)).values())


async def accounts(database: Database) -> dict[str, str]:
    async with database.read() as conn:
        return await prepaid_accounts(conn)
