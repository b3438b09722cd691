"""A bound on long work of one kind: whoever finds no place free is told to come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from keystead.domain.errors import ConflictError

MOST_SIMULATIONS: Final = 2
"""At once in one process: they read much, and decide about all of it between the requests of others."""


class Places:
    """So many at once, in this process."""

    def __init__(self, most: int, *, code: str, what: str, wait_s: int) -> None:
        """Let `most` in. Others are refused with `code`, which `what` explains, and told to wait."""
        self._free = most
        self._code = code
        self._what = what
        self._wait_s = wait_s

    def require(self) -> None:
        """Refuse where no place is free.

        Raises:
            ConflictError: none is (429, with Retry-After).
        """
        if self._free <= 0:
            raise ConflictError(
                self._what,
                code=self._code,
                status=429,
                next_step="Wait as long as Retry-After says, then try again.",
                headers={"retry-after": str(self._wait_s)},
            )

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place, and give it back at the end.

        Raises:
            ConflictError: as `require`.
        """
        self.require()
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


def for_simulations() -> Places:
    """Return the places for simulations in one process."""
    return Places(
        MOST_SIMULATIONS,
        code="simulations_busy",
        what=f"{MOST_SIMULATIONS} simulations run already, as many as may.",
        wait_s=10,
    )
