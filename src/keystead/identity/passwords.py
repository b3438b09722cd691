"""Passwords: which are good enough, and how they are kept (argon2id, RFC 9106's second recommended option)."""

import asyncio
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from keystead.domain.errors import InvalidRequestError
from keystead.domain.secret import Secret

MIN_LENGTH: Final = 12
"""Characters. Length is what counts, not kinds of characters (NIST SP 800-63B §3.1.1.2)."""
MAX_LENGTH: Final = 256
_AT_ONCE: Final = 2
"""Each takes 64 MiB and a core for some 50 ms: a burst of sign-ins must not take the gateway's memory and time."""


class Passwords:
    """Hashes and checks passwords, away from the event loop. It is made inside the loop it serves."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Hash as RFC 9106 recommends; tests bring a cheaper `hasher`."""
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, password: Secret) -> str:
        """Return what is kept of a password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, normal(password.reveal()))

    async def verify(self, kept: str | None, password: Secret) -> bool:
        """Say whether `password` is the one of which `kept` is kept; None, for nobody's, takes as long and is never."""
        if self._nobodys is None:
            self._nobodys = await self.hash(Secret("nobody has this password"))
        async with self._turns:
            same = await asyncio.to_thread(self._same, kept or self._nobodys, password)
        return same and kept is not None

    def _same(self, kept: str, password: Secret) -> bool:
        try:
            return self._hasher.verify(kept, normal(password.reveal()))
        except (VerifyMismatchError, InvalidHashError):
            return False


def normal(password: str) -> str:
    """Return the one spelling of a password: keyboards write the same letter in several ways (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def require_good(password: Secret, *, email: str) -> None:
    """Let a password through that is not easily guessed.

    Raises:
        InvalidRequestError: it is too short, too long, the e-mail address, or hardly any different characters.
    """
    text = normal(password.reveal())
    if len(text) < MIN_LENGTH:
        raise _refused(f"The password is shorter than {MIN_LENGTH} characters.", "Take a few words of your own.")
    if len(text) > MAX_LENGTH:
        raise _refused(f"The password is longer than {MAX_LENGTH} characters.", "Take a shorter one.")
    name = email.partition("@")[0]
    if text.lower() in {email, name * (len(text) // max(1, len(name)))} or len(set(text)) < 5:
        raise _refused("The password is easily guessed.", "Take a few words that say nothing about you.")


def _refused(message: str, next_step: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="weak_password", param="password", next_step=next_step)
