"""Tags of virtual keys, `name=value`: what a report of usage can be by, beside teams and cost centres."""

import re
from typing import Final

MAX_TAGS: Final = 10
"""Of one virtual key."""
MAX_TAG_VALUE: Final = 64
TAG_NAME: Final = r"[a-z][a-z0-9_-]{0,31}"
"""What a tag may be called."""
UNTAGGED: Final = "untagged"
"""What a report calls the line of what had no such tag; its id is empty, which no value of a tag is."""

_DIMENSION: Final = re.compile(f"tag:({TAG_NAME})")


def dimension_of(tag: str) -> str:
    """Return what a report by this tag is by."""
    return f"tag:{tag}"


def tag_of(dimension: str) -> str | None:
    """Return the tag that a report is by, None if the dimension is none of a tag."""
    found = _DIMENSION.fullmatch(dimension)
    return found and found[1]
