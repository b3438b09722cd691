"""Pictures, documents, recordings and films, in Converse's words and out of them. Pure.

Converse takes them as bytes, or from S3, and knows them by the endings of files. It fetches no other URL.
"""

import base64
import binascii
import re
from typing import Any, Final

from keystead.dialects.taking import Taking, wrong
from keystead.domain.chat import Media

Json = dict[str, Any]

_BY_TYPE: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
}
_KINDS: Final = {
    "image": frozenset({"png", "jpeg", "gif", "webp"}),
    "document": frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"}),
    "video": frozenset({"mkv", "mov", "mp4", "webm", "flv", "mpeg", "wmv", "three_gp"}),
    "audio": frozenset({"mp3", "wav", "aac", "flac", "ogg", "opus", "m4a", "webm"}),
}
_TYPES: Final = {
    (kind, ending): media_type
    for media_type, ending in reversed(_BY_TYPE.items())
    for kind, endings in _KINDS.items()
    if ending in endings and (media_type.startswith(f"{kind}/") or kind == "document")
}
_TEXTS: Final = re.compile(r"text/[\w.+-]+|application/(?:json|xml|yaml|x-yaml|javascript)")
"""Documents that are text, whatever they are called."""
_IN_S3: Final = "s3://"
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9\-()\[\]]+")
_LONGEST_NAME: Final = 180


def written(part: Media, names: set[str]) -> Json | None:
    """Return the content block of a part; None: Converse takes no such thing.

    Args:
        part: What is shown to the model.
        names: Of the documents so far, which must all be different; that of this one is added.
    """
    ending = _ending(part)
    source = _source(part)
    if ending is None or source is None:
        return None
    block: Json = {"format": ending, "source": source}
    if part.kind == "document":
        block = {"name": _name(part, names), **block}
    return {part.kind: block}


def read(kind: str, block: Taking, cache: str = "") -> Media:
    """Read a content block of a request."""
    ending = block.text("format", "txt" if kind == "document" else "")
    media_type = _TYPES.get((kind, ending))
    if media_type is None:
        raise wrong(block.at("format"), f"a format of {kind}s that is known here")
    source = block.inner("source")
    if source is None:
        raise wrong(block.at("source"), "an object")
    data, url = source.text("bytes"), ""
    if (plain := source.take("text")) is not None:
        if not isinstance(plain, str):
            raise wrong(source.at("text"), "a text")
        data = base64.b64encode(plain.encode()).decode()
    if (location := source.inner("s3Location")) is not None:
        url = location.needed_text("uri")
    if not data and not url:
        raise wrong(block.at("source"), "bytes, text or s3Location")
    return Media(kind=kind, media_type=media_type, data=data, url=url, name=block.text("name"), cache=cache)  # type: ignore[arg-type]


def type_of(kind: str, ending: str) -> str:
    """Return the media type of a format; empty if it is not known."""
    return _TYPES.get((kind, ending), "")


def _ending(part: Media) -> str | None:
    found = _BY_TYPE.get(part.media_type)
    if found is None and part.url:
        found = {"jpg": "jpeg"}.get(suffix := part.url.rpartition(".")[2].lower(), suffix)
    if found is None and part.kind == "document" and _TEXTS.fullmatch(part.media_type):
        found = "txt"
    return found if found in _KINDS[part.kind] else None


def _source(part: Media) -> Json | None:
    if part.data:
        return {"bytes": part.data} if _is_base64(part.data) else None
    return {"s3Location": {"uri": part.url}} if part.url.startswith(_IN_S3) else None


def _is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True


def _name(part: Media, names: set[str]) -> str:
    """Return a name in the few characters that are allowed, unlike every other one."""
    plain = _NOT_IN_A_NAME.sub(" ", part.name).strip()[:_LONGEST_NAME] or "document"
    name, number = plain, 1
    while name in names:
        number += 1
        name = f"{plain} {number}"
    names.add(name)
    return name
