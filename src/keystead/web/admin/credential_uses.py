"""When credentials were last used, and what last went wrong with them. Who used one: `/usage` with its name."""

from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.traffic import ErrorClass
from keystead.metering.credential_uses import CredentialUse, latest_use
from keystead.web.admin.credential_names import credential_id
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Instant, Nothing, Page, Reference, instant


class CredentialUsesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which credentials."""

    credential: Reference | None = None
    """This one; default: all that are not revoked."""


class FailureShown(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that failed, and not by its caller's fault."""

    request_id: str
    at: Instant
    error_class: ErrorClass
    upstream_status: int | None


class CredentialUseShown(msgspec.Struct, frozen=True, kw_only=True):
    """The latest use of a credential by the organization."""

    credential_id: str
    last_used_at: Instant | None
    """Null: never."""
    last_error: FailureShown | None
    """The last among its latest 500 attempts; null if none of these failed."""


async def list_all(call: Call[CredentialUsesQuery, Nothing]) -> Page[CredentialUseShown]:
    """Return the latest use of each credential."""
    organization_id, rooms = call.who.organization_id, call.rooms
    async with rooms.database.read() as conn:
        if call.query.credential is not None:
            ids = [await credential_id(call, conn, call.query.credential)]
        else:
            ids = [one.id for one in await rooms.credentials.list(conn, organization_id) if one.revoked_at is None]
        found = await latest_use(conn, organization_id, ids)
    return Page(items=tuple(map(_shown, found)))


def _shown(one: CredentialUse) -> CredentialUseShown:
    failed, failure = one.last_error, None
    if failed is not None:
        failure = FailureShown(
            request_id=failed.request_id,
            at=instant(failed.at),
            error_class=failed.error_class,
            upstream_status=failed.upstream_status,
        )
    return CredentialUseShown(
        credential_id=one.credential_id,
        last_used_at=None if one.last_used_at is None else instant(one.last_used_at),
        last_error=failure,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/credential-uses",
        permission=Permission.CREDENTIAL_READ,
        handler=list_all,
        summary="When credentials were last used, and what last went wrong.",
        query=CredentialUsesQuery,
        answer=Page[CredentialUseShown],
        errors=(404,),
    ),
)
