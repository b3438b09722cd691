"""What there can be a price of. Pure."""

from typing import Final

from keystead.domain.usage import COUNTS

UNITS: Final = frozenset(
    {
        *COUNTS,
        "annotated_pages",
        "audio_seconds",
        "cached_token_hours",
        "characters",
        "file_searches",
        "images",
        "pages",
        "requests",
        "search_units",
        "text_messages",
        "web_searches",
    }
)
"""The names of all units: the token counts, and what else providers bill."""
