"""The containers that one answer names: bound to its caller before the caller reads their names."""

from keystead.domain.records import AttemptIntent, RequestIntent
from keystead.gateway.holdings import Holdings


class Opened:
    """Collects them while the answer passes."""

    def __init__(self, holdings: Holdings, request: RequestIntent, attempt: AttemptIntent) -> None:
        """Begin, with none."""
        self.named: dict[str, int | None] = {}
        """What the meter has read since `bind` was last called, by id with its end in Unix microseconds."""
        self._holdings = holdings
        self._request = request
        self._attempt = attempt
        self._bound: set[str] = set()

    async def bind(self) -> None:
        """Bind what is new; durable when it returns."""
        new = {name: end for name, end in self.named.items() if name not in self._bound}
        self.named.clear()
        self._bound |= new.keys()
        if new:
            await self._holdings.keep_containers(self._request, self._attempt, new)
