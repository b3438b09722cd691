"""Hearing that a client has left, without a task per request that waits for it.

ASGI tells a disconnect only to whoever awaits `receive()`, which costs a task for every answer. The connection's
protocol knows it anyway: it keeps one `Departure` and hands it to each request in the ASGI scope's extensions.
"""

from collections.abc import Callable
from typing import Final

EXTENSION: Final = "keystead.departure"
"""The key in `scope["extensions"]`."""


class ClientLeftError(Exception):
    """The client closed the connection before its answer began; there is nobody to answer."""


class Departure:
    """Whether the client at the other end of one connection has left, and who wants to know."""

    __slots__ = ("_watchers", "gone")

    def __init__(self) -> None:
        self.gone = False
        self._watchers: set[Callable[[], None]] = set()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` once when the client leaves; at once if it has left."""
        if self.gone:
            watcher()
        else:
            self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Do not call `watcher` any more."""
        self._watchers.discard(watcher)

    def happen(self) -> None:
        """The connection is lost."""
        self.gone = True
        while self._watchers:
            self._watchers.pop()()
