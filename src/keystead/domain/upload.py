"""A form that is too large to be held in memory: what the floors below the web need to know of it."""

from collections.abc import Iterator, Mapping
from typing import Protocol


class Upload(Protocol):
    """A multipart form with one file, all of it received."""

    @property
    def size(self) -> int:
        """Bytes of the whole form."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Its small fields."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the form's bytes as they came."""

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the lines of its file, without their ends; one that is longer than `longest` comes cut to one more."""

    def whole(self) -> bytes:
        """Return all of it. For those who know that it is small."""
