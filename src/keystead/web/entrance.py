"""Who comes in on the data plane: the virtual key that is shown, and what failing too often means."""

from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import AuthenticationError
from keystead.gateway.snapshots import Snapshots
from keystead.web.failures import Failures


class Entrance:
    """Lets virtual keys in."""

    def __init__(self, *, snapshots: Snapshots, clock: Clock) -> None:
        """Know the keys of the current snapshot."""
        self._snapshots = snapshots
        self._failures = Failures(clock)

    def virtual_key(self, shown: str, address: str) -> VirtualKey:
        """Return the key that is shown.

        Raises:
            AuthenticationError: it is none, or this address has shown too many that are not valid.
        """
        try:
            return self._snapshots.virtual_key(shown)
        except AuthenticationError as error:
            if self._failures.count(address, shown):
                raise AuthenticationError(
                    "Too many requests with a key that is not valid.",
                    code="too_many_failures",
                    status=429,
                    headers={"retry-after": "60"},
                ) from error
            raise
