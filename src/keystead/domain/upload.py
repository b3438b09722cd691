"""A file that is too large to be held in memory: what the floors below the web need to know of it."""

from collections.abc import Iterator, Mapping
from typing import Protocol


class Upload(Protocol):
    """A multipart form with one file, or a piece of a file without a form around it; all of it received."""

    @property
    def size(self) -> int:
        """Bytes of all of it."""

    @property
    def is_part(self) -> bool:
        """It is not the whole file."""

    @property
    def fields(self) -> Mapping[str, str]:
        """The small fields of the form."""

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes as they came."""

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the lines of its file, without their ends; one that is longer than `longest` comes cut to one more."""

    def form(self, content_type: bytes) -> tuple[bytes, bytes]:
        """Return all of it as a form, and that form's content type. For those who know that it is small.

        Args:
            content_type: the one that it came with.
        """
