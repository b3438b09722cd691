"""How sensitive a request is, and what must not leave in it. Pure.

The class is the highest of what the team and the virtual key say, what the caller adds in a header, and what the
organization's recognisers find in the body. Nothing lowers it.
"""

from typing import Final

import msgspec

from keystead.dialects.body import read_json
from keystead.domain.errors import InvalidRequestError, PolicyDenied
from keystead.domain.grants import DataClass
from keystead.domain.upload import Upload
from keystead.gateway.ask import FORBID_FALLBACK, Ask
from keystead.gateway.rules import Caller
from keystead.metering.outline import Outline
from keystead.policy.recognize import Recognizers

DATA_CLASS: Final = b"x-keystead-data-class"
TAGS: Final = b"x-keystead-tags"

_MOST_LOOKED_INTO: Final = 32 << 20
"""Bytes of a file that recognisers look into."""
_MOST_TAGS: Final = 16
_LONGEST_TAG: Final = 128


def inspect(caller: Caller, ask: Ask) -> tuple[Ask, DataClass]:
    """Return the request as it may leave, with what was seen in it, and its data class.

    Raises:
        InvalidRequestError: the header names a class that the organization does not have.
        PolicyDenied: a recogniser that blocks has found something (`blocked_content`).
    """
    seen = look_into(caller, ask)
    return seen, data_class_of(caller, seen)


def check_fallback(ask: Ask) -> None:
    """Refuse a header about the fallback that says anything but `none`: its writer meant to forbid something.

    Raises:
        InvalidRequestError: `unknown_fallback`.
    """
    said = ask.headers.get(FORBID_FALLBACK)
    if said is not None and not ask.own_only:
        raise InvalidRequestError(
            f"The header x-keystead-fallback cannot be {said.decode('latin-1')[:64]!r}.",
            code="unknown_fallback",
            next_step="Write `none` to keep platform credentials out, or leave the header out. Nothing in it allows them.",
        )


def look_into(caller: Caller, ask: Ask) -> Ask:
    """Return the request as it may leave, with what was seen in it. It takes time that grows with the body.

    Raises:
        PolicyDenied: a recogniser that blocks has found something (`blocked_content`).
    """
    recognizers = caller.rules.recognizers
    raised_to: tuple[str, ...] = ()
    if recognizers is not None and ask.upload is not None:
        raised_to = _look_into_file(recognizers, ask, ask.upload)
    if recognizers is not None and ask.body:
        found = recognizers.scan(ask.body, form_type=None if ask.json is not None else ask.headers[b"content-type"])
        if found.blocked_by is not None:
            raise PolicyDenied(
                f"The request holds what the recogniser {found.blocked_by!r} blocks.",
                code="blocked_content",
                next_step="Take it out of the prompt, or ask who keeps the recognisers.",
            )
        raised_to = found.data_classes
        if found.redacted is not None:
            read = read_json(found.redacted) if ask.json is not None else None
            ask = msgspec.structs.replace(ask, body=found.redacted, json=read, redacted=True)
    return msgspec.structs.replace(ask, asked=ask.wanted, raised_to=raised_to)


def _look_into_file(recognizers: Recognizers, ask: Ask, upload: Upload) -> tuple[str, ...]:
    """Return the classes that a file is raised to. Nothing is taken out of a file: it is refused instead.

    Raises:
        PolicyDenied: it holds what must not leave (`blocked_content`), or is too large to be looked into.
    """
    if upload.size > _MOST_LOOKED_INTO:
        raise PolicyDenied(
            f"A file of more than {_MOST_LOOKED_INTO} bytes cannot be looked into, and your organization looks into all.",
            code="file_not_inspectable",
            status=413,
            next_step="Split it.",
        )
    if upload.is_part and upload.size:
        raise PolicyDenied(
            "A file in several pieces cannot be looked into, and your organization looks into all.",
            code="file_not_inspectable",
            status=413,
            next_step="Send it in one piece; Google's SDKs do so up to 8 MiB.",
        )
    form, form_type = upload.form(ask.headers.get(b"content-type", b""))
    found = recognizers.scan(form, form_type=form_type)
    if found.blocked_by is not None or found.redacted is not None:
        raise PolicyDenied(
            f"The file holds what the recogniser {(found.blocked_by or found.names[0])!r} keeps in.",
            code="blocked_content",
            next_step="Take it out of the file, or ask who keeps the recognisers.",
        )
    return found.data_classes


def data_class_of(caller: Caller, seen: Ask) -> DataClass:
    """Return the data class of a request that has been looked into.

    Raises:
        InvalidRequestError: the header names a class that the organization does not have.
    """
    named = (_known(caller, said_class(seen)),) if DATA_CLASS in seen.headers else ()
    return caller.rules.classes.highest([*caller.data_classes, *named, *(seen.raised_to or ())])


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


def outline_of(caller: Caller, ask: Ask) -> Outline:
    """Return what is kept of a request beside who asks for which model, inspected or not."""
    said = said_class(ask)
    unseen = caller.rules.recognizers is not None and ask.raised_to is None
    return Outline(
        body_bytes=ask.body_bytes,
        asked=ask.wanted,
        said=said if caller.rules.classes.get(said) is not None else "",
        found=None if unseen else ask.raised_to or (),
        redacted=ask.redacted,
        tagged=bool(ask.headers.get(TAGS)),
        stored=bool(ask.stored or ask.action),
        alternatives=names_alternatives(ask),
        own_only=ask.own_only,
    )


def said_class(ask: Ask) -> str:
    """Return the data class that the caller's header names; empty if it names none."""
    return ask.headers.get(DATA_CLASS, b"").decode("latin-1").strip()


def names_alternatives(ask: Ask) -> bool:
    """Say whether the body lets the provider choose among several models (OpenRouter's `models`)."""
    return ask.json is not None and "models" in ask.json.members


def _known(caller: Caller, name: str) -> str:
    if caller.rules.classes.get(name) is None:
        raise InvalidRequestError(
            f"There is no data class {name[:64]!r}.",
            code="unknown_data_class",
            next_step="`keystead data-class list` shows those of your organization.",
        )
    return name
