"""What the overview and its parts can be by. Pure."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from keystead.web.console.pages.periods import Span

DIMENSIONS: Final = {"team": "Team", "model": "Model", "credential": "Credential", "provider": "Provider"}


def dimension_of(query: Mapping[str, str]) -> str:
    """Return the dimension that an address asks for; teams if it asks for none that there is."""
    by = query.get("by", "")
    return by if by in DIMENSIONS else "team"


def tabs_of(span: Span, by: str) -> list[tuple[str, str, bool]]:
    """Return where the same span is by each dimension, in words, and which of them is shown."""
    return [
        (f"?{urlencode({'span': span.name, 'by': name})}", f"{title}s", name == by)
        for name, title in DIMENSIONS.items()
    ]
