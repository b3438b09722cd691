"""What would have been refused: recorded requests, decided by the rules of a document that is not in force."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import to_text
from keystead.gateway.compile import compile_rules
from keystead.gateway.simulate import Finding, Side, Simulation, Sums
from keystead.identity import directory
from keystead.identity.authority import require_held
from keystead.metering.asked import Asked, asked
from keystead.web.admin.config.steps import KeyStep
from keystead.web.admin.config.write import made_up, perform, rehearsal
from keystead.web.admin.configuration import MAX_DOCUMENT_BYTES, PlanConfiguration, planned
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Instant, instant, micros

DEFAULT_SPAN_US: Final = 7 * 86_400 * 1_000_000
_AT_ONCE: Final = 50
"""Combinations decided about before others have their turn: some five milliseconds."""


class Simulate(PlanConfiguration, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document, and the requests to decide about."""

    since: Instant | None = None
    """Default: seven days before `until`."""
    until: Instant | None = None
    """Default: now."""


class SumsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What requests came to."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: dict[str, str]
    """By currency, exact decimal text."""


class FindingShown(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that would be decided otherwise, all for the same reason."""

    code: str
    """For refusals: which kind they are."""
    reason: str
    """The rule that decides, in words."""
    sums: SumsShown
    examples: tuple[str, ...]
    """Ids of some of the requests."""


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What the document would have changed."""

    since: Instant
    until: Instant
    requests: int
    """Looked at."""
    combinations: Annotated[int, msgspec.Meta(description="Of key, endpoint, model and so on that were decided about.")]
    complete: bool
    """False: there were more than are looked at; these are the newest, or the most frequent, ones."""
    refused_now: SumsShown
    """Allowed by the rules of today, refused by the document's."""
    refusals: tuple[FindingShown, ...]
    allowed_now: SumsShown
    """Refused by the rules of today, allowed by the document's."""
    allowances: tuple[FindingShown, ...]
    unchanged: SumsShown
    otherwise_recorded: int
    """Requests about which the rules of their time decided otherwise than today's."""


async def simulate(call: Call[Any, Simulate]) -> Simulated:
    """Decide about recorded requests by the rules of today and by those of a document."""
    require_held(call.who, Permission.REQUEST_READ, None)
    now = call.rooms.clock.now_us()
    until = now if call.body.until is None else micros(call.body.until)
    since = until - DEFAULT_SPAN_US if call.body.since is None else micros(call.body.since)
    if since >= until:
        raise InvalidRequestError("The span must end after it begins.", param="until")
    async with call.rooms.database.read() as conn:
        today = await _side(call, conn)
    other = await _rehearsed(call)
    simulation = Simulation(today, other, now_us=now)
    async with call.rooms.database.read() as conn:
        found = await asked(
            conn,
            organization_id=call.who.organization_id,
            from_at=since,
            to_at=until,
            by_quarter=today.looks_at_the_time or other.looks_at_the_time,
        )
    await _decide(simulation, found.asked)
    return Simulated(
        since=instant(since),
        until=instant(until),
        requests=found.requests,
        combinations=len(found.asked),
        complete=found.complete,
        refused_now=_sums(simulation.refused_now),
        refusals=_findings(simulation.findings(allowed=False)),
        allowed_now=_sums(simulation.allowed_now),
        allowances=_findings(simulation.findings(allowed=True)),
        unchanged=_sums(simulation.unchanged),
        otherwise_recorded=simulation.otherwise_recorded,
    )


async def _rehearsed(call: Call[Any, Simulate]) -> Side:
    """Return the rules as they would be: the document is applied in a transaction that is then undone.

    Nothing is given to anybody, so the caller need not hold what the changes take: who may see the document's sections
    may ask what they would come to.
    """
    async with call.rooms.database.read() as conn:
        plan = await planned(call, conn, call.body)
    everything = msgspec.structs.replace(call.who, operator=True, everywhere=frozenset(Permission))
    rehearsing = msgspec.structs.replace(call, who=everything)
    keyed = [step for step in plan.steps if isinstance(step, KeyStep)]
    keys = await made_up(rehearsing, keyed, plan.wanted)
    async with rehearsal(rehearsing) as change:
        await perform(rehearsing, change, plan.steps, keys)
        return await _side(call, change.conn)


async def _side(call: Call[Any, Any], conn: AsyncConnection) -> Side:
    organization_id = call.who.organization_id
    rules = await compile_rules(conn, await call.rooms.credentials.sealed(conn))
    keys = await directory.virtual_keys(conn)
    return Side(rules[organization_id], [key for key in keys if key.organization_id == organization_id])


async def _decide(simulation: Simulation, combinations: Sequence[Asked]) -> None:
    for number, one in enumerate(combinations):
        simulation.add(one)
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)


def _sums(sums: Sums) -> SumsShown:
    return SumsShown(
        requests=sums.requests,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        cost=_costs(sums.cost_pico),
    )


def _costs(pico: Mapping[str, int]) -> dict[str, str]:
    return {currency: to_text(amount) for currency, amount in sorted(pico.items())}


def _findings(findings: Sequence[Finding]) -> tuple[FindingShown, ...]:
    return tuple(
        FindingShown(
            code=finding.verdict.code,
            reason=finding.verdict.reason,
            sums=_sums(finding.sums),
            examples=tuple(finding.examples),
        )
        for finding in findings
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/simulate",
        permission=Permission.GRANT_READ,
        handler=simulate,
        sees="installation",  # rules are compiled with the platform's credentials and their active versions
        summary="What of the recorded requests a document would have refused, or let through.",
        body=Simulate,
        answer=Simulated,
        max_body_bytes=MAX_DOCUMENT_BYTES,
        errors=(404, 409),
    ),
)
