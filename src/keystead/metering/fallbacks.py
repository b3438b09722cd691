"""Fallbacks to platform credentials, as the record has them: those that were made, and those that were refused.

Reads requests and attempts. A fallback is an attempt that was made by a consent. What it followed is the last attempt
of its request on another credential than the platform's; there is none where that credential was passed over because
its breaker was open, and then the record's decision says which one it would have been.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import to_text
from keystead.domain.traffic import CostState, Owner, State
from keystead.metering.usage_rows import json_value
from keystead.storage.schema import attempts, credentials, requests, teams
from keystead.storage.sums import exact_sum, whole

MAX_LINES: Final = 1_000
"""Lines of one kind; more are not for reading, and the caller is asked for a shorter span."""

OWN_KEY_ONLY: Final = "own_key_only"
"""Why a fallback was refused: the request's data class stays on own keys."""
_NO_CONSENT: Final = "no_consent"
_REFUSALS: Final = (_NO_CONSENT, "consent_cap_reached", "out_of_credits")

_failed = attempts.alias("failed")
_earlier = attempts.alias("earlier")
_own = credentials.alias("own")
_platform = credentials.alias("platform")


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Whose fallbacks, and when. Instants are Unix microseconds."""

    organization_id: str
    from_at: int
    to_at: int
    team_ids: frozenset[str] | None = None
    """Of these teams, or (None) of all."""


class FallbackLine(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts on a platform credential in place of an own one, of one team, cause, consent and model."""

    team_id: str
    team: str
    credential_id: str
    """The own credential that could not serve; empty if its breaker was open, so that it was not asked."""
    credential: str
    error_class: str
    """What went wrong with it; empty if it was not asked."""
    reason: str
    """Why an attempt followed: `throttled`, `down`, `out_of_funds`."""
    consent_id: str
    platform_credential: str
    model: str
    requests: int
    attempts: int
    cost: str
    """What is known of it. The attempts counted in `unknown` are not in it."""
    currency: str
    charge: str
    """Credits."""
    unknown: int
    """Attempts without a known cost."""


class RefusedLine(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that failed on own credentials and were not helped out by the platform's."""

    team_id: str
    team: str
    credential_id: str
    credential: str
    error_class: str
    why: str
    """`own_key_only`, `no_consent`, `consent_cap_reached` or `out_of_credits`."""
    consent_id: str
    """Whose cap was reached; else empty."""
    cap: str
    """Which one: `day` or `month`; else empty."""
    data_class: str
    requests: int


async def fallbacks(conn: AsyncConnection, span: Span) -> tuple[FallbackLine, ...]:
    """Return the fallbacks of requests that began in the span, the dearest first.

    Raises:
        InvalidRequestError: there are too many lines.
    """
    inner = _fallbacks(span).subquery()
    keys = [column for column in inner.c if column.name not in {"request_id", "cost_pico", "charge_pico", "is_unknown"}]
    query = select(
        *keys,
        func.count(inner.c.request_id.distinct()).label("requests"),
        func.count().label("attempts"),
        *_halves(inner.c.cost_pico, "cost"),
        *_halves(inner.c.charge_pico, "charge"),
        func.sum(inner.c.is_unknown).label("unknown"),
    ).group_by(*keys)
    rows = await _rows(conn, query)
    lines = [(whole(row["charge_q"], row["charge_r"]), _fallback_line(row)) for row in rows]
    return tuple(line for _, line in sorted(lines, key=lambda entry: (-entry[0], entry[1].team, entry[1].credential)))


async def refused_fallbacks(
    conn: AsyncConnection, span: Span, *, own_key_only: Collection[str], error_classes: Collection[str]
) -> tuple[RefusedLine, ...]:
    """Return the fallbacks that were refused to requests that began in the span, the most first.

    Args:
        conn: to read with.
        span: whose, and when.
        own_key_only: the data classes that stay on own keys.
        error_classes: the failures that somebody could consent to. A request of such a class that failed so was not
            helped out because of its class alone.

    Raises:
        InvalidRequestError: there are too many lines.
    """
    columns = requests.c
    because_of_class = and_(
        columns.data_class.in_(own_key_only),
        columns.error_class.in_(error_classes),
        columns.error_code.is_(None),
        columns.state != State.SETTLED.value,
    )
    refused = and_(
        columns.error_code.in_(_REFUSALS),
        columns.attempts > 0,
        # After a refused key nobody could have consented, and a consent that is not there is none that lacks.
        or_(columns.error_code != _NO_CONSENT, columns.error_class.in_(error_classes)),
    )
    inner = (
        select(
            columns.id,
            columns.team_id,
            teams.c.name.label("team"),
            _failed.c.credential_id,
            _own.c.name.label("credential"),
            func.coalesce(columns.error_class, "").label("error_class"),
            func.coalesce(columns.error_code, literal(OWN_KEY_ONLY)).label("why"),
            func.coalesce(columns.refused_by, "").label("refused_by"),
            func.coalesce(columns.data_class, "").label("data_class"),
        )
        .join(
            _failed,
            and_(
                _failed.c.request_id == columns.id,
                _failed.c.request_started_at == columns.started_at,
                _failed.c.number == columns.attempts,
                _failed.c.owner != Owner.PLATFORM.value,
            ),
        )
        .outerjoin(teams, teams.c.id == columns.team_id)
        .outerjoin(_own, _own.c.id == _failed.c.credential_id)
        .where(*_within(span), columns.fault.is_not(None), or_(refused, because_of_class))
        .subquery()
    )
    keys = [column for column in inner.c if column.name != "id"]
    rows = await _rows(conn, select(*keys, func.count().label("requests")).group_by(*keys))
    return tuple(sorted(map(_refused_line, rows), key=lambda line: (-line.requests, line.team, line.credential)))


def _fallbacks(span: Span) -> Select[Any]:
    """Return one row for each attempt that was made by a consent, and what it followed."""
    same_request = (
        _earlier.c.request_id == attempts.c.request_id,
        _earlier.c.request_started_at == attempts.c.request_started_at,
    )
    followed = (
        select(func.max(_earlier.c.number))
        .where(*same_request, _earlier.c.number < attempts.c.number, _earlier.c.owner != Owner.PLATFORM.value)
        .correlate(attempts)
        .scalar_subquery()
    )
    not_known = attempts.c.cost_state.in_([CostState.UNKNOWN.value, CostState.UNPRICED.value])
    return (
        select(
            attempts.c.request_id,
            requests.c.team_id,
            teams.c.name.label("team"),
            func.coalesce(_failed.c.credential_id, "").label("credential_id"),
            func.coalesce(_own.c.name, "").label("credential"),
            # Where nothing was asked, the decision names what would have been; else it would only split the sums.
            case((_failed.c.request_id.is_(None), requests.c.decision), else_="").label("decision"),
            func.coalesce(_failed.c.error_class, "").label("error_class"),
            func.coalesce(attempts.c.reason, "").label("reason"),
            attempts.c.consent_id,
            _platform.c.name.label("platform_credential"),
            attempts.c.model_sent.label("model"),
            func.coalesce(attempts.c.currency, "").label("currency"),
            attempts.c.cost_pico,
            attempts.c.charge_pico,
            case((or_(attempts.c.cost_state.is_(None), not_known), 1), else_=0).label("is_unknown"),
        )
        .join(
            requests,
            and_(requests.c.id == attempts.c.request_id, requests.c.started_at == attempts.c.request_started_at),
        )
        .outerjoin(
            _failed,
            and_(
                _failed.c.request_id == attempts.c.request_id,
                _failed.c.request_started_at == attempts.c.request_started_at,
                _failed.c.number == followed,
            ),
        )
        .outerjoin(teams, teams.c.id == requests.c.team_id)
        .outerjoin(_own, _own.c.id == _failed.c.credential_id)
        .outerjoin(_platform, _platform.c.id == attempts.c.credential_id)
        .where(
            *_within(span),
            attempts.c.organization_id == span.organization_id,
            attempts.c.request_started_at >= span.from_at,
            attempts.c.request_started_at < span.to_at,
            attempts.c.consent_id.is_not(None),
        )
    )


def _within(span: Span) -> list[ColumnElement[bool]]:
    columns = requests.c
    of_teams = [] if span.team_ids is None else [columns.team_id.in_(span.team_ids)]
    return [
        columns.organization_id == span.organization_id,
        columns.started_at >= span.from_at,
        columns.started_at < span.to_at,
        *of_teams,
    ]


def _halves(column: ColumnElement[int], name: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    quotients, remainders = exact_sum(column)
    return quotients.label(f"{name}_q"), remainders.label(f"{name}_r")


async def _rows(conn: AsyncConnection, query: Select[Any]) -> list[RowMapping]:
    rows = list((await conn.execute(query.limit(MAX_LINES + 1))).mappings())
    if len(rows) > MAX_LINES:
        raise InvalidRequestError(
            f"The report would have more than {MAX_LINES} lines.",
            code="report_too_long",
            next_step="Ask for a shorter span.",
        )
    return rows


def _fallback_line(row: RowMapping) -> FallbackLine:
    decision = json_value(row["decision"], {})
    return FallbackLine(
        team_id=row["team_id"],
        team=row["team"] or row["team_id"],
        credential_id=row["credential_id"],
        credential=row["credential"] or row["credential_id"] or str(decision.get("credential", "")),
        error_class=row["error_class"],
        reason=row["reason"],
        consent_id=row["consent_id"],
        platform_credential=row["platform_credential"] or "",
        model=row["model"],
        requests=row["requests"],
        attempts=row["attempts"],
        cost=to_text(whole(row["cost_q"], row["cost_r"])),
        currency=row["currency"],
        charge=to_text(whole(row["charge_q"], row["charge_r"])),
        unknown=int(row["unknown"]),
    )


def _refused_line(row: RowMapping) -> RefusedLine:
    reached = row["refused_by"] if row["why"] == "consent_cap_reached" else ""
    consent_id, _, cap = reached.partition(":")
    return RefusedLine(
        team_id=row["team_id"],
        team=row["team"] or row["team_id"],
        credential_id=row["credential_id"],
        credential=row["credential"] or row["credential_id"],
        error_class=row["error_class"],
        why=row["why"],
        consent_id=consent_id,
        cap=cap,
        data_class=row["data_class"],
        requests=row["requests"],
    )
