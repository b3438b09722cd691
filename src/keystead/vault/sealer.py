"""Seals what is no provider key: second factors, client secrets of identity providers, what members save for themselves.

It cannot open a provider key: the field is another, and the field is part of what the envelope is bound to.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.secret import Secret
from keystead.vault.envelope import Binding, open_sealed, seal
from keystead.vault.keyring import Keyring

_FIELD: Final = "secret"


class OrganizationSealer:
    """Seals under the organization's root key."""

    def __init__(self, keyring: Keyring) -> None:
        """Take root keys from `keyring`."""
        self._keyring = keyring

    async def seal(
        self, conn: AsyncConnection, secret: Secret, *, organization_id: str, table: str, record_id: str, bound_to: str
    ) -> bytes:
        """Return the sealed bytes."""
        keys = await self._keyring.root_keys(organization_id, conn)
        newest = max(keys)
        return seal(
            keys[newest], newest, _binding(organization_id, table, record_id, bound_to), secret.reveal().encode()
        )

    async def open(
        self, conn: AsyncConnection, sealed: bytes, *, organization_id: str, table: str, record_id: str, bound_to: str
    ) -> Secret:
        """Return the secret.

        Raises:
            IntegrityError: it was not sealed for this place.
        """
        keys = await self._keyring.root_keys(organization_id, conn)
        return Secret(open_sealed(keys, _binding(organization_id, table, record_id, bound_to), sealed).decode())


def _binding(organization_id: str, table: str, record_id: str, bound_to: str) -> Binding:
    return Binding(
        organization_id=organization_id,
        table=table,
        record_id=record_id,
        field=_FIELD,
        version=1,
        provider="",
        destination=bound_to,
    )
