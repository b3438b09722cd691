"""Why a recorded request was decided about as it was, what was tried, and what it could have cost at most."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import NotFoundError
from keystead.domain.money import to_text
from keystead.domain.traffic import Endpoint
from keystead.gateway.said import Said
from keystead.metering.ceiling import Ceiling, ceiling_of
from keystead.metering.outline import Outline
from keystead.metering.usage_views import AttemptView, HeldView, RequestDetail
from keystead.web.admin.requests import seen_request
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Instant, Nothing, instant, optional_instant


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that might have served and was not allowed to."""

    credential: str
    reason: str


class AttemptExplained(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that was made."""

    number: int
    credential: str
    version: int
    owner: str
    provider: str
    model: str
    because: str
    """Why it followed another one; empty for the first."""
    consent: str
    """The consent by which a platform credential stepped in; empty for none."""
    ended: str
    """Its state, and the class of what went wrong."""
    held: tuple[HeldView, ...]
    most: str | None
    """The most that it could cost, at the prices of then; null if nobody knows."""
    most_currency: str
    most_basis: str
    cost: str | None
    currency: str | None
    charge: str | None


class RequestExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """What decided about a request, and what was made of it."""

    request: str
    at: Instant
    finished_at: Instant | None
    virtual_key: str
    team: str
    model: str
    allowed: bool
    """At least one attempt was made."""
    code: str
    reason: str
    """Why it was refused, or by which grant it was allowed."""
    rule: str
    data_class: str
    attempts: tuple[AttemptExplained, ...]
    passed: tuple[Passed, ...]
    rules: tuple[Said, ...]
    most: dict[str, str]
    """The most that all attempts together could cost, by currency; without those of which nobody knows."""


async def explain(call: Call[Nothing, Nothing]) -> RequestExplanation:
    """Explain a recorded request."""
    async with call.rooms.database.read() as conn:
        found = await seen_request(call, conn)
        ceilings = await _ceilings(call, conn, found)
        said = [*await _about_grant(call, conn, found), *_about_record(found)]
    request, decision = found.request, _decision(found)
    return RequestExplanation(
        request=request.id,
        at=instant(request.started_at),
        finished_at=optional_instant(request.finished_at),
        virtual_key=request.virtual_key or request.virtual_key_id,
        team=request.team or request.team_id,
        model=request.model_asked,
        allowed=bool(found.attempts),
        code=request.error_code or "",
        reason=_text(decision, "reason") or next((one.says for one in said if one.kind == "grant"), ""),
        rule=_text(decision, "rule"),
        data_class=request.data_class or "",
        attempts=tuple(map(_attempt, found.attempts, ceilings)),
        passed=tuple(Passed(credential=str(name), reason=str(reason)) for name, reason in _refused(decision).items()),
        rules=tuple(said),
        most=_sums(ceilings),
    )


async def _ceilings(call: Call[Any, Any], conn: AsyncConnection, found: RequestDetail) -> list[Ceiling | None]:
    """Return the most that each attempt could cost; None where what it is known by is not recorded."""
    outline = found.outline
    if outline is None:
        return [None] * len(found.attempts)
    platform: dict[str, str] = {one.id: one.organization_id for one in await call.rooms.credentials.platform(conn)}
    return [
        ceiling_of(
            call.rooms.price_book(),
            organization_id=platform.get(attempt.credential_id, call.who.organization_id),
            provider=attempt.provider,
            endpoint=Endpoint(found.request.endpoint),
            model=attempt.model_sent,
            region=attempt.region,
            at=attempt.started_at,
            body_bytes=outline.body_bytes,
            asked=outline.asked,
        )
        for attempt in found.attempts
    ]


async def _about_grant(call: Call[Any, Any], conn: AsyncConnection, found: RequestDetail) -> list[Said]:
    """Return the grant by which a request was allowed, whole if the caller may see grants."""
    name = _text(_decision(found), "grant")
    if not name:
        return []
    says = f"Allowed by grant {name}."
    if call.who.may(Permission.GRANT_READ):
        try:
            grant = await call.rooms.grants.get(conn, call.who.organization_id, name)
        except NotFoundError:
            return [Said(kind="grant", name=name, says=says)]
        note = f" ({grant.note})" if grant.note else ""
        when = f" when {grant.condition}" if grant.condition else ""
        since = " It has been revoked since." if grant.revoked_at is not None else ""
        says = f"Allowed by grant {name}{note}{when}.{since}"
    return [Said(kind="grant", name=name, says=says)]


def _about_record(found: RequestDetail) -> Iterator[Said]:
    decision, outline, data_class = _decision(found), found.outline, found.request.data_class or ""
    if strategy := _text(decision, "strategy"):
        yield Said(kind="route", name=found.request.model_asked, says=f"It is a route, {strategy}.")
    if data_class:
        says = f"The request was taken to be {data_class}, by {_whose(data_class, outline)}."
        yield Said(kind="data_class", name=data_class, says=says)
    if outline is not None and outline.redacted:
        yield Said(kind="recognizers", name="", says="They took something out of the body.")
    if outline is not None and outline.own_only:
        yield Said(kind="consent", name="", says="Its header forbade platform credentials to step in.")
    for attempt in found.attempts:
        if attempt.consent_id:
            says = f"It let credential {_credential(attempt)} step in after {_words(attempt.reason)}."
            yield Said(kind="consent", name=attempt.consent_id, says=says)
        for held in attempt.held:
            if held.kind == "budget":
                says = f"It had room for the {held.amount} {held.currency} that attempt {attempt.number} held."
                yield Said(kind="budget", name=held.name, says=says)


def _whose(data_class: str, outline: Outline | None) -> str:
    """Say who made a request as sensitive as it was."""
    if outline is not None and data_class in (outline.found or ()):
        return "a recogniser"
    if outline is not None and data_class == outline.said:
        return "its header"
    return "its team or its virtual key, or because nobody said more"


def _attempt(attempt: AttemptView[int], ceiling: Ceiling | None) -> AttemptExplained:
    return AttemptExplained(
        number=attempt.number,
        credential=_credential(attempt),
        version=attempt.credential_version,
        owner=attempt.owner,
        provider=attempt.provider,
        model=attempt.model_sent,
        because=attempt.reason or "",
        consent=attempt.consent_id or "",
        ended=" ".join(part for part in (attempt.state, attempt.error_class) if part),
        held=attempt.held,
        most=None if ceiling is None or ceiling.pico is None else to_text(ceiling.pico),
        most_currency="" if ceiling is None else ceiling.currency,
        most_basis="what it asked for was not kept" if ceiling is None else ceiling.basis,
        cost=attempt.cost,
        currency=attempt.currency,
        charge=attempt.charge,
    )


def _sums(ceilings: list[Ceiling | None]) -> dict[str, str]:
    sums: dict[str, int] = {}
    for ceiling in ceilings:
        if ceiling is not None and ceiling.pico is not None:
            sums[ceiling.currency] = sums.get(ceiling.currency, 0) + ceiling.pico
    return {currency: to_text(pico) for currency, pico in sorted(sums.items())}


def _decision(found: RequestDetail) -> Mapping[str, Any]:
    return found.decision if isinstance(found.decision, dict) else {}


def _refused(decision: Mapping[str, Any]) -> Mapping[str, Any]:
    refused = decision.get("refused")
    return refused if isinstance(refused, dict) else {}


def _text(decision: Mapping[str, Any], name: str) -> str:
    return str(decision.get(name) or "")


def _credential(attempt: AttemptView[int]) -> str:
    return attempt.credential or attempt.credential_id


def _words(reason: str | None) -> str:
    return (reason or "").replace("_", " ")


ROUTES: Final = (
    Route(
        method="GET",
        path="/requests/{request}/explanation",
        permission=Permission.REQUEST_READ,
        scope="team",
        handler=explain,
        summary="Why a request was decided about as it was: the rules, the attempts, and what it could have cost at most.",
        answer=RequestExplanation,
        errors=(404,),
    ),
)
"""The routes of this resource."""
