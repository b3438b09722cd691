"""Names of rules that have none in the database: grants and consents. Pure.

A document needs a name for each, or a rule whose text changes would not be a changed rule but a second one, and the
first, wider one would stay in force. The name is kept at the beginning of the rule's note, `name: why it is there`,
where people read it too: a refusal that quotes the note says which line of which file it comes from. A rule that was
made elsewhere, without such a note, goes by its id.
"""

import re
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

_NOTED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,79})(?:: (.*))?")


class Noted(Protocol):
    """A rule with a note."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def note(self) -> str:
        """Its note."""


R = TypeVar("R", bound=Noted)


def named(rules: Iterable[R]) -> dict[str, tuple[R, str]]:
    """Return name → (rule, the rest of its note). Of two with the same name the older one has it."""
    found: dict[str, tuple[R, str]] = {}
    for rule in sorted(rules, key=lambda rule: rule.id):
        match = _NOTED.fullmatch(rule.note)
        if match is not None and match[1] not in found:
            found[match[1]] = (rule, match[2] or "")
        else:
            found[rule.id] = (rule, rule.note)
    return found


def noted(name: str, note: str) -> str:
    """Return the note that keeps a rule's name."""
    return f"{name}: {note}" if note else name
