"""Credentials as others name them: the organization's own by id or name, else the platform's."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import NotFoundError
from keystead.domain.ids import CredentialId
from keystead.web.admin.route import Call


async def credential_id(call: Call[Any, Any], conn: AsyncConnection, reference: str) -> CredentialId:
    """Return the id of the credential of that id or name.

    Raises:
        NotFoundError: neither the organization nor the platform has one.
    """
    try:
        return (await call.rooms.credentials.get(conn, call.who.organization_id, reference)).id
    except NotFoundError:
        for view in await call.rooms.credentials.platform(conn):
            if reference in {view.id, view.name}:
                return view.id
        raise


async def credential_names(call: Call[Any, Any], conn: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of credentials by their ids."""
    own = await call.rooms.credentials.list(conn, call.who.organization_id)
    platform = await call.rooms.credentials.platform(conn)
    return {view.id: view.name for view in (*own, *platform) if view.id in ids}
