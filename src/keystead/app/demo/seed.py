"""Makes the demonstration: its organization in one transaction, then its past, batch by batch."""

from collections.abc import Callable
from decimal import Decimal
from random import Random  # noqa: TID251 - a made-up past must be the same for the same seed; nothing of it is secret
from typing import Final

import msgspec
from sqlalchemy import select

from keystead.app.demo import plan
from keystead.app.demo.calendar import Calendar
from keystead.app.demo.organization import Founding, Made
from keystead.app.demo.traffic import Traffic
from keystead.app.first_start import prepare
from keystead.domain.clock import DAY_US, Clock
from keystead.domain.errors import ConflictError, InvalidRequestError
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.money import PICO_PER_UNIT, to_pico
from keystead.domain.records import Settlement
from keystead.domain.secret import Secret
from keystead.identity.sign_in import SignIn
from keystead.limits.store import Budgets, standing
from keystead.metering.days import gather
from keystead.metering.prices import load_snapshot
from keystead.settings import Settings
from keystead.storage import revision
from keystead.storage.bulk import insert_ended
from keystead.storage.database import Database
from keystead.storage.engine import open_database
from keystead.storage.schema import organizations
from keystead.vault.credentials import Credentials
from keystead.vault.kek.local import LocalKek
from keystead.vault.keyring import Keyring

MONTH_US: Final = 30 * DAY_US
_BATCH: Final = 2_000
"""Requests of one transaction: few enough that a gateway beside it waits for no more than a moment."""

Progress = Callable[[int], None]
"""Told how many requests are written."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the demonstration is to be like."""

    name: str = plan.NAME
    requests: int = 50_000
    months: int = 3
    seed: int = 1
    until: int | None = None
    """Any instant of the last UTC day of its past; None: today."""


class Seeded(msgspec.Struct, frozen=True, kw_only=True):
    """What was made; its two secrets exist here alone."""

    organization_id: str
    name: str
    requests: int
    admin_token: Secret
    console_link: Secret
    """The last part of the address at which the owner chooses a password."""


async def seed(settings: Settings, clock: Clock, wish: Wish, progress: Progress) -> Seeded:
    """Make the demonstration's organization with its past.

    The past is of whole days, up to the end of its last one, and is cut off at the present: the same seed and last day
    give the same requests at whichever hour it is made, and one made later in the day has some more at its end.

    Whatever it writes is whole: who stops it has an organization with a shorter past.

    Raises:
        InvalidRequestError: its last day is still to come.
        ConflictError: there is an organization of that name.
        KeysteadError: the database or the root key cannot be used.
    """
    await prepare(settings, clock)
    database = await open_database(
        database_url=settings.database_url, home=settings.home, clock=clock, synchronous=settings.sqlite_synchronous
    )
    try:
        return await _seed(settings, clock, wish, progress, database)
    finally:
        await database.close()


async def _seed(settings: Settings, clock: Clock, wish: Wish, progress: Progress, database: Database) -> Seeded:
    now = clock.now_us()
    last = now if wish.until is None else wish.until
    until = last - last % DAY_US + DAY_US
    if until - DAY_US > now:
        raise InvalidRequestError("A past ends today or earlier.", param="until")
    begins_at = until - wish.months * MONTH_US
    # Not a secret's randomness: the same seed is to make the same past.
    random = Random(wish.seed)  # noqa: S311
    await _refuse_twice(database, wish.name)
    keyring = Keyring(database, LocalKek.load(settings.kek_file), clock)
    organization_id = OrganizationId(new_id("org", begins_at))
    await keyring.ensure(organization_id)
    pepper = await keyring.pepper()
    paid_pico = _payment(wish)
    calendar = Calendar(begins_at)
    async with database.write() as conn:
        founding = Founding(
            conn,
            calendar=calendar,
            credentials=Credentials(keyring, calendar),
            until=until,
            now=now,
            random=random,
        )
        made = await founding.found(organization_id, wish.name, pepper=pepper)
        await founding.later(made.cast, top_ups=wish.months, credits_pico=paid_pico)
        link = await SignIn(clock).link(conn, made.owner, organization_id, actor_id=made.owner.id)
        await revision.touch(conn)
    traffic = Traffic(
        made.cast,
        book=load_snapshot(),
        credit_value_pico=to_pico(Decimal(settings.credit_value)),
        credits_pico=paid_pico * wish.months,
        random=random,
        until=until,
        now=now,
    )
    for month in range(wish.months + 1):
        await database.ensure_partitions(begins_at + month * MONTH_US)
    written = await _write(database, traffic, wish.requests, progress)
    await gather(database, now, most=wish.months * 31 + 1)
    await _point_budgets(database, made, calendar, min(now, until))
    return Seeded(
        organization_id=organization_id,
        name=wish.name,
        requests=written,
        admin_token=made.admin_token,
        console_link=link,
    )


async def _refuse_twice(database: Database, name: str) -> None:
    async with database.read() as conn:
        found = await conn.execute(select(organizations.c.id).where(organizations.c.name == name))
        if found.first() is not None:
            raise ConflictError(
                f"There is an organization named {name!r} already, and nothing is added to what may be real.",
                code="name_taken",
                next_step="Give another name with --organization, or take the demonstration away first: "
                "`keystead demo remove`.",
            )


def _payment(wish: Wish) -> int:
    """Return what is paid in each month: enough for the fallbacks of so many requests."""
    wanted = wish.requests // (400 * wish.months) + 1
    return -(-wanted // 100) * 100 * PICO_PER_UNIT


async def _write(database: Database, traffic: Traffic, count: int, progress: Progress) -> int:
    written = 0
    waiting: list[tuple[Settlement, ...]] = []

    async def store() -> None:
        nonlocal written
        async with database.write() as conn:
            await insert_ended(conn, waiting)
        written += len(waiting)
        waiting.clear()
        progress(written)

    for hour in traffic.hours(count):
        for begin in range(0, len(hour), _BATCH):
            waiting += hour[begin : begin + _BATCH]
            if len(waiting) >= _BATCH:
                await store()
    if waiting:
        await store()
    return written


async def _point_budgets(database: Database, made: Made, calendar: Calendar, now: int) -> None:
    """Give the budgets limits that make something of what was spent."""
    calendar.set(now)
    wanted = {name: percent for name, _, _, percent in plan.BUDGETS}
    organization_id = made.cast.organization_id
    async with database.write() as conn:
        for budget in made.cast.budgets:
            spent = (await standing(conn, budget, now, made.cast.time_zone)).spent
            units = max(5, spent * 100 // wanted[budget.name] // PICO_PER_UNIT)
            await Budgets(calendar).change(
                conn, organization_id=organization_id, budget=budget.id, limit_pico=units * PICO_PER_UNIT
            )
        await revision.touch(conn)
