"""Key-encryption keys: what an organization's root keys are wrapped under. The KEK is never in the database."""

from typing import Protocol


class Kek(Protocol):
    """One key-encryption key, wherever it lives."""

    id: str
    """Stored beside every wrap; names the KEK and holds nothing secret."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return `key` encrypted, to be unwrapped only by this KEK with the same `context`."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key wrapped earlier.

        Raises:
            IntegrityError: the bytes, the context or the KEK are not those of the wrap.
        """
