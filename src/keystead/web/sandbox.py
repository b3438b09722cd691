"""The credential of the built-in sandbox provider, which every organization has."""

import secrets

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.credential import Credential
from keystead.domain.errors import NotFoundError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.secret import Secret
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.providers.table import PROVIDERS
from keystead.vault.credentials import Credentials


async def ensure_sandbox(conn: AsyncConnection, credentials: Credentials, organization_id: OrganizationId) -> None:
    """Give the organization its sandbox credential, so that the first call takes the same way as every later one."""
    origin = PROVIDERS["sandbox"].origin
    assert origin is not None, "the sandbox has its own origin"
    try:
        await credentials.get(conn, organization_id, "sandbox")
    except NotFoundError:
        sandbox = Credential(
            id=CredentialId(""),
            organization_id=organization_id,
            name="sandbox",
            provider="sandbox",
            origin=origin,
            settings={},
            owner=Owner.SANDBOX,
            region="",
            models=None,
            on_disconnect=OnDisconnect.DRAIN,
            active=None,
        )
        key = Secret(f"sandbox-{secrets.token_hex(16)}")
        await credentials.add(conn, candidate=sandbox, actor_id="bootstrap", key=key, activate=True)
