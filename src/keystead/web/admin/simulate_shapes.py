"""What is told of a simulation."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from keystead.domain.money import to_text
from keystead.gateway.replay.simulate import Example, Simulation, Use
from keystead.gateway.replay.sums import KINDS, Finding, Kind, Share, Sums
from keystead.web.admin.values import Instant, instant
from keystead.web.problem import Problem

_MOST_FINDINGS: Final = 100
_MOST_SHARES: Final = 100

Money = Annotated[dict[str, str], msgspec.Meta(description="By currency, exact decimal text; XCR are credits.")]

NOT_REPLAYED: Final = (
    "Recognisers: prompts are not stored, so what they found in a request then is taken to be found again.",
    "Prepaid credits: how many there are is no part of a document.",
    "Callers: who is refused may come again, in another way or later.",
    "Providers: a credential that a request did not use is taken to answer, with the tokens that are recorded.",
    "Breakers, and figures that routes go by: they are taken to have been as they were.",
)
"""What is not decided again, whatever the document says."""
RECOGNIZERS_DIFFER: Final = (
    "The document changes recognisers. What they would block, raise or take out is not in these figures."
)


class SumsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What requests come to."""

    requests: int
    input_tokens: int
    output_tokens: int
    """As recorded."""
    paid_today: Money
    paid_other: Money
    """What is owed for them by the rules of today, and by those of the document."""
    at_most: Money
    """In addition, what those can cost at most of which no tokens are recorded, because they were refused."""


class FindingShown(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of which the same becomes, for the same reason."""

    kind: Kind
    code: str
    """Of the refusal, or of what is not known."""
    today: str
    other: str
    """What the rules of today and the document's say, in words."""
    sums: SumsShown
    examples: tuple[str, ...]
    """Ids of some of the requests."""


class ShareShown(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of one team, virtual key or model fare."""

    id: str
    name: str
    requests: dict[Kind, int]
    paid_today: Money
    paid_other: Money


class UseShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a credential does, by the rules of today and by the document's."""

    credential: str
    requests_today: int
    requests_other: int
    paid_today: Money
    paid_other: Money


class ExampleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A request that fares otherwise, or may."""

    request: str
    at: Instant
    team: str
    virtual_key: str
    model: str
    kind: Kind
    code: str
    today: str
    other: str
    paid_today: Money
    paid_other: Money


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What the document would have changed."""

    since: Instant
    until: Instant
    requests: int
    read_since: Instant
    """Earlier requests are read, and not counted, from the beginning of the periods of budgets on."""
    totals: dict[Kind, SumsShown]
    findings: tuple[FindingShown, ...]
    teams: tuple[ShareShown, ...]
    virtual_keys: tuple[ShareShown, ...]
    models: tuple[ShareShown, ...]
    """Those with most changes first."""
    credentials: tuple[UseShown, ...]
    examples: tuple[ExampleShown, ...]
    """The first requests that fare otherwise, or may."""
    otherwise_recorded: int
    """Requests of which the rules of their time made something else than those of today."""
    not_replayed: tuple[str, ...]
    """What is not decided again."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is."""

    done: int
    of: int
    """Requests to be read, those before the span included."""


class SimulationLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of: how far it is, what was found (the last line), or what went wrong (instead of it)."""

    progress: Progress | None = None
    simulated: Simulated | None = None
    problem: Problem | None = None


def findings_shown(simulation: Simulation) -> tuple[FindingShown, ...]:
    """Return the findings."""
    return tuple(map(_finding, simulation.findings.largest(_MOST_FINDINGS)))


def totals_shown(simulation: Simulation) -> dict[Kind, SumsShown]:
    """Return the totals, every kind's."""
    return {kind: _sums(simulation.totals.get(kind, Sums())) for kind in KINDS}


def shares_shown(shares: Sequence[Share], names: Mapping[str, str]) -> tuple[ShareShown, ...]:
    """Return shares, with the names behind their ids."""
    return tuple(
        ShareShown(
            id=share.of,
            name=names.get(share.of, share.of),
            requests={kind: share.requests[kind] for kind in KINDS if kind in share.requests},
            paid_today=_money(share.paid_today),
            paid_other=_money(share.paid_other),
        )
        for share in shares
    )


def uses_shown(uses: Iterable[Use]) -> tuple[UseShown, ...]:
    """Return what credentials do, those first that would do most."""
    return tuple(
        UseShown(
            credential=use.credential,
            requests_today=use.requests_today,
            requests_other=use.requests_other,
            paid_today=_money(use.paid_today),
            paid_other=_money(use.paid_other),
        )
        for use in sorted(uses, key=lambda use: (-use.requests_other, -use.requests_today, use.credential))
    )


def example_shown(example: Example, names: Mapping[str, str]) -> ExampleShown:
    """Return an example."""
    recorded, change = example.recorded, example.change
    return ExampleShown(
        request=recorded.id,
        at=instant(recorded.started_at),
        team=names.get(recorded.team_id, recorded.team_id),
        virtual_key=names.get(recorded.virtual_key_id, recorded.virtual_key_id),
        model=recorded.model,
        kind=change.kind,
        code=change.code,
        today=change.today,
        other=change.other,
        paid_today=_money(change.paid_today),
        paid_other=_money(change.paid_other),
    )


def most_shares() -> int:
    """Return how many shares of a kind are shown."""
    return _MOST_SHARES


def _finding(finding: Finding) -> FindingShown:
    return FindingShown(
        kind=finding.kind,
        code=finding.code,
        today=finding.today,
        other=finding.other,
        sums=_sums(finding.sums),
        examples=tuple(finding.examples),
    )


def _sums(sums: Sums) -> SumsShown:
    return SumsShown(
        requests=sums.requests,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        paid_today=_money(sums.paid_today),
        paid_other=_money(sums.paid_other),
        at_most=_money(sums.at_most),
    )


def _money(pico: Mapping[str, int]) -> Money:
    return {currency: to_text(amount) for currency, amount in sorted(pico.items()) if amount}
