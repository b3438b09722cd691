"""OpenAI's responses, read. Pure."""

from typing import Final

import msgspec

from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import (
    Answer,
    Choice,
    Citation,
    Finish,
    Maker,
    Part,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
)


class Annotation(msgspec.Struct):
    """A citation. Other kinds have a file instead of a URL."""

    type: str = ""
    start_index: int | None = None
    end_index: int | None = None
    url: str = ""
    title: str = ""
    filename: str = ""


class ContentPart(msgspec.Struct):
    """A part of a message, of a thought or of its summary."""

    type: str = ""
    text: str = ""
    refusal: str = ""
    annotations: list[Annotation] | None = None
    logprobs: list[msgspec.Raw] | None = None


class Item(msgspec.Struct):
    """An output item of a kind that has something to say (see `item_of`)."""

    type: str = ""
    id: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    input: str = ""
    content: list[ContentPart] | None = None
    summary: list[ContentPart] | None = None
    encrypted_content: str | None = None


class Problem(msgspec.Struct):
    """Why a response failed."""

    code: str | None = None
    message: str | None = None


class Incomplete(msgspec.Struct):
    """Why a response is not whole."""

    reason: str | None = None


class Response(msgspec.Struct):
    """A response, whole or under way."""

    id: str = ""
    model: str = ""
    status: str | None = None
    output: list[msgspec.Raw] = []
    error: Problem | None = None
    incomplete_details: Incomplete | None = None


NOTHING: Final = msgspec.Raw(b"null")


class _Kind(msgspec.Struct):
    type: str = ""


_RESPONSE: Final = msgspec.json.Decoder(Response)
_ITEM: Final = msgspec.json.Decoder(Item)
_KIND: Final = msgspec.json.Decoder(_Kind)
_SAYING: Final = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
_NO_ANSWER: Final = frozenset({"failed", "queued", "in_progress", "cancelled"})
OVERLOADED: Final = frozenset({"server_is_overloaded", "slow_down", "rate_limit_exceeded"})


def read_answer(body: bytes) -> Answer:
    """Read a whole response (see `Translator.read_answer`)."""
    try:
        response = _RESPONSE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError("no response object") from error
    if response.status in _NO_ANSWER:
        raise UnreadableError(f"a response that is {response.status}")
    parts: list[Part] = []
    logprobs: list[msgspec.Raw] = []
    for item in filter(None, map(item_of, response.output)):
        parts.extend(_parts(item))
        logprobs += [each for part in item.content or () for each in part.logprobs or ()]
    choice = Choice(
        parts=tuple(parts),
        finish=finish_of(response, parts),
        logprobs=msgspec.Raw(msgspec.json.encode(logprobs)) if logprobs else None,
    )
    return Answer(id=response.id, model=response.model, choices=(choice,))


def item_of(raw: msgspec.Raw) -> Item | None:
    """Read an output item; None for a kind that says nothing here: what OpenAI's servers do, or what comes tomorrow.

    Raises:
        UnreadableError: it is none, or not what its kind must be.
    """
    if bytes(raw) == b"null":
        return None
    try:
        return _ITEM.decode(raw) if _KIND.decode(raw).type in _SAYING else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError("an output item") from error


def finish_of(response: Response, parts: list[Part]) -> Finish:
    """Return why a response ended."""
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details else None
        return {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.REFUSED}.get(reason or "", Finish.OTHER)
    if any(isinstance(part, ToolCall) for part in parts):
        return Finish.TOOL_CALLS
    if any(isinstance(part, Refusal) for part in parts):
        return Finish.REFUSED
    return Finish.STOP


def sealed_of(item: Item) -> Sealed | None:
    """Return the seal of a reasoning item."""
    return Sealed(maker=Maker.OPENAI, data=item.encrypted_content) if item.encrypted_content else None


def citation_of(annotation: Annotation) -> Citation:
    """Return an annotation as a citation."""
    return Citation(
        start=annotation.start_index,
        end=annotation.end_index,
        url=annotation.url,
        title=annotation.title or annotation.filename,
    )


def _parts(item: Item) -> list[Part]:
    match item.type:
        case "message":
            return [_said(part) for part in item.content or () if part.type in {"output_text", "refusal"}]
        case "reasoning":
            words = "".join(part.text for part in item.content or ())
            words = words or "\n\n".join(part.text for part in item.summary or ())
            return [Thinking(text=words, sealed=sealed_of(item), id=item.id)]
        case "function_call":
            return [ToolCall(id=item.call_id, name=item.name, arguments=item.arguments)]
        case "custom_tool_call":
            return [ToolCall(id=item.call_id, name=item.name, arguments=item.input, custom=True)]
        case _:
            return []


def _said(part: ContentPart) -> Part:
    if part.type == "refusal":
        return Refusal(text=part.refusal)
    return Text(text=part.text, citations=tuple(citation_of(each) for each in part.annotations or ()))
