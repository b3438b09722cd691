"""What would have been decided: recorded requests under the rules of a document that is not in force."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission, VirtualKey
from keystead.domain.errors import InvalidRequestError
from keystead.gateway.compile import compile_rules
from keystead.gateway.means import Means
from keystead.gateway.replay.side import Side
from keystead.gateway.replay.simulate import MAX_EXAMPLES, Simulation
from keystead.gateway.rules import Rules
from keystead.identity import directory
from keystead.identity.authority import require_held
from keystead.metering.recordings import count_recorded, recorded
from keystead.web.admin.config.steps import KeyStep
from keystead.web.admin.config.write import made_up, perform, rehearsal
from keystead.web.admin.configuration import MAX_DOCUMENT_BYTES, PlanConfiguration, Planned, planned
from keystead.web.admin.route import Call, Lines, Route
from keystead.web.admin.simulate_shapes import (
    NOT_REPLAYED,
    RECOGNIZERS_DIFFER,
    Progress,
    Simulated,
    SimulationLine,
    example_shown,
    findings_shown,
    most_shares,
    shares_shown,
    totals_shown,
    uses_shown,
)
from keystead.web.admin.values import Instant, instant, micros

DEFAULT_SPAN_US: Final = 7 * 86_400 * 1_000_000
_AT_ONCE: Final = 10
"""Requests decided about before others have their turn: a few milliseconds."""


class Simulate(PlanConfiguration, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document, and the requests to decide about."""

    since: Instant | None = None
    """Default: seven days before `until`."""
    until: Instant | None = None
    """Default: now."""
    examples: Annotated[int, msgspec.Meta(ge=0, le=MAX_EXAMPLES)] = 20
    """How many of the requests that fare otherwise are told one by one."""
    progress: bool = False
    """Answer line by line (`application/x-ndjson`): how far it is, then what was found."""


class _Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Two sets of rules."""

    today: Rules
    other: Rules
    keys: list[VirtualKey]
    other_keys: list[VirtualKey]
    recognizers_differ: bool

    def simulation(self, means: Means, *, since: int, examples: int) -> Simulation:
        """Begin a simulation."""
        in_force = {key.id for key in self.keys if key.revoked_at is None}
        withdrawn = frozenset(key.id for key in self.other_keys if key.revoked_at is not None and key.id in in_force)
        return Simulation(
            Side(self.today, self.keys, means),
            Side(self.other, self.other_keys, means, withdrawn=withdrawn),
            since=since,
            recognizers_differ=self.recognizers_differ,
            examples=examples,
        )


async def simulate(call: Call[Any, Simulate]) -> Simulated | Lines:
    """Decide about recorded requests by the rules of today and by those of a document."""
    require_held(call.who, Permission.REQUEST_READ, None)
    call.rooms.simulations.require()
    now = call.rooms.clock.now_us()
    until = now if call.body.until is None else micros(call.body.until)
    since = until - DEFAULT_SPAN_US if call.body.since is None else micros(call.body.since)
    if since >= until:
        raise InvalidRequestError("The span must end after it begins.", param="until")
    lines = _in_its_place(call, await _compared(call), since=since, until=until)
    if call.body.progress:
        return Lines(lines)
    simulated = None
    async for line in lines:
        simulated = line.simulated
    assert simulated is not None, "the last line has it"
    return simulated


async def _compared(call: Call[Any, Simulate]) -> _Compared:
    """Return the rules of today, and as they would be: the document is applied in a transaction that is then undone.

    Nothing is given to anybody, so the caller need not hold what the changes take: who may see the document's sections
    may ask what they would come to.
    """
    async with call.rooms.database.read() as conn:
        today, keys = await _rules(call, conn)
        plan = await planned(call, conn, call.body)
    everything = msgspec.structs.replace(call.who, operator=True, everywhere=frozenset(Permission))
    rehearsing = msgspec.structs.replace(call, who=everything)
    keyed = [step for step in plan.steps if isinstance(step, KeyStep)]
    brought = await made_up(rehearsing, keyed, plan.wanted)
    async with rehearsal(rehearsing) as change:
        await perform(rehearsing, change, plan.steps, brought)
        other, other_keys = await _rules(call, change.conn)
    return _Compared(
        today=today, other=other, keys=keys, other_keys=other_keys, recognizers_differ=_changes(plan, "recognizers")
    )


async def _rules(call: Call[Any, Any], conn: AsyncConnection) -> tuple[Rules, list[VirtualKey]]:
    organization_id = call.who.organization_id
    rules = await compile_rules(conn, await call.rooms.credentials.sealed(conn), call.rooms.known_models())
    keys = await directory.virtual_keys(conn)
    return rules[organization_id], [key for key in keys if key.organization_id == organization_id]


async def _in_its_place(
    call: Call[Any, Simulate], compared: _Compared, *, since: int, until: int
) -> AsyncGenerator[SimulationLine]:
    # Taken with the first line and not before: of a client that has left by then, no line is ever asked for.
    with call.rooms.simulations.taken():
        async with aclosing(_replayed(call, compared, since=since, until=until)) as lines:
            async for line in lines:
                yield line


async def _replayed(
    call: Call[Any, Simulate], compared: _Compared, *, since: int, until: int
) -> AsyncGenerator[SimulationLine]:
    """Yield how far it is after each page of requests, then what was found."""
    rooms, organization_id = call.rooms, call.who.organization_id
    means = Means(
        price_book=rooms.price_book(),
        credit_value_pico=rooms.credit_value_pico,
        revenue_account="",
        clock=rooms.clock,
    )
    simulation = compared.simulation(means, since=since, examples=call.body.examples)
    begin = simulation.begins_at()
    async with rooms.database.read() as conn:
        of = await count_recorded(conn, organization_id=organization_id, from_at=begin, to_at=until)
    done = 0
    async for page in recorded(rooms.database, organization_id=organization_id, from_at=begin, to_at=until):
        for number, one in enumerate(page):
            await simulation.add(one)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        done += len(page)
        yield SimulationLine(progress=Progress(done=done, of=max(of, done)))
    yield SimulationLine(simulated=await _told(call, compared, simulation, since=since, until=until))


async def _told(
    call: Call[Any, Any], compared: _Compared, simulation: Simulation, *, since: int, until: int
) -> Simulated:
    most = most_shares()
    teams = simulation.teams.largest(most)
    names: dict[str, str] = {key.id: key.name for key in compared.keys}
    async with call.rooms.database.read() as conn:
        named = {*(share.of for share in teams), *(one.recorded.team_id for one in simulation.examples)}
        names |= await call.rooms.directory.team_names(conn, call.who.organization_id, named)
    totals = totals_shown(simulation)
    return Simulated(
        since=instant(since),
        until=instant(until),
        requests=sum(sums.requests for sums in totals.values()),
        read_since=instant(simulation.begins_at()),
        totals=totals,
        findings=findings_shown(simulation),
        teams=shares_shown(teams, names),
        virtual_keys=shares_shown(simulation.keys.largest(most), names),
        models=shares_shown(simulation.models.largest(most), {}),
        credentials=uses_shown(simulation.uses.values()),
        examples=tuple(example_shown(example, names) for example in simulation.examples),
        otherwise_recorded=simulation.otherwise_recorded,
        not_replayed=(*((RECOGNIZERS_DIFFER,) if compared.recognizers_differ else ()), *NOT_REPLAYED),
    )


def _changes(plan: Planned, section: str) -> bool:
    return any(one.section == section and one.action != "keep" for one in plan.differences)


ROUTES: Final = (
    Route(
        method="POST",
        path="/simulate",
        permission=Permission.GRANT_READ,
        handler=simulate,
        sees="installation",  # rules are compiled with the platform's credentials and their active versions
        summary="What a document would have refused of the recorded requests, let through, or sent elsewhere.",
        body=Simulate,
        answer=Simulated,
        line=SimulationLine,
        max_body_bytes=MAX_DOCUMENT_BYTES,
        errors=(404, 409),
    ),
)
"""The routes of this resource."""
