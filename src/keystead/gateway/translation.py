"""What a request that is put into another dialect offers to whoever sends it and carries its answer back."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import quote

from keystead.domain.errors import ProviderError
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass
from keystead.domain.usage import Usage

Wire = tuple[Dialect, Endpoint]
"""A dialect, and which of its endpoints."""

_MOST_TOLD: Final = 20
_PLAIN: Final = "[]{}()<>=:;/+*@$&!?'\" "
"""What stands in a header as it is, beside letters and digits: neither a comma nor `%`."""


class Translation(Protocol):
    """A request in the provider's words, and its answer's way back into the caller's."""

    body: bytes

    @property
    def tail(self) -> str:
        """The path below the provider's prefix; `{model}` stands for the model."""

    @property
    def query(self) -> str:
        """The query."""

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Headers that the provider is told in place of the caller's of the same names."""

    @property
    def content_type(self) -> bytes:
        """What the caller is sent."""

    @property
    def dropped_header(self) -> bytes:
        """What the provider is not told, for a header."""

    def check(self, content_type: str) -> None:
        """See that the provider answers in the way that it was asked to.

        Raises:
            ProviderError: it sends a stream instead of an answer, or the other way round.
        """

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return a whole answer in the caller's dialect.

        Raises:
            ProviderError: the provider's answer cannot be read.
        """

    def feed(self, chunk: bytes) -> bytes:
        """Return what a piece of the provider's stream becomes for the caller.

        Raises:
            ProviderError: it cannot be read.
        """

    def end(self, usage: Usage | None) -> bytes:
        """Return the end of the caller's stream, once the provider's came to its end.

        Raises:
            ProviderError: it did not come to its own end, or cannot be read.
        """


def garbled(message: str, code: str) -> ProviderError:
    """Return the error for an answer that is not what its dialect says."""
    return ProviderError(message, error_class=ErrorClass.PROTOCOL, sent=True, code=code)


def told(names: Sequence[str]) -> bytes:
    """Return names of members for a header: they come from the caller's body and may hold anything."""
    quoted = [quote(name, safe=_PLAIN) for name in names[:_MOST_TOLD]]
    more = len(names) - len(quoted)
    return ", ".join([*quoted, f"and {more} more"] if more else quoted).encode("ascii")
