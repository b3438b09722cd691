"""Recognisers: what must not leave in a request, or makes it more sensitive than it says. Pure, and linear in the body.

An organization switches on built-in kinds or patterns of its own. Each finding blocks the request, raises its data class
or is redacted. Recognisers keep people from mistakes; who wants to get something past them (in rot13, say) can.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal

import msgspec
import re2

from keystead.policy.patterns import BUILT_IN, OWN, Shape, anchored, compiled, options
from keystead.policy.texts import Texts, form_texts, json_texts

Action = Literal["block", "raise", "redact"]

MOST_REDACTIONS: Final = 10_000
"""A request with more to redact is blocked: it is a data set, and every replacement takes microseconds."""

MOST_LOOKALIKES: Final = 10_000
"""Of so many that look like it and fail the check, one is real: a tenth of all digits passes a check digit by chance, and
each takes microseconds to tell."""

_SET_MEMORY: Final = 64 << 20
"""Bytes that RE2 may use for all built-in patterns at once. When they do not suffice, a set would find nothing."""


class Recognizer(msgspec.Struct, frozen=True, kw_only=True):
    """What an organization has switched on."""

    organization_id: str
    name: str
    kind: str
    """A built-in kind, or `pattern`."""
    pattern: str = ""
    action: Action
    data_class: str = ""
    """What it raises to."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What a body holds."""

    blocked_by: str | None = None
    """The recogniser that blocks the request."""
    data_classes: tuple[str, ...] = ()
    """What the request is raised to."""
    redacted: bytes | None = None
    """The body without what was found; None if nothing is to be redacted."""
    names: tuple[str, ...] = ()
    """The recognisers that found something."""


NOTHING: Final = Findings()


class Recognizers:
    """One organization's recognisers, compiled."""

    __slots__ = ("_numbers", "_own", "_rows", "_set")

    def __init__(self, rows: Iterable[Recognizer]) -> None:
        """Compile: the built-in patterns into one set, which reads the text once for all of them.

        Own patterns stay out of the set. RE2 gives a set up without a word when it needs too much memory, so one
        pattern could blind all others; by itself, it only becomes slower.
        """
        order: dict[str, int] = {"block": 0, "raise": 1, "redact": 2}
        self._rows = tuple(sorted(rows, key=lambda row: order[row.action]))
        self._set = re2.Set.SearchSet(options(max_memory=_SET_MEMORY))
        self._numbers: list[tuple[int, Shape]] = []
        self._own: list[tuple[int, Shape]] = []
        for number, row in enumerate(self._rows):
            if row.kind == OWN:
                self._own.append((number, Shape(f"({row.pattern})")))
                continue
            for shape in BUILT_IN[row.kind]:
                self._set.Add(anchored(shape.pattern))
                self._numbers.append((number, shape))
        if self._numbers:
            self._set.Compile()

    def scan(self, body: bytes, *, form_type: bytes | None = None) -> Findings:
        """Return what `body` holds. A pattern matches within one line of one text.

        Args:
            body: JSON, unless it is a form.
            form_type: the Content-Type of a form.

        Raises:
            InvalidRequestError: it is not the form that it should be.
        """
        texts = json_texts(body) if form_type is None else form_texts(body, form_type)
        candidates = self._candidates(texts.joined)
        if not candidates:
            return NOTHING
        names: list[str] = []
        classes: list[str] = []
        places: list[tuple[int, int, int, str]] = []
        for number, row in enumerate(self._rows):
            found = (place for shape in candidates.get(number, ()) for place in _places(texts, shape))
            if row.action == "redact":
                places.extend((*place, row.name) for place in islice(found, MOST_REDACTIONS + 1))
                if places and places[-1][3] == row.name:
                    names.append(row.name)
                if len(places) > MOST_REDACTIONS:
                    return Findings(blocked_by=row.name, names=tuple(names))
            elif next(found, None) is not None:
                names.append(row.name)
                if row.action == "block":
                    return Findings(blocked_by=row.name, names=tuple(names))
                classes.append(row.data_class)
        redacted = _redacted(texts, places) if places else None
        return Findings(data_classes=tuple(dict.fromkeys(classes)), redacted=redacted, names=tuple(names))

    def _candidates(self, joined: bytes) -> dict[int, list[Shape]]:
        """Return the shapes that may be in there, by the number of their recogniser."""
        found: dict[int, list[Shape]] = {}
        hits = (self._set.Match(joined) or ()) if self._numbers else ()
        for index in sorted(hits):
            number, shape = self._numbers[index]
            found.setdefault(number, []).append(shape)
        for number, shape in self._own:
            if compiled(shape.pattern).search(joined) is not None:
                found.setdefault(number, []).append(shape)
        return found


def _places(texts: Texts, shape: Shape) -> Iterator[tuple[int, int, int]]:
    """Yield where a shape is: the text's number, and from where to where in it."""
    pattern, at, lookalikes = compiled(shape.pattern), 0, 0
    while (match := pattern.search(texts.joined, at)) is not None:
        start, end = match.span(1)
        length = _counted(match.group(1), shape)
        if not length:
            lookalikes += 1
        if length or lookalikes > MOST_LOOKALIKES:
            number, begins = texts.place(start)
            end = start + length - begins if length else end - begins
            if shape.extent is not None:
                end = shape.extent(texts.texts[number], end)
            yield number, start - begins, end
        at = start + max(length, 1)


def _counted(found: bytes, shape: Shape) -> int:
    """Return how much of it passes the check: all, or all but the last groups (`4111 1111 1111 1111 123`), or nothing."""
    if shape.check is None:
        return len(found)
    text = found.decode()
    while text and not shape.check(text):
        text = text.rpartition(" ")[0]
    return len(text)


def _redacted(texts: Texts, places: list[tuple[int, int, int, str]]) -> bytes:
    """Return the body with `[redacted:name]` in these places; where they overlap, once."""
    pieces: dict[int, list[bytes]] = {}
    ends: dict[int, int] = {}
    for number, start, end, name in sorted(places):
        at = ends.get(number, 0)
        if start >= at:
            pieces.setdefault(number, []).extend((texts.texts[number][at:start], f"[redacted:{name}]".encode()))
        ends[number] = max(at, end)
    return texts.body_with(
        {number: b"".join(found) + texts.texts[number][ends[number] :] for number, found in pieces.items()}
    )
