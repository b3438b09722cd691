"""How sensitive a request is, and what must not leave in it. Pure.

The class is the highest of what the team and the virtual key say, what the caller adds in a header, and what the
organization's recognisers find in the body. Nothing lowers it.
"""

from typing import Final

import msgspec

from keystead.dialects.body import read_json
from keystead.domain.errors import InvalidRequestError, PolicyDenied
from keystead.domain.grants import DataClass
from keystead.gateway.ask import Ask
from keystead.gateway.rules import Caller

DATA_CLASS: Final = b"x-keystead-data-class"
TAGS: Final = b"x-keystead-tags"

_MOST_TAGS: Final = 16
_LONGEST_TAG: Final = 128


def inspect(caller: Caller, ask: Ask) -> tuple[Ask, DataClass]:
    """Return the request as it may leave, and its data class.

    Raises:
        InvalidRequestError: the header names a class that the organization does not have.
        PolicyDenied: a recogniser that blocks has found something (`blocked_content`).
    """
    classes = caller.rules.classes
    names = [*caller.data_classes]
    said = ask.headers.get(DATA_CLASS)
    if said is not None:
        names.append(_known(caller, said.decode("latin-1").strip()))
    recognizers = caller.rules.recognizers
    if recognizers is not None and ask.body:
        found = recognizers.scan(ask.body)
        if found.blocked_by is not None:
            raise PolicyDenied(
                f"The request holds what the recogniser {found.blocked_by!r} blocks.",
                code="blocked_content",
                next_step="Take it out of the prompt, or ask who keeps the recognisers.",
            )
        names.extend(found.data_classes)
        if found.redacted is not None:
            ask = msgspec.structs.replace(
                ask, body=found.redacted, json=read_json(found.redacted) if ask.json is not None else None
            )
    return ask, classes.highest(names)


def tags_of(ask: Ask) -> dict[str, str]:
    """Return the caller's tags (`name=value, …` in a header), for conditions and chargeback.

    Raises:
        InvalidRequestError: malformed, or too many.
    """
    said = ask.headers.get(TAGS)
    if said is None:
        return {}
    tags: dict[str, str] = {}
    for part in said.decode("latin-1").split(","):
        name, equals, value = (text.strip() for text in part.partition("="))
        if not equals or not name or max(len(name), len(value)) > _LONGEST_TAG or not part.isprintable():
            raise InvalidRequestError(
                "The header x-keystead-tags must be `name=value, name=value`.", code="invalid_tags"
            )
        tags[name] = value
    if len(tags) > _MOST_TAGS:
        raise InvalidRequestError(f"There may be {_MOST_TAGS} tags at most.", code="invalid_tags")
    return tags


def _known(caller: Caller, name: str) -> str:
    if caller.rules.classes.get(name) is None:
        raise InvalidRequestError(
            f"There is no data class {name[:64]!r}.",
            code="unknown_data_class",
            next_step="`keystead data-class list` shows those of your organization.",
        )
    return name
