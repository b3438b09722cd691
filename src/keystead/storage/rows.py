"""Records as rows: positional tuples in the order of the columns named here. Pure.

Text that came from a caller or a provider is made storable (no NUL, no lone surrogate, bounded where it is indexed):
what a stranger sends must not be able to make a record unwritable. Text that is absent is empty here, and the
statements turn it into NULL: sqlite3 takes three times as long to bind None as to bind a string.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from keystead.domain.clock import hour_of
from keystead.domain.durations import BUCKETS, bucket_of
from keystead.domain.means import Hold
from keystead.domain.money import MAX_PICO
from keystead.domain.records import AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, Endpoint, State
from keystead.domain.usage import COUNTS, INPUT_COUNTS, Reading, Usage, UsageSource

REQUEST_KEY: Final = ("id", "started_at")
REQUEST_INTENT: Final = RequestIntent.__struct_fields__
REQUEST_END: Final = (
    "state",
    "finished_at",
    "duration_us",
    "status_code",
    "error_class",
    "error_code",
    "fault",
    "refused_by",
    "currency",
)
REQUEST_TOTALS: Final = ("input_total", "output_total", "usage_source", "cost_state", "cost_pico")

ATTEMPT_KEY: Final = ("request_id", "number", "request_started_at")
ATTEMPT_INTENT: Final = ("request_id", "request_started_at", "organization_id", *AttemptIntent.__struct_fields__)
"""With `holds` at the end, as JSON."""
ATTEMPT_END: Final = (
    "state",
    "finished_at",
    "duration_us",
    "first_byte_us",
    "first_token_us",
    "upstream_status",
    "error_class",
    "error_code",
    "fault",
    "upstream_request_id",
    "response_id",
    "model_served",
    "service_tier",
    "speed",
    "region",
    "usage_source",
    *COUNTS,
    "units",
    "usage_raw",
    "anomalies",
    "cost_state",
    "cost_pico",
    "computed_pico",
    "currency",
    "charge_pico",
    "price_version",
    "cost_lines",
    "on_disconnect",
    "bytes_received",
    "bytes_sent",
)

TALLY: Final = ("finished_at", "usage_source", "cost_state", "cost_pico", "currency", *COUNTS)
"""What a request's totals come from, in each of its attempts."""

Row = tuple[Any, ...]
RollupKey = tuple[int, str, str, str, str, str, str, str, str, str, str]
"""In the order of `ROLLUP_DIMENSIONS`."""
RollupSums = tuple[int, ...]
"""In the order of `ROLLUP_SUMS`."""

MAX_COUNT: Final = MAX_PICO
"""The largest number a column holds."""
_NO_USAGE: Final = UsageSource.NONE  # looking a member up in its class is slow, and this is asked often
_SETTLED: Final = State.SETTLED
_SESSION: Final = Endpoint.REALTIME.value
_NO_COUNTS: Final = (None,) * len(COUNTS)
_ZEROS: Final = (0,) * len(COUNTS)
_ENCODE: Final = msgspec.json.encode
_DECODE_HOLDS: Final = msgspec.json.Decoder(tuple[Hold, ...]).decode
# Bounds of text that is part of an index: PostgreSQL takes at most 2,704 bytes in one entry, and the widest
# character has four.
_MODEL_LENGTH: Final = 160
_RESPONSE_ID_LENGTH: Final = 255
_CODE_LENGTH: Final = 64
_TEXT_LENGTH: Final = 1024

_SOURCES: Final = ("estimated", "provider_partial", "provider", "none")
_COSTS: Final = ("unknown", "unpriced", "estimated", "priced", "reported", "free")

# Which of the four sums of a roll-up an attempt counts in: priced, estimated, unpriced, unknown.
_COST_COUNTS: Final[dict[str, tuple[int, int, int, int]]] = {
    CostState.PRICED: (1, 0, 0, 0),
    CostState.REPORTED: (1, 0, 0, 0),
    CostState.FREE: (1, 0, 0, 0),
    CostState.ESTIMATED: (0, 1, 0, 0),
    CostState.UNPRICED: (0, 0, 1, 0),
    CostState.UNKNOWN: (0, 0, 0, 1),
}


def storable(text: str) -> str:
    """Return `text` with NUL and lone surrogates replaced by U+FFFD: neither engine's text type holds both."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def request_row(request: RequestIntent) -> Row:
    """Return the values of `REQUEST_INTENT`."""
    row = msgspec.structs.astuple(request)
    model, client = storable(request.model_asked), storable(request.client)
    if model is request.model_asked and client is request.client:
        return row
    return msgspec.structs.astuple(msgspec.structs.replace(request, model_asked=model, client=client))


def attempt_row(request: RequestIntent, attempt: AttemptIntent) -> Row:
    """Return the values of `ATTEMPT_INTENT`."""
    model = storable(attempt.model_sent)
    if model is not attempt.model_sent:
        attempt = msgspec.structs.replace(attempt, model_sent=model)
    plain = msgspec.structs.astuple(attempt)[:-1]
    holds = _ENCODE(attempt.holds).decode() if attempt.holds else ""
    return (request.id, request.started_at, request.organization_id, *plain, holds)


def holds_in(column: str | None) -> tuple[Hold, ...]:
    """Return the holds that an attempt's row keeps."""
    return _DECODE_HOLDS(column) if column else ()


def attempt_end(settlement: Settlement, attempt: AttemptIntent) -> Row:
    """Return the values of `ATTEMPT_END`."""
    reading, cost, fault = settlement.reading, settlement.cost, settlement.fault
    return (
        str(settlement.state),
        settlement.finished_at,
        settlement.duration_us,
        settlement.first_byte_us,
        settlement.first_token_us,
        settlement.upstream_status,
        settlement.error_class,
        storable(settlement.error_code[:_CODE_LENGTH]),
        str(fault) if fault else "",
        _text(settlement.upstream_request_id),
        _text(reading.response_id, _RESPONSE_ID_LENGTH),
        _text(reading.model),
        _text(reading.service_tier),
        _text(reading.speed),
        _text(reading.region) or attempt.region,
        str(reading.source),
        *_counts(reading),
        _ENCODE(reading.usage.units).decode() if reading.usage.units else "",
        storable(reading.raw.decode("utf-8", "replace")) if reading.raw else "",
        _ENCODE(reading.anomalies).decode() if reading.anomalies else "",
        str(cost.state),
        cost.pico,
        cost.computed_pico,
        cost.currency,
        _charge(settlement),
        cost.price_version,
        _ENCODE(cost.lines).decode() if cost.lines else "",
        settlement.on_disconnect,
        settlement.bytes_received,
        settlement.bytes_sent,
    )


def request_end(settlement: Settlement) -> Row:
    """Return the values of `REQUEST_END`.

    The duration of an attempt begins with the attempt; the request's includes what came before it.
    """
    attempt, fault = settlement.attempt, settlement.fault
    before_us = max(0, attempt.started_at - settlement.request.started_at) if attempt else 0
    return (
        str(settlement.state),
        settlement.finished_at,
        settlement.duration_us + before_us,
        settlement.status_code or None,
        settlement.error_class,
        storable(settlement.error_code[:_CODE_LENGTH]),
        str(fault) if fault else "",
        settlement.refused_by,
        settlement.cost.currency,
    )


def request_totals(settlement: Settlement) -> Row:
    """Return the values of `REQUEST_TOTALS` for a request whose only attempt this is."""
    reading, cost = settlement.reading, settlement.cost
    known = reading.source is not _NO_USAGE
    return (
        min(reading.usage.input_total, MAX_COUNT) if known else None,
        min(reading.usage.output_total, MAX_COUNT) if known else None,
        str(reading.source),
        str(cost.state),
        cost.pico,
    )


def tallied(attempts: Sequence[Row], currency: str) -> Row | None:
    """Return the values of `REQUEST_TOTALS` for a request whose attempts (rows of `TALLY`) these are.

    None while one of them is open. The request shows the least certain word of them, so that one unknown among known
    amounts is seen, and adds up amounts in its own currency only.
    """
    if any(finished_at is None for finished_at, *_ in attempts):
        return None
    counts = [row[-len(COUNTS) :] for row in attempts if row[-1] is not None]
    picos = [pico for _, _, _, pico, of, *_ in attempts if pico is not None and of == currency]
    return (
        min(sum(sum(row[: len(INPUT_COUNTS)]) for row in counts), MAX_COUNT) if counts else None,
        min(sum(sum(row[len(INPUT_COUNTS) :]) for row in counts), MAX_COUNT) if counts else None,
        min((source for _, source, *_ in attempts), key=_SOURCES.index, default=str(_NO_USAGE)),
        min((state for _, _, state, *_ in attempts), key=_COSTS.index, default=str(CostState.UNKNOWN)),
        min(sum(picos), MAX_COUNT) if picos else None,
    )


def rollup_key(settlement: Settlement) -> RollupKey:
    """Return the roll-up row that the settlement is added to, by the hour in which its request began."""
    request, attempt = settlement.request, settlement.attempt
    model = settlement.reading.model or (attempt.model_sent if attempt else "") or request.model_asked
    return (
        hour_of(request.started_at),
        request.organization_id,
        request.team_id,
        request.principal_id,
        request.virtual_key_id,
        attempt.credential_id if attempt else "",
        attempt.provider if attempt else "",
        storable(model[:_MODEL_LENGTH]),
        attempt.owner if attempt else "",
        str(settlement.state),
        settlement.cost.currency,
    )


def rollup_sums(settlement: Settlement, *, ends_request: bool) -> RollupSums:
    """Return what the settlement adds, in the order of `ROLLUP_SUMS`."""
    reading, cost = settlement.reading, settlement.cost
    attempted = settlement.attempt is not None
    return (
        1 if ends_request else 0,
        1 if attempted else 0,
        *(_counts(reading) if reading.source is not _NO_USAGE else _ZEROS),
        cost.pico or 0,
        _charge(settlement) or 0,
        *(_COST_COUNTS[cost.state] if attempted else (0, 0, 0, 0)),
        settlement.duration_us,
    )


def rollup_times(settlement: Settlement) -> tuple[int, ...]:
    """Return which of `ROLLUP_TIMES` the settlement adds one to, by their places.

    Only an answer that came whole tells how long one takes, and only if it was waited for: a batch settled hours later,
    or a session that lasts as long as its owner talks, tells nothing.
    """
    if settlement.first_byte_us is None or settlement.state is not _SETTLED or settlement.request.endpoint == _SESSION:
        return ()
    took = bucket_of(settlement.duration_us)
    if settlement.first_token_us is None:
        return (took,)
    return took, BUCKETS + bucket_of(settlement.first_token_us)


def reduced(settlement: Settlement) -> Settlement:
    """Return the settlement without what may have made it unwritable: it ends, and says that its usage is lost."""
    return Settlement(
        request=settlement.request,
        attempt=settlement.attempt,
        state=settlement.state,
        finished_at=settlement.finished_at,
        duration_us=settlement.duration_us,
        status_code=settlement.status_code,
        error_code="unrecordable",
        fault=settlement.fault,
        refused_by=settlement.refused_by,
        reading=Reading(usage=Usage(), source=_NO_USAGE, anomalies=("unrecordable",)),
        cost=Cost(state=CostState.UNKNOWN),
        charge_pico=settlement.charge_pico,  # what is posted is posted, also without the usage that explains it
        posts=settlement.posts,
        ends_request=settlement.ends_request,
    )


def _charge(settlement: Settlement) -> int | None:
    charge = settlement.charge_pico
    return charge if charge is None or charge <= MAX_COUNT else MAX_COUNT


def _counts(reading: Reading) -> Row:
    if reading.source is _NO_USAGE:
        return _NO_COUNTS
    counts = msgspec.structs.astuple(reading.usage)[: len(COUNTS)]
    return counts if max(counts) <= MAX_COUNT else tuple([min(count, MAX_COUNT) for count in counts])


def _text(text: str | None, length: int = _TEXT_LENGTH) -> str:
    return storable(text[:length]) if text else ""
