"""Other people's text as it may be shown: names, models' answers, providers' messages (T33). Pure."""

import unicodedata
from typing import Final

_HARMLESS: Final = frozenset("\n\t")


def inert(text: str) -> str:
    """Return text in which nothing acts: controls, directions (bidi) and other invisible characters are shown by number."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _is_plain(one) else f"⟨U+{ord(one):04X}⟩" for one in text)


def _is_plain(one: str) -> bool:
    return one.isprintable() or one in _HARMLESS or unicodedata.category(one) == "Zs"
