"""Model families ("the sonnets"), and which of several members is the newest. Pure.

A family's name is a model's name without what tells one release from the next: `claude-sonnet-4-5-20250929` and
`claude-3-5-sonnet` are both of `claude-sonnet`, `gpt-5.4-mini` is of `gpt-mini`. So a model that came out this morning
belongs to its family before any catalogue has heard of it.
"""

import re
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "family:"
"""What a caller writes before a family's name, where otherwise a model's name stands: `family:claude-sonnet`."""

_DATE: Final = re.compile(
    r"[-@](?:20\d\d-?[01]\d-?[0-3]\d|(?:0[1-9]|1[0-2])-20\d\d|20\d\d-(?:0[1-9]|1[0-2])|\d\d(?:0[1-9]|1[0-2])|[01]\d[0-3]\d)"
    r"(?=[-@:]|$)"
)
"""A release's date in a name: 20250929, 2025-09-29, 08-2024, 2025-08, 2512 (year, month), 0613 (month, day)."""
_PREVIEW: Final = re.compile(r"(?:^|-)(?:preview|beta|alpha|exp|experimental)(?=-|$).*")
_NUMBERS: Final = re.compile(r"v?(\d{1,3})(?:[.p](\d{1,3}))?(o?)")
"""A part of a name that is a version: `4`, `5.4`, `v4`, `5p1` (Fireworks), `4o`."""
_LETTER_VERSION: Final = re.compile(r"([a-z]+?)(\d{1,2})(?:\.(\d{1,2}))?")
"""A word that ends in its version: `o3`, `qwen3`, `m2.5`."""
_RESELLER: Final = re.compile(r"(?:(?:us|us-gov|eu|ca|jp|au|apac|global)\.)?(?:anthropic|meta)\.")
"""What Amazon Bedrock puts before its makers' names."""
_SPOKEN: Final = frozenset({"latest", "default"})


def bare_name(model: str) -> str:
    """Return a model's name in lower case without whoever passes it on: `anthropic/claude-opus-5:free` → `claude-opus-5`."""
    name = _RESELLER.sub("", model.lower().rpartition("/")[2], count=1)
    return name if name.startswith("ft:") else name.partition(":")[0].removesuffix("@default")


def family_of(model: str) -> str:
    """Return the family that a name says its model is of; empty for a fine-tuned model, which is one of a kind."""
    name = bare_name(model)
    if name.startswith("ft:") or not name:
        return ""
    words, _ = _read(name)
    return "-".join(words)


def version_of(model: str) -> tuple[int, ...]:
    """Return the version in a name, dates aside: (4, 5) for `claude-sonnet-4-5-20250929`, () if it has none."""
    return _read(bare_name(model))[1]


def is_preview(model: str) -> bool:
    """Say whether a name says that its model is not meant to stay."""
    return _PREVIEW.search(bare_name(model)) is not None


def newest_first(models: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of `models`, each a name and its release date (ISO, empty if unknown), from the newest on.

    What is released comes before previews; then the version in the name counts, then the release date, then the date in
    the name. Of two that are the same so far the shorter name comes first: the one that its maker keeps pointing at it.
    """
    return [name for name, _ in sorted(models, key=lambda each: _rank(*each), reverse=True)]


def _rank(name: str, released: str) -> tuple[bool, tuple[int, ...], str, str, int, str]:
    bare = bare_name(name)
    dates = "".join(re.findall(r"\d", "".join(_DATE.findall(bare))))
    return not is_preview(name), version_of(name), released, dates, -len(name), name


def _read(name: str) -> tuple[list[str], tuple[int, ...]]:
    """Return the words and the version of a bare name."""
    words: list[str] = []
    version: list[int] = []
    for part in re.split(r"[-_@]", _PREVIEW.sub("", _DATE.sub("", name))):
        numbers = _NUMBERS.fullmatch(part)
        spelled = _LETTER_VERSION.fullmatch(part)
        if numbers is not None:
            version += [int(number) for number in numbers.groups()[:2] if number]
        elif spelled is not None:
            words.append(spelled[1])
            version += [int(number) for number in spelled.groups()[1:] if number]
        elif part and part not in _SPOKEN:
            words.append(part)
    return words, tuple(version)
