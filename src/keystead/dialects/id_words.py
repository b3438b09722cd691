"""What in a path or a body could be the id of a stored object, where no dialect says in which member ids stand. Pure."""

import re
from typing import Any, Final
from urllib.parse import unquote

from keystead.dialects.taking import decoded
from keystead.domain.errors import InvalidRequestError

_ID: Final = re.compile(
    r"(?:cachedContents/|files/|fileSearchStores/)?([A-Za-z0-9][A-Za-z0-9_-]{5,254})(?::[A-Za-z]{1,40})?"
)
_IN_URI: Final = re.compile(r"(?:cachedContents|files|fileSearchStores)/+([A-Za-z0-9][A-Za-z0-9_-]{5,254})")
_LONGEST_URI: Final = 4_096
_IN_FORM: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_-]{5,254}")
MOST: Final = 5_000
"""Words that are looked up for one request."""


def id_words(path: str, body: bytes, *, is_form: bool) -> frozenset[str]:
    """Return every word that could be an id: parts of the path, and whole texts of a JSON body or words of a form.

    Raises:
        InvalidRequestError: there are too many to look up, or the body is no JSON.
    """
    words = {found[1] for part in path.split("/") if (found := _ID.fullmatch(part))}
    if is_form:
        words |= {word.decode() for word in _IN_FORM.findall(body)}
    elif body:
        for text in _texts(decoded(body)):
            if found := _ID.fullmatch(text):
                words.add(found[1])
            elif len(text) <= _LONGEST_URI and ("/" in text or "%" in text):
                words.update(_IN_URI.findall(unquote(unquote(text))))
    if len(words) > MOST:
        raise InvalidRequestError(
            f"The body has more than {MOST} words that could be ids.",
            code="too_many_references",
            next_step="Upload it as a file first, and name the file.",
        )
    return frozenset(words)


def _texts(value: Any) -> list[str]:
    """Return all texts in what was parsed, names of members included; the parser has bounded how deep it is."""
    texts: list[str] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each)
            waiting.extend(each.values())
    return texts
