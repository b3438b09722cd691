"""Access tokens that were got for a key: kept in memory for as long as they hold, and got once for all who wait.

A token belongs to one version of one credential. It is renewed before its end, by one fetch, while those who ask keep
using the old one; and it is forgotten as soon as its version is revoked or replaced.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from keystead.domain.clock import Clock
from keystead.domain.credential import Credential

_SKEW_S: Final = 10.0
"""How long before its end a token is no longer used: it travels for a while, and clocks differ."""

_RENEWED_BEFORE_S: Final = 300.0
"""How long before that it is renewed, or for the last quarter of a short life."""

_TRIED_AGAIN_S: Final = 30.0
"""How long after a renewal that failed the next one is tried, while the old token holds."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A token, as it was given."""

    token: str
    lifetime_s: float

    def __repr__(self) -> str:
        """Return nothing of the token."""
        return f"Grant(…, lifetime_s={self.lifetime_s})"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Whose token it is."""

    organization_id: str
    credential_id: str
    version: int
    settings: tuple[tuple[str, str], ...]
    """Where the token comes from: settings change without a new version."""


Fetch = Callable[[], Awaitable[Grant]]


class TokenSource:
    """Gets a token anew each time, as a probe must: a kept one would prove a key that has been withdrawn since."""

    async def token(self, _credential: Credential, fetch: Fetch) -> str:
        """Return a token for `credential`.

        Raises:
            ProviderError: `fetch` could get none.
        """
        return (await fetch()).token

    def forget(self, credential: Credential) -> None:
        """Use no token of `credential` again: the provider refused it."""


class Tokens(TokenSource):
    """Keeps tokens. It belongs to one event loop."""

    def __init__(self, clock: Clock) -> None:
        """Hold none yet."""
        self._clock = clock
        self._held: dict[Holder, _Held] = {}
        self._fetching: dict[Holder, asyncio.Task[Grant]] = {}
        self._running: set[asyncio.Task[Grant]] = set()
        """Also those whose tokens nobody will keep: the loop itself holds tasks only weakly."""

    async def token(self, credential: Credential, fetch: Fetch) -> str:
        """Return the token of the credential's active version, which `fetch` gets if none is held."""
        holder = _holder(credential)
        held = self._held.get(holder)
        now_us = self._clock.monotonic_us()
        if held is not None and now_us < held.ends_us:
            if now_us >= held.renewed_us and holder not in self._fetching:
                _ = self._begin(holder, fetch)
            return held.token
        fetching = self._fetching.get(holder) or self._begin(holder, fetch)
        return (await asyncio.shield(fetching)).token  # a caller who leaves must not take it from the others

    def forget(self, credential: Credential) -> None:
        """Use no token of `credential` again: the provider refused it."""
        self._held.pop(_holder(credential), None)

    def retain(self, credentials: Iterable[Credential]) -> None:
        """Forget every token but those of these credentials' active versions, and those that have ended."""
        if not self._held and not self._fetching:
            return
        now_us = self._clock.monotonic_us()
        self._held = {holder: held for holder, held in self._held.items() if now_us < held.ends_us}
        alive = {(each.id, each.active.version) for each in credentials if each.active is not None}
        for holder in [*self._held, *self._fetching]:
            if (holder.credential_id, holder.version) not in alive:
                self._held.pop(holder, None)
                self._fetching.pop(holder, None)  # what it brings is given to those who wait, and not kept

    def _begin(self, holder: Holder, fetch: Fetch) -> asyncio.Task[Grant]:
        task = self._fetching[holder] = asyncio.get_running_loop().create_task(_awaited(fetch), name="access token")
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(holder, done))
        return task

    def _ended(self, holder: Holder, task: asyncio.Task[Grant]) -> None:
        self._running.discard(task)
        failed = task.cancelled() or task.exception() is not None
        if self._fetching.get(holder) is not task:
            return
        del self._fetching[holder]
        now_us = self._clock.monotonic_us()
        if not failed:
            self._held[holder] = _held(task.result(), now_us)
        elif holder in self._held:
            self._held[holder].renewed_us = now_us + _micros(_TRIED_AGAIN_S)


class _Held(msgspec.Struct, kw_only=True):
    """A token, and when it is renewed and ends (monotonic)."""

    token: str
    renewed_us: int
    ends_us: int

    def __repr__(self) -> str:
        """Return nothing of the token."""
        return f"_Held(…, ends_us={self.ends_us})"


def _held(grant: Grant, now_us: int) -> _Held:
    usable_s = max(0.0, grant.lifetime_s - _SKEW_S)
    renewed_s = usable_s - min(_RENEWED_BEFORE_S, usable_s / 4)
    return _Held(token=grant.token, renewed_us=now_us + _micros(renewed_s), ends_us=now_us + _micros(usable_s))


def _holder(credential: Credential) -> Holder:
    return Holder(
        organization_id=credential.organization_id,
        credential_id=credential.id,
        version=credential.active.version if credential.active is not None else 0,
        settings=tuple(sorted(credential.settings.items())),
    )


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)


async def _awaited(fetch: Fetch) -> Grant:
    return await fetch()
