"""Which containers a provider opened for an answer: places where its tools run, and keep files between answers. Pure.

Anthropic names one per message, OpenAI one per call of its tools. Whoever names it in another request works on in it.
"""

from datetime import datetime
from typing import Final

import msgspec

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Container(msgspec.Struct):
    id: str = ""
    expires_at: str | None = None


class _Environment(msgspec.Struct):
    container_id: str | None = None


class _Named(msgspec.Struct):
    type: str = ""
    container_id: msgspec.Raw = msgspec.Raw(b"null")
    environment: msgspec.Raw = msgspec.Raw(b"null")


_CONTAINER: Final = msgspec.json.Decoder(_Container | None)
_ENVIRONMENT: Final = msgspec.json.Decoder(_Environment | None)
_ITEM: Final = msgspec.json.Decoder(_Named)
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str | None)


def of_message(container: bytes) -> dict[str, int | None]:
    """Return the `container` of an Anthropic message by its id, with its end in Unix microseconds; empty for none."""
    try:
        found = _CONTAINER.decode(container)
    except _UNREADABLE:
        return {}
    if found is None or not _is_id(found.id):
        return {}
    return {found.id: _instant(found.expires_at)}


def of_items(output: bytes) -> dict[str, int | None]:
    """Return the containers that the `output` of an OpenAI response ran tools in; their end is not told."""
    if b"container_id" not in output:
        return {}
    try:
        items = _ITEMS.decode(output)
    except _UNREADABLE:
        return {}
    return {name: end for item in items for name, end in of_item(bytes(item)).items()}


def of_item(item: bytes) -> dict[str, int | None]:
    """Return the container that one output item ran in. What a model or a file wrote into it is none."""
    try:
        read = _ITEM.decode(item)
        if read.type == "code_interpreter_call":
            name = _TEXT.decode(bytes(read.container_id))
        elif read.type == "shell_call":
            environment = _ENVIRONMENT.decode(bytes(read.environment))
            name = environment.container_id if environment else None
        else:
            return {}
    except _UNREADABLE:
        return {}
    return {name: None} if name is not None and _is_id(name) else {}


def _is_id(name: str) -> bool:
    return 0 < len(name) <= 255 and name.isascii() and name.isprintable()


def _instant(text: str | None) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000_000) if text else None
    except (ValueError, OverflowError):
        return None
