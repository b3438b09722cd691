"""The parts of messages and of tool results in OpenAI's responses format, read and written. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from keystead.dialects.taking import Taking, wrong
from keystead.domain.chat import Citation, Loss, Media, Part, Refusal, Text

_AUDIO: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_PDF: Final = "application/pdf"


def read_content(item: Taking, name: str, losses: list[Loss]) -> Iterator[Part]:
    """Read the content of a message, or a tool's output: a text, or a list of parts."""
    value: Any = item.take(name)
    if value is None:
        return
    if isinstance(value, str):
        yield Text(text=value)
        return
    parts = Taking({name: value}, item.place)
    for part in parts.objects(name):
        kind = part.text("type")
        read = _READ.get(kind)
        if read is None:
            losses.append(Loss(field=f"{part.place}.type={kind or 'missing'}"[:80], grave=True))
            continue
        yield read(part, losses)
        losses.extend(part.left())


def _text(part: Taking, losses: list[Loss]) -> Part:
    citations = tuple(_citation(each) for each in part.objects("annotations"))
    if part.items("logprobs"):
        losses.append(Loss(field=part.at("logprobs"), grave=False))
    losses += part.hints("prompt_cache_breakpoint")
    return Text(text=part.needed_text("text"), citations=citations)


def _citation(annotation: Taking) -> Citation:
    return Citation(
        start=annotation.integer("start_index"),
        end=annotation.integer("end_index"),
        url=annotation.text("url"),
        title=annotation.text("title") or annotation.text("filename"),
    )


def _refusal(part: Taking, _losses: list[Loss]) -> Part:
    return Refusal(text=part.needed_text("refusal"))


def _image(part: Taking, _losses: list[Loss]) -> Part:
    url, file_id, detail = part.text("image_url"), part.text("file_id"), part.text("detail")
    media_type, data = from_data_url(url)
    is_nowhere = url.startswith("data:") or "://" not in url if url else not file_id
    if is_nowhere and not data:
        raise wrong(part.at("image_url"), "a URL, or a data URL in base64")
    return Media(
        kind="image",
        media_type=media_type,
        data=data,
        url="" if data else url,
        file_id="" if url else file_id,
        detail=detail,
    )


def _file(part: Taking, losses: list[Loss]) -> Part:
    data, url, file_id = part.text("file_data"), part.text("file_url"), part.text("file_id")
    name = part.text("filename")
    losses += part.hints("detail")
    if not (data or url or file_id):
        raise wrong(part.at("file_data"), "a file")
    media_type, content = from_data_url(data)
    if data and not content:
        media_type, content = _PDF, data
    return Media(
        kind="document",
        media_type=media_type or ("" if file_id else _PDF),
        data=content,
        url="" if content else url,
        file_id="" if content or url else file_id,
        name=name,
    )


def _audio(part: Taking, losses: list[Loss]) -> Part:
    audio = part.inner("input_audio")
    if audio is None:
        raise wrong(part.at("input_audio"), "an object")
    kind = audio.text("format", "wav")
    found = Media(kind="audio", media_type=_AUDIO.get(kind, f"audio/{kind}"), data=audio.needed_text("data"))
    losses.extend(audio.left())
    return found


_READ: Final = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def from_data_url(url: str) -> tuple[str, str]:
    """Return the media type and the base64 of a data URL; two empty texts for any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return "", ""
    return head.removeprefix("data:").removesuffix(";base64").partition(";")[0], data


def write_content(parts: Iterable[Part], *, spoken: bool) -> Iterator[dict[str, Any]]:
    """Write the parts of a message; `spoken`: the assistant's own."""
    for part in parts:
        match part:
            case Text():
                if spoken:
                    yield {"type": "output_text", "text": part.text, "annotations": []}
                else:
                    yield {"type": "input_text", "text": part.text}
            case Refusal():
                yield {"type": "refusal", "refusal": part.text}
            case Media():
                yield _media(part)


def _media(part: Media) -> dict[str, Any]:
    inline = f"data:{part.media_type};base64,{part.data}" if part.data else ""
    if part.kind == "image":
        image: dict[str, Any] = {"type": "input_image", "detail": part.detail or "auto"}
        return {**image, "file_id": part.file_id} if part.file_id else {**image, "image_url": inline or part.url}
    if part.file_id:
        return {"type": "input_file", "file_id": part.file_id}
    if part.url:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "filename": part.name or "document.pdf", "file_data": inline}
