"""Ids for calls that came without any (Gemini's need none), for a dialect that wants one in each call and result. Pure."""

from collections import defaultdict, deque


class UnnamedCalls:
    """Makes ids that are the same every time the conversation is sent again."""

    def __init__(self, prefix: str) -> None:
        """`prefix` is what the dialect's own ids begin with."""
        self._prefix = prefix
        self._made = 0
        self._open: defaultdict[str, deque[str]] = defaultdict(deque)
        """By the tool's name: the ids of its calls that are not yet answered, in their order."""

    def called(self, name: str) -> str:
        """Return the id of a call of the tool `name`."""
        self._made += 1
        made = f"{self._prefix}{self._made}"
        self._open[name].append(made)
        return made

    def answered(self, name: str) -> str:
        """Return the id of the call that a result of the tool `name` answers: results come in the order of the calls."""
        made = self._open[name]
        return made.popleft() if made else f"{self._prefix}unknown"
