"""What the room asks of the vault: to keep its secrets sealed. The composition root hands it in."""

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.secret import Secret


class Sealer(Protocol):
    """Seals a secret to the place it is kept in, and opens it there and nowhere else."""

    async def seal(
        self, conn: AsyncConnection, secret: Secret, *, organization_id: str, table: str, record_id: str, bound_to: str
    ) -> bytes:
        """Return the sealed bytes. `bound_to` is what else must not change: the origin that a secret is sent to."""

    async def open(
        self, conn: AsyncConnection, sealed: bytes, *, organization_id: str, table: str, record_id: str, bound_to: str
    ) -> Secret:
        """Return the secret.

        Raises:
            IntegrityError: it was not sealed for this place.
        """
