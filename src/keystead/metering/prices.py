"""The price snapshot on disk, and organizations' own prices in the database. Owns `price_overrides`.

Every method takes the connection first: the caller owns the transaction, writes its audit event in it, and touches
the snapshot's revision.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import msgspec
from sqlalchemy import insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.ids import new_id
from keystead.metering.price_book import Override, PriceBook
from keystead.metering.price_list import Catalogue, PriceList
from keystead.metering.units import UNITS
from keystead.storage.lists import page
from keystead.storage.schema import price_overrides

MAX_PRICES: Final = 64
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,18})?")
_NOTE: Final = re.compile(r"[^\x00-\x1f\x7f]{0,500}")
_PROVIDER: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,200}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_TIER: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


def load_snapshot() -> PriceBook:
    """Return a price book of the vendored list prices, without overrides."""
    text = (files("keystead.metering") / "data" / "prices.json").read_bytes()
    return PriceBook(Catalogue(msgspec.json.decode(text, type=PriceList)))


async def overrides(conn: AsyncConnection) -> list[Override]:
    """Return every organization's overrides, past and future ones included."""
    found = await conn.execute(select(price_overrides).order_by(price_overrides.c.id))
    return [_override(row) for row in found.mappings()]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What an override says."""

    provider: str
    """A provider's name."""
    model: str
    """Shell-style pattern of model names, matched without case."""
    prices: Mapping[str, str]
    """Unit, or `tier.unit` → price of one unit as plain decimal text (0.000002 for 2 per million)."""
    currency: str = "USD"
    """ISO 4217 code."""
    valid_from: int | None = None
    """Unix microseconds; None: now."""
    valid_to: int | None = None
    """Unix microseconds; None: open."""
    note: str = ""
    """For people, such as the contract's number."""


class Overrides:
    """Adds, lists and ends an organization's own prices.

    An override is never changed: it is ended, and another one begins. Neither reaches back: what has been booked was
    booked at the prices of its time. `allow_past` lifts that for contracts that are entered late; it changes what
    attempts without a settled cost get from then on, and nothing that is already booked.
    """

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def add(
        self, conn: AsyncConnection, *, organization_id: str, actor_id: str, terms: Terms, allow_past: bool = False
    ) -> Override:
        """Add an override of the organization, entered by the member `actor_id`.

        Args:
            conn: in the caller's transaction.
            organization_id: whose price it is.
            actor_id: the member who enters it.
            terms: what it says.
            allow_past: whether it may begin in the past.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
        """
        now = self._clock.now_us()
        _check_texts(terms)
        valid_from, valid_to = _span(terms, now, allow_past=allow_past)
        override = Override(
            id=new_id("price", now),
            organization_id=organization_id,
            provider=terms.provider,
            model=terms.model,
            currency=terms.currency,
            prices=_checked(terms.prices),
            valid_from=valid_from,
            valid_to=valid_to,
            note=terms.note,
            created_at=now,
            created_by=actor_id,
        )
        values = msgspec.structs.asdict(override) | {"prices": msgspec.json.encode(override.prices).decode()}
        await conn.execute(insert(price_overrides).values(values))
        return override

    async def list(
        self,
        conn: AsyncConnection,
        organization_id: str,
        *,
        before: str | None = None,
        limit: int = 50,
        in_force_only: bool = False,
    ) -> list[Override]:
        """Return up to `limit` overrides, newest first; `before` is the last id of the page before."""
        table, now = price_overrides.c, self._clock.now_us()
        in_force = table.valid_from <= now, or_(table.valid_to.is_(None), table.valid_to > now)
        narrowed = in_force if in_force_only else ()
        rows = await page(conn, price_overrides, organization_id, *narrowed, before=before, limit=limit)
        return [_override(row) for row in rows]

    async def get(self, conn: AsyncConnection, organization_id: str, override_id: str) -> Override:
        """Return an override.

        Raises:
            NotFoundError: the organization has none of that id.
        """
        table = price_overrides.c
        query = select(price_overrides).where(table.organization_id == organization_id, table.id == override_id)
        row = (await conn.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFoundError("There is no such price override.")
        return _override(row)

    async def end(
        self, conn: AsyncConnection, *, organization_id: str, override_id: str, valid_to: int | None = None
    ) -> Override:
        """End an override at `valid_to` (now, if None); one that has not begun yet never will.

        Raises:
            NotFoundError: the organization has none of that id.
            ConflictError: it has ended already.
            InvalidRequestError: `valid_to` lies in the past.
        """
        now = self._clock.now_us()
        override = await self.get(conn, organization_id, override_id)
        if override.valid_to is not None and override.valid_to <= now:
            raise ConflictError("This price has ended already.", next_step="Add a new one if another is to apply.")
        ends = now if valid_to is None else valid_to
        if ends < now:
            raise InvalidRequestError("A price cannot end in the past.", param="valid_to")
        ends = max(ends, override.valid_from)
        await conn.execute(
            update(price_overrides)
            .where(price_overrides.c.organization_id == organization_id, price_overrides.c.id == override_id)
            .values(valid_to=ends)
        )
        return msgspec.structs.replace(override, valid_to=ends)


def _span(terms: Terms, now: int, *, allow_past: bool) -> tuple[int, int | None]:
    begins = now if terms.valid_from is None else terms.valid_from
    if begins < now and not allow_past:
        raise InvalidRequestError(
            "A price cannot begin in the past.",
            param="valid_from",
            next_step="Leave valid_from out to begin now, or say explicitly that it may begin in the past.",
        )
    if terms.valid_to is not None and terms.valid_to <= begins:
        raise InvalidRequestError("A price must end after it begins.", param="valid_to")
    return begins, terms.valid_to


def _check_texts(terms: Terms) -> None:
    _check("provider", terms.provider, _PROVIDER, "Give a provider's name, such as openai.")
    _check("model", terms.model, _PATTERN, "Give a model's name or a pattern such as gpt-5*, in printable ASCII.")
    _check("currency", terms.currency, _CURRENCY, "Give an ISO 4217 code such as USD.")
    _check("note", terms.note, _NOTE, "Write at most 500 characters on one line.")


def _checked(prices: Mapping[str, str]) -> dict[str, str]:
    if not 0 < len(prices) <= MAX_PRICES:
        raise InvalidRequestError(f"Give 1 to {MAX_PRICES} prices.", param="prices")
    for name, text in prices.items():
        tier, _, unit = name.rpartition(".")
        if unit not in UNITS or (tier and not _TIER.fullmatch(tier)):
            raise InvalidRequestError(
                f"There is no unit {name[:64]!r}.", param="prices", next_step=f"Use one of {', '.join(sorted(UNITS))}."
            )
        if not _DECIMAL.fullmatch(text):
            raise InvalidRequestError(
                f"{text[:64]!r} is not a price.",
                param=f"prices.{name}",
                next_step="Write the price of one unit as plain decimal text, such as 0.000002.",
            )
    return dict(sorted(prices.items()))


def _check(param: str, text: str, shape: re.Pattern[str], next_step: str) -> None:
    if not shape.fullmatch(text):
        raise InvalidRequestError(f"{text[:64]!r} is not a valid {param}.", param=param, next_step=next_step)


def _override(row: RowMapping) -> Override:
    return Override(**{**row, "prices": msgspec.json.decode(row["prices"], type=dict[str, str])})
