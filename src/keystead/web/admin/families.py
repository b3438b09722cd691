"""Families of models behind an organization's credentials, and which model each name means now."""

from typing import Annotated, Final

import msgspec

from keystead.catalogue.families import PREFIX
from keystead.domain.access import Permission
from keystead.domain.credential import Credential
from keystead.domain.traffic import Owner
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Nothing, Page, PageQuery, decode_cursor, encode_cursor

_NAMES: Final = 4000


class FamiliesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which families."""

    q: Annotated[str, msgspec.Meta(max_length=100, description="A part of the name.")] = ""
    names: Annotated[
        str, msgspec.Meta(max_length=_NAMES, description="These alone: `claude-sonnet,gpt-mini`. Empty: all.")
    ] = ""


class NewestShown(msgspec.Struct, frozen=True, kw_only=True):
    """The newest member at one credential."""

    credential_id: str | None
    """Null for who may not see credentials, and so is its name; what is then the same is told once."""
    credential: str | None
    provider: str
    owner: Owner
    model: str
    released: str
    """ISO day; empty: not known."""


class FamilyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A family. Which of several credentials is meant depends on who asks: `POST /explain` says it for a key."""

    name: str
    """What callers write as the model: `family:claude-sonnet`."""
    newest: tuple[NewestShown, ...]
    """At each credential that has any, by its name."""


async def list_all(call: Call[FamiliesQuery, Nothing]) -> Page[FamilyShown]:
    """Return a page of the families, by name."""
    query = call.query
    credentials = [
        one
        for one in call.rooms.credentials_of(call.who.organization_id)
        if one.active is not None and one.owner is not Owner.SANDBOX
    ]
    known = call.rooms.known_models()
    wanted = {name.strip().lower().removeprefix(PREFIX) for name in query.names.split(",") if name.strip()}
    after = decode_cursor(query.cursor) or ""
    found: dict[str, list[Credential]] = {}
    for credential in credentials:
        for family in known.families(credential):
            if query.q.lower().removeprefix(PREFIX) in family and (not wanted or family in wanted) and family > after:
                found.setdefault(family, []).append(credential)
    items: list[FamilyShown] = []
    for family in sorted(found):
        newest = _newest(call, family, found[family])
        if newest:
            items.append(FamilyShown(name=PREFIX + family, newest=newest))
        if len(items) > query.limit:
            break
    page = items[: query.limit]
    more = len(items) > query.limit
    return Page(items=tuple(page), next_cursor=encode_cursor(page[-1].name.removeprefix(PREFIX)) if more else None)


def _newest(call: Call[FamiliesQuery, Nothing], family: str, credentials: list[Credential]) -> tuple[NewestShown, ...]:
    """Return what the family's name means under each credential; one whose members have all ended means nothing."""
    known, now = call.rooms.known_models(), call.rooms.clock.now_us()
    sees = call.who.may(Permission.CREDENTIAL_READ)
    shown = (
        NewestShown(
            credential_id=credential.id if sees else None,
            credential=credential.name if sees else None,
            provider=credential.provider,
            owner=credential.owner,
            model=meant[0],
            released=known.released(credential, meant[0]),
        )
        for credential in sorted(credentials, key=lambda one: one.name)
        if (meant := known.meant(credential, PREFIX + family, now))
    )
    return tuple(dict.fromkeys(shown))


ROUTES: Final = (
    Route(
        method="GET",
        path="/families",
        permission=Permission.ROUTE_READ,
        handler=list_all,
        summary="Families of models behind your credentials, and which model each name means now.",
        query=FamiliesQuery,
        answer=Page[FamilyShown],
    ),
)
