"""Credits: what an organization has and had, and, for the operator, what is paid in and put right."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.clock import HOUR_US
from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import USD, to_text
from keystead.identity.audit import record_event
from keystead.ledger.credits import parse_credits
from keystead.ledger.views import Booking
from keystead.web.admin import credit_shapes as shapes
from keystead.web.admin.credit_shapes import transfer_shown, trial_balance_shown
from keystead.web.admin.route import Act, Call, Route, act
from keystead.web.admin.values import Nothing, Page, decode_cursor, encode_cursor, instant, reported_span

_MONTH_US: Final = 30 * 24 * HOUR_US


async def show(call: Call[Nothing, Nothing]) -> shapes.BalanceShown:
    """Return what your organization's account holds."""
    async with call.rooms.database.read() as conn:
        return await _balance(call, conn, call.who.organization_id)


async def statement(call: Call[shapes.SpanQuery, Nothing]) -> shapes.StatementShown:
    """Return the sums of a span."""
    since, until = _span(call, call.query.since, call.query.until)
    async with call.rooms.database.read() as conn:
        found = await call.rooms.ledger.statement(conn, call.who.organization_id, since=since, until=until)
    return shapes.StatementShown(
        since=instant(since),
        until=instant(until),
        opening=to_text(found.opening),
        granted=to_text(found.granted),
        topped_up=to_text(found.topped_up),
        adjusted=to_text(found.adjusted),
        charged=to_text(found.charged),
        closing=to_text(found.closing),
    )


async def transfers(call: Call[shapes.TransfersQuery, Nothing]) -> Page[shapes.TransferShown]:
    """Return a page of the lines of a span, oldest first."""
    query = call.query
    since, until = _span(call, query.since, query.until)
    async with call.rooms.database.read() as conn:
        found = await call.rooms.ledger.transfers(
            conn,
            call.who.organization_id,
            since=since,
            until=until,
            after=_position(query.cursor),
            limit=query.limit + 1,
        )
    shown = found[: query.limit]
    more = encode_cursor(f"{shown[-1].posted_at} {shown[-1].id}") if len(found) > query.limit else None
    return Page(items=tuple(transfer_shown(line) for line in shown), next_cursor=more)


async def top_up(call: Call[Nothing, shapes.TopUp]) -> shapes.Booked:
    """Book a payment."""
    body = call.body
    amount = parse_credits(body.credits, param="credits")
    async with act(call) as change:
        booking = await call.rooms.ledger.top_up(
            change.conn,
            organization_id=body.organization or call.who.organization_id,
            amount=amount,
            reference=body.reference,
            note=body.note,
            actor_id=call.who.member_id,
        )
        return await _booked(call, change, "credits.topped_up", booking)


async def adjust(call: Call[Nothing, shapes.Adjustment]) -> shapes.Booked:
    """Put an account right."""
    body = call.body
    amount = parse_credits(body.credits, param="credits", signed=True)
    async with act(call) as change:
        booking = await call.rooms.ledger.adjust(
            change.conn,
            organization_id=body.organization or call.who.organization_id,
            amount=amount,
            reason=body.reason,
            reference=body.reference,
            actor_id=call.who.member_id,
        )
        return await _booked(call, change, "credits.adjusted", booking)


async def trial_balance(call: Call[Nothing, Nothing]) -> shapes.TrialBalanceShown:
    """Add up every account of the platform."""
    async with call.rooms.database.read() as conn:
        return trial_balance_shown(await call.rooms.ledger.trial_balance(conn))


async def _balance(call: Call[Any, Any], conn: AsyncConnection, organization_id: str) -> shapes.BalanceShown:
    balance = await call.rooms.ledger.balance(conn, organization_id)
    return shapes.BalanceShown(
        organization_id=organization_id,
        available=to_text(balance.available),
        held=to_text(balance.held),
        spent=to_text(balance.spent),
        paid_in=to_text(balance.paid_in),
        credit_value=to_text(call.rooms.credit_value_pico),
        currency=USD,
    )


async def _booked(call: Call[Any, Any], change: Act, action: str, booking: Booking) -> shapes.Booked:
    """Write the event into the operator's log, and into the organization's what was done to it; show the booking."""
    transfer = booking.transfer
    details = {"credits": to_text(transfer.change), "reference": transfer.reference, "note": transfer.note}
    await change.record(
        action,
        object_kind="transfer",
        object_id=transfer.id,
        organization=transfer.organization_id,
        repeated=booking.repeated,
        **details,
    )
    if transfer.organization_id != call.who.organization_id and not booking.repeated:
        await record_event(
            change.conn,
            organization_id=transfer.organization_id,
            at=call.rooms.clock.now_us(),
            actor_kind="system",
            actor_id="operator",
            action=action,
            object_kind="transfer",
            object_id=transfer.id,
            details=details,
        )
    balance = await _balance(call, change.conn, transfer.organization_id)
    return shapes.Booked(transfer=transfer_shown(transfer), repeated=booking.repeated, balance=balance)


def _span(call: Call[Any, Any], since: datetime | None, until: datetime | None) -> tuple[int, int]:
    return reported_span(since, until, now_us=call.rooms.clock.now_us(), usual_us=_MONTH_US)


def _position(cursor: str | None) -> tuple[int, str] | None:
    position = decode_cursor(cursor)
    if position is None:
        return None
    at, _, identifier = position.partition(" ")
    if not (at.isascii() and at.isdigit() and len(at) < 19 and identifier):
        raise InvalidRequestError(
            "This is not a cursor of ours.",
            code="invalid_cursor",
            param="cursor",
            next_step="Take `next_cursor` from the page before, unchanged, or leave it out to begin anew.",
        )
    return int(at), identifier


ROUTES: Final = (
    Route(
        method="GET",
        path="/credits",
        permission=Permission.CREDITS_READ,
        handler=show,
        summary="The credits of your organization: available, held, spent, paid in.",
        answer=shapes.BalanceShown,
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/credit-statement",
        permission=Permission.CREDITS_READ,
        handler=statement,
        summary="Opening balance, sums and closing balance of a span.",
        query=shapes.SpanQuery,
        answer=shapes.StatementShown,
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/credit-transfers",
        permission=Permission.CREDITS_READ,
        handler=transfers,
        summary="The lines of a statement, oldest first.",
        query=shapes.TransfersQuery,
        answer=Page[shapes.TransferShown],
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/credit-top-ups",
        permission=Permission.PLATFORM_CREDITS,
        handler=top_up,
        sees="installation",
        summary="Book a payment to an organization's credits, once by its reference.",
        body=shapes.TopUp,
        answer=shapes.Booked,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/credit-adjustments",
        permission=Permission.PLATFORM_CREDITS,
        handler=adjust,
        sees="installation",
        summary="Put an organization's credits right, with a reason.",
        body=shapes.Adjustment,
        answer=shapes.Booked,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/trial-balance",
        permission=Permission.PLATFORM_CREDITS,
        handler=trial_balance,
        sees="installation",
        summary="Every account of the platform, whose balances add up to zero.",
        answer=shapes.TrialBalanceShown,
    ),
)
