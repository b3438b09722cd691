"""The content of messages in OpenAI's chat completions, read and written. Pure."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

from keystead.dialects.taking import Taking, wrong
from keystead.domain.chat import Loss, Media, Part, Refusal, Text, Thinking

_AUDIO: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
_PDF: Final = "application/pdf"
_DOCUMENTS: Final = {"txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html"}
"""Media types by the ending of a file's name, where a file comes as bare base64."""
_TEXTUAL: Final = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_OWN_FILE: Final = "file-"
"""How OpenAI's file ids begin; another provider's file it cannot read."""
_LONG_LIVED: Final = frozenset({"1h", "12h", "24h"})


# -- reading ----------------------------------------------------------------------------------------------------------


def read_content(message: Taking, losses: list[Loss]) -> list[Part]:
    """Read the content of a message: a text or a list of parts. Null is none."""
    value: Any = message.take("content")
    if value is None:
        return []
    if isinstance(value, str):
        return [Text(text=value)]
    parts: list[Part] = []
    for part in Taking({"content": value}, message.place).objects("content"):
        read = _READ.get(part.needed_text("type"))
        if read is None:
            losses.append(Loss(field=part.at("type"), grave=True))
            continue
        parts.append(read(part, losses))
        losses.extend(part.left())
    return parts


def read_images(message: Taking, losses: list[Loss]) -> list[Part]:
    """Read the pictures that a model made, as OpenRouter and this gateway put them beside the content."""
    parts: list[Part] = []
    for part in message.objects("images"):
        part.hints("type", "index")
        parts.append(_image(part, losses))
        losses.extend(part.left())
    return parts


def cache_mark(holder: Taking, losses: list[Loss]) -> str:
    """Read a prompt-cache mark: OpenAI's own, or Anthropic's, which many look-alikes pass on.

    OpenAI's least lifetime, 30 minutes, costs what Anthropic's of five minutes does, and each use prolongs that.
    """
    mark = holder.inner("cache_control")
    own = holder.inner("prompt_cache_breakpoint")
    if mark is None and own is None:
        return ""
    lifetimes = set()
    for given, kind in ((mark, "type"), (own, "mode")):
        if given is not None:
            given.take(kind)
            lifetimes.add(given.text("ttl"))
            losses += [Loss(field=loss.field, grave=False) for loss in given.left()]
    return "1h" if lifetimes & _LONG_LIVED else "5m"


def _text(part: Taking, losses: list[Loss]) -> Part:
    return Text(text=part.needed_text("text"), cache=cache_mark(part, losses))


def _refusal(part: Taking, _losses: list[Loss]) -> Part:
    return Refusal(text=part.needed_text("refusal"))


def _thinking(part: Taking, losses: list[Loss]) -> Part:
    """Mistral's: a list of texts."""
    words = []
    for chunk in part.objects("thinking"):
        chunk.take("type")
        words.append(chunk.text("text"))
        losses.extend(chunk.left())
    part.take("closed")
    return Thinking(text="".join(words))


def _image(part: Taking, losses: list[Loss]) -> Part:
    return _linked(part, "image_url", "image", losses)


def _video(part: Taking, losses: list[Loss]) -> Part:
    return _linked(part, "video_url", "video", losses)


def _linked(part: Taking, name: str, kind: Any, losses: list[Loss]) -> Part:
    value: Any = part.take(name)
    given = Taking({"url": value} if isinstance(value, str) else value, part.at(name))
    media_type, data, url = _located(given.needed_text("url"), given.at("url"))
    media = Media(
        kind=kind,
        media_type=media_type,
        data=data,
        url=url,
        detail=given.text("detail"),
        cache=cache_mark(part, losses),
    )
    losses.extend(given.left())
    return media


def _located(url: str, place: str) -> tuple[str, str, str]:
    """Return a URL's media type and data, if it holds them, or else the URL itself as the third."""
    if not url.startswith("data:"):
        if "://" not in url:
            raise wrong(place, "a URL")
        return "", "", url
    head, _, data = url.removeprefix("data:").partition(",")
    media_type, *parameters = head.split(";")
    if "base64" not in parameters or not data:
        raise wrong(place, "a URL, or a data URL in base64")
    return media_type, data, ""


def _audio(part: Taking, losses: list[Loss]) -> Part:
    audio = part.inner("input_audio")
    if audio is None:
        raise wrong(part.at("input_audio"), "an object")
    name = audio.needed_text("format")
    media = Media(
        kind="audio",
        media_type=_AUDIO.get(name, f"audio/{name}"),
        data=audio.needed_text("data"),
        cache=cache_mark(part, losses),
    )
    losses.extend(audio.left())
    return media


def _file(part: Taking, losses: list[Loss]) -> Part:
    file = part.inner("file")
    if file is None:
        raise wrong(part.at("file"), "an object")
    name, content, file_id = file.text("filename"), file.text("file_data"), file.text("file_id")
    media_type, data, url = "", "", ""
    if content.startswith("data:") or "://" in content:
        media_type, data, url = _located(content, file.at("file_data"))
    elif content:
        media_type, data = _DOCUMENTS.get(name.rpartition(".")[2].lower(), _PDF), content
    elif not file_id:
        raise wrong(file.at("file_data"), "a file in base64")
    losses.extend(file.left())
    return Media(
        kind="document",
        media_type=media_type,
        data=data,
        url=url,
        file_id="" if content else file_id,
        name=name,
        cache=cache_mark(part, losses),
    )


_READ: Final = {
    "text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "video_url": _video,
    "input_audio": _audio,
    "file": _file,
}


# -- writing ----------------------------------------------------------------------------------------------------------


def write_parts(parts: list[tuple[Part, str]], losses: list[Loss]) -> Iterator[dict[str, Any]]:
    """Write the parts of a user's message, each given with its place."""
    for part, place in parts:
        match part:
            case Text():
                yield {"type": "text", "text": part.text}
            case Refusal():
                yield {"type": "text", "text": part.text}
            case Media():
                written = _media(part)
                if written is None:
                    losses.append(Loss(field=place, grave=True))
                else:
                    yield written


def image(part: Media) -> dict[str, Any]:
    """Return an image part. One that a provider keeps under an id of its own cannot be written (see `_media`)."""
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": _data_url(part) if part.data else part.url, **detail}}


def _media(part: Media) -> dict[str, Any] | None:
    """Return a part; None: OpenAI takes no such thing."""
    if part.kind == "image":
        return None if part.file_id else image(part)
    if part.kind == "audio":
        name = _FORMATS.get(part.media_type)
        return (
            {"type": "input_audio", "input_audio": {"data": part.data, "format": name}} if part.data and name else None
        )
    if part.kind == "video":
        return None
    if part.file_id:
        return {"type": "file", "file": {"file_id": part.file_id}} if part.file_id.startswith(_OWN_FILE) else None
    return _document(part) if part.data else None


def _document(part: Media) -> dict[str, Any] | None:
    """Return a document; one that is text is shown as text, because OpenAI takes PDF alone."""
    if not part.media_type.startswith(_TEXTUAL):
        return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": _data_url(part)}}
    try:
        text = base64.b64decode(part.data, validate=True).decode()
    except (ValueError, binascii.Error):
        return None
    return {"type": "text", "text": f"{part.name}:\n{text}" if part.name else text}


def _data_url(part: Media) -> str:
    return f"data:{part.media_type or _PDF};base64,{part.data}"
