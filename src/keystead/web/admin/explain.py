"""Why may, or may not, a key use a model: before the fact, by the very functions that decide."""

from functools import partial
from typing import Annotated, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission, VirtualKey
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.money import to_text
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.explain import Attempt, Explanation, Hypothesis, unmade_key
from keystead.gateway.plan import Considered
from keystead.gateway.said import Said
from keystead.limits.room import full
from keystead.policy.access import Finding
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import LINE, Instant, Nothing, Reference, instant

_MOST_BODY: Final = 128 * 1024 * 1024

Word = Annotated[str, msgspec.Meta(max_length=128, pattern=LINE)]


class Explain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that is not made. Exactly one of `virtual_key`, `team`, `member` and `service_account` says whose."""

    virtual_key: Reference | None = None
    team: Reference | None = None
    """A key for a new program in that team, narrowed to nothing."""
    member: Reference | None = None
    """A key of theirs in their own team, narrowed to nothing."""
    service_account: Reference | None = None
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=LINE)]
    endpoint: Endpoint = Endpoint.CHAT
    dialect: Dialect | None = None
    stream: bool = False
    data_class: Word = ""
    tags: dict[Word, Word] = {}
    body_bytes: Annotated[int, msgspec.Meta(ge=0, le=_MOST_BODY)] = 1000
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    address: Annotated[str, msgspec.Meta(max_length=64, pattern=LINE)] = ""
    """Where the caller is; empty: where the key may be used from."""


class HeldShown(msgspec.Struct, frozen=True, kw_only=True):
    """What would be held, and of which limit."""

    kind: str
    name: str
    amount: str
    limit: str | None
    currency: str


class AttemptShown(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that would be made, if those before it did not answer."""

    credential: str
    provider: str
    model: str
    owner: str
    grant: str | None
    breaker: str
    consents: dict[str, str]
    most: str | None
    currency: str
    most_basis: str
    held: tuple[HeldShown, ...]
    refusal: str


class ExplanationShown(msgspec.Struct, frozen=True, kw_only=True):
    """The decision, every rule that took part in it, and the attempts that would be made, in this order."""

    at: Instant
    allowed: bool
    code: str
    reason: str
    rule: str
    data_class: str
    attempts: tuple[AttemptShown, ...]
    considered: tuple[Considered, ...]
    grants: tuple[Finding, ...]
    rules: tuple[Said, ...]
    """What else took part: the key's narrowing, data classes, the route, limits."""


async def explain(call: Call[Nothing, Explain]) -> ExplanationShown:
    """Decide about a request that is not made."""
    asked = call.body
    async with call.rooms.database.read() as conn:
        key = await _key(call, conn)
        explanation = await call.rooms.explainer.explain(
            key,
            Hypothesis(
                model=asked.model,
                endpoint=asked.endpoint,
                dialect=asked.dialect,
                stream=asked.stream,
                data_class=asked.data_class,
                tags=asked.tags,
                body_bytes=asked.body_bytes,
                max_output_tokens=asked.max_output_tokens,
                address=asked.address,
            ),
            partial(full, conn),
        )
    return _shown(explanation, call.rooms.clock.now_us())


async def _key(call: Call[Nothing, Explain], conn: AsyncConnection) -> VirtualKey:
    """Return the key that would be used: one that there is, or one as it would be made."""
    asked, directory, organization_id = call.body, call.rooms.directory, call.who.organization_id
    if sum(name is not None for name in (asked.virtual_key, asked.team, asked.member, asked.service_account)) != 1:
        raise InvalidRequestError(
            "A request is made with exactly one key.",
            param="virtual_key",
            next_step="Give one of virtual_key, team, member and service_account.",
        )
    if asked.virtual_key is not None:
        found = await call.rooms.issuer.virtual_key(conn, organization_id, asked.virtual_key)
        key = call.rooms.virtual_key(found.id)
        if key is None:
            raise NotFoundError(f"There is no virtual key {asked.virtual_key!r}.")
        return key
    if asked.member is not None:
        member = await directory.member(conn, organization_id, asked.member)
        return unmade_key(organization_id, member.team_id, "member", member.id, member.disabled_at)
    if asked.service_account is not None:
        account = await directory.service_account(conn, organization_id, asked.service_account)
        return unmade_key(organization_id, account.team_id, "service_account", account.id, account.disabled_at)
    team = await directory.team(conn, organization_id, asked.team or "")
    return unmade_key(organization_id, team.id, "service_account", "", None)


def _shown(explanation: Explanation, now_us: int) -> ExplanationShown:
    return ExplanationShown(
        at=instant(now_us),
        allowed=explanation.allowed,
        code=explanation.code,
        reason=explanation.reason,
        rule=explanation.rule,
        data_class=explanation.data_class,
        attempts=tuple(_attempt(attempt) for attempt in explanation.attempts),
        considered=explanation.considered,
        grants=explanation.grants,
        rules=explanation.rules,
    )


def _attempt(attempt: Attempt) -> AttemptShown:
    return AttemptShown(
        credential=attempt.credential,
        provider=attempt.provider,
        model=attempt.model,
        owner=attempt.owner,
        grant=attempt.grant_id,
        breaker=attempt.breaker,
        consents=attempt.consents,
        most=None if attempt.most_pico is None else to_text(attempt.most_pico),
        currency=attempt.currency,
        most_basis=attempt.most_basis,
        held=tuple(
            HeldShown(
                kind=held.kind,
                name=held.name,
                amount=to_text(held.amount),
                limit=None if held.limit is None else to_text(held.limit),
                currency=held.currency,
            )
            for held in attempt.holds
        ),
        refusal=attempt.refusal,
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/explain",
        permission=Permission.GRANT_READ,
        handler=explain,
        summary="Why a key may, or may not, use a model: the rules that decide and the attempts that would be made.",
        body=Explain,
        answer=ExplanationShown,
        errors=(404,),
    ),
)
"""The routes of this resource."""
