"""Platform credentials, as every organization may see them: what can be bought, and at which margin.

The operator keeps them as credentials of their own organization, with `platform` said when they are added. Where
they point and who looks after them is nobody else's business.
"""

from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.vault.view import CredentialView
from keystead.web.admin.credential_probes import changing
from keystead.web.admin.credential_shapes import CredentialShown, MarginPpm, TermsShown, shown
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Nothing, Page, with_instants


class PlatformCredentialShown(msgspec.Struct, frozen=True, kw_only=True):
    """A credential of the platform, that a grant may name."""

    id: str
    name: str
    provider: str
    region: str
    models: tuple[str, ...] | None
    terms: TermsShown
    """What the operator's contract promises."""
    margin_ppm: int
    """Parts per million added to the provider's cost."""


class ChangeMargin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The margin from the next attempt on. Attempts under way are charged as they began."""

    margin_ppm: MarginPpm


async def list_all(call: Call[Nothing, Nothing]) -> Page[PlatformCredentialShown]:
    """Return every platform credential; a platform has few."""
    async with call.rooms.database.read() as conn:
        views = await call.rooms.credentials.platform(conn)
    return Page(items=tuple(_shown(view) for view in views))


async def change_margin(call: Call[Nothing, ChangeMargin]) -> CredentialShown:
    """Change what is added to the provider's cost."""
    async with act(call) as change:
        before = await changing(call, change.conn)
        after = await call.rooms.credentials.change_margin(
            change.conn,
            organization_id=call.who.organization_id,
            credential=before.id,
            margin_ppm=call.body.margin_ppm,
        )
        await change.record(
            "credential.margin_changed",
            object_kind="credential",
            object_id=before.id,
            before=before.margin_ppm,
            margin_ppm=after.margin_ppm,
        )
    return shown(after)


def _shown(view: CredentialView) -> PlatformCredentialShown:
    return PlatformCredentialShown(
        id=view.id,
        name=view.name,
        provider=view.provider,
        region=view.region,
        models=view.models,
        terms=TermsShown(**with_instants(view.terms)),
        margin_ppm=view.margin_ppm or 0,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/platform-credentials",
        permission=Permission.CREDENTIAL_READ,
        handler=list_all,
        sees="installation",
        summary="Credentials of the platform that may be paid for with credits.",
        answer=Page[PlatformCredentialShown],
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/margin",
        permission=Permission.PLATFORM_CREDENTIALS,
        handler=change_margin,
        summary="Change the margin of a platform credential.",
        body=ChangeMargin,
        answer=CredentialShown,
        errors=(404, 409),
    ),
)
