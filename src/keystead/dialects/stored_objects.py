"""What a provider tells of a stored object: its id, how far its work is, what came out of it. Pure."""

from datetime import datetime
from typing import Final

import msgspec

from keystead.domain.stored import ObjectKind

_ENDED: Final = {
    ObjectKind.BATCH: frozenset({"completed", "failed", "expired", "cancelled"}),
    ObjectKind.MESSAGE_BATCH: frozenset({"ended"}),
    ObjectKind.RESPONSE: frozenset({"completed", "failed", "cancelled", "incomplete"}),
}
_NAMED: Final = {
    ObjectKind.CACHED_CONTENT: "cachedContents/",
    ObjectKind.GEMINI_FILE: "files/",
    ObjectKind.FILE_SEARCH_STORE: "fileSearchStores/",
}
"""What stands before the id in a name of Gemini's."""
_RESULTS_LAST_US: Final = 29 * 86_400 * 1_000_000
"""How long Anthropic gives out the results of a message batch: since it was made, and so 28 days beyond the day it has.
https://platform.claude.com/docs/en/build-with-claude/batch-processing"""
_DEADLINE_US: Final = 86_400 * 1_000_000
LONGEST: Final = 256 * 1024
"""Bytes of an object that are kept to be listed."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What matters here of an object."""

    upstream_id: str
    status: str = ""
    ended: bool = False
    """Its work has come to an end, whichever."""
    result_file: str | None = None
    """The file with the results of a batch."""
    outputs: tuple[str, ...] = ()
    """Files that hold what came of it, results and errors."""
    expires_at: int | None = None
    """When its provider keeps it no longer, in Unix microseconds. Of a batch never its deadline."""


class _Object(msgspec.Struct):
    id: str = ""
    name: str | None = None
    status: str | None = None
    processing_status: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int | str | None = None
    expires_at: int | str | None = None
    expireTime: str | None = None  # noqa: N815 - Gemini's own word
    expirationTime: str | None = None  # noqa: N815 - and for its files


_OBJECT: Final = msgspec.json.Decoder(_Object)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def told(kind: ObjectKind, body: bytes) -> Told | None:
    """Return what `body` tells of an object; None if it is none."""
    try:
        read = _OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    name = (read.name or "").removeprefix(_NAMED[kind]) if kind in _NAMED else read.id
    if not 0 < len(name) <= 255 or not name.isascii() or not name.isprintable():
        return None
    status = (read.processing_status if kind is ObjectKind.MESSAGE_BATCH else read.status) or ""
    files = (read.output_file_id, read.error_file_id)
    return Told(
        upstream_id=name,
        status=status,
        ended=status in _ENDED.get(kind, ()),
        result_file=read.output_file_id or None if kind is ObjectKind.BATCH else None,
        outputs=tuple(file for file in files if file) if kind is ObjectKind.BATCH else (),
        expires_at=_end(kind, read),
    )


def as_shown(kind: ObjectKind, body: bytes) -> bytes:
    """Return an object as a caller of ours may read it.

    Anthropic tells the results by a whole URL, and its SDK would go there with our key, past us. A path takes it to
    where it asked before.
    """
    if kind is not ObjectKind.MESSAGE_BATCH or b"results_url" not in body:
        return body
    read = told(kind, body)
    if read is None:
        return body
    try:
        members = _MEMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a name that nobody asked for is no text
        return body
    if bytes(members.get("results_url", b"null")) == b"null":
        return body
    members["results_url"] = msgspec.Raw(msgspec.json.encode(f"/v1/messages/batches/{read.upstream_id}/results"))
    return msgspec.json.encode(members)


def _end(kind: ObjectKind, read: _Object) -> int | None:
    """Return when the object is there no longer. What a batch calls its end is when its work has to be done."""
    if kind is ObjectKind.BATCH:
        return None
    if kind is not ObjectKind.MESSAGE_BATCH:
        return _instant(read.expireTime or read.expirationTime or read.expires_at)
    made, deadline = _instant(read.created_at), _instant(read.expires_at)
    if made is None and deadline is not None:
        made = deadline - _DEADLINE_US
    return None if made is None else made + _RESULTS_LAST_US


def _instant(value: int | str | None) -> int | None:
    if isinstance(value, int):
        return value * 1_000_000 if 0 < value < 10**11 else None
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1_000_000) if value else None
    except (ValueError, OverflowError):
        return None
