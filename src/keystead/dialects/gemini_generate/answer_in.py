"""Google's generateContent answers, read; whole ones and the pieces of streams have one shape. Pure."""

from typing import Any, Final

import msgspec

from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import (
    Answer,
    Choice,
    Citation,
    Finish,
    Maker,
    Media,
    Part,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
)

FINISHES: Final = {
    "STOP": Finish.STOP,
    "MAX_TOKENS": Finish.LENGTH,
    "SAFETY": Finish.REFUSED,
    "RECITATION": Finish.REFUSED,
    "BLOCKLIST": Finish.REFUSED,
    "PROHIBITED_CONTENT": Finish.REFUSED,
    "SPII": Finish.REFUSED,
    "IMAGE_SAFETY": Finish.REFUSED,
}


class FunctionCall(msgspec.Struct, rename="camel"):
    """A call as Gemini writes it."""

    name: str = ""
    id: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Blob(msgspec.Struct, rename="camel"):
    """Bytes in an answer, such as a picture."""

    mime_type: str = ""
    data: str = ""


class AnswerPart(msgspec.Struct, rename="camel"):
    """A part of an answer. Kinds that this form has no word for (executed code) have none of these members."""

    text: str | None = None
    thought: bool = False
    thought_signature: str = ""
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(msgspec.Struct):
    """What a candidate says."""

    parts: list[AnswerPart] | None = None


class Source(msgspec.Struct, rename="camel"):
    """A citation as Gemini writes it; offsets are bytes of the text, which others count in characters."""

    uri: str = ""
    title: str = ""


class CitationMetadata(msgspec.Struct, rename="camel"):
    """The citations of a candidate."""

    citation_sources: list[Source] = []
    citations: list[Source] = []


class Candidate(msgspec.Struct, rename="camel"):
    """One answer of several."""

    content: Content | None = None
    finish_reason: str = ""
    finish_message: str = ""
    index: int = 0
    citation_metadata: CitationMetadata | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    """Why a prompt was not answered at all."""

    block_reason: str = ""


class ErrorStatus(msgspec.Struct):
    """An error inside an answer that began with HTTP 200."""

    message: str = ""
    code: int = 0
    status: str = ""


class Response(msgspec.Struct, rename="camel"):
    """A whole answer, or one piece of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    model_version: str = ""
    response_id: str = ""
    error: ErrorStatus | None = None


_RESPONSE: Final = msgspec.json.Decoder(Response)


def read_response(data: bytes) -> Response:
    """Read a whole answer or one piece.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return _RESPONSE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError("no GenerateContentResponse") from error


def read_answer(body: bytes) -> Answer:
    """Read a whole answer (see `Translator.read_answer`)."""
    response = read_response(body)
    choices = [_choice(candidate) for candidate in response.candidates or ()]
    if not choices and response.prompt_feedback is not None:
        reason = response.prompt_feedback.block_reason
        choices = [Choice(parts=(Refusal(text=blocked(reason)),), finish=Finish.REFUSED)]
    if not choices:
        raise UnreadableError("an answer without candidates")
    return Answer(id=response.response_id, model=response.model_version, choices=tuple(choices))


def blocked(reason: str) -> str:
    """Return words for a prompt that Gemini does not answer."""
    return f"The prompt was blocked ({reason})." if reason else "The prompt was blocked."


def arguments_of(call: FunctionCall) -> str:
    """Return a call's arguments as JSON text."""
    try:
        raw = bytes(call.args).decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("the arguments of a call") from error
    return "{}" if raw == "null" else raw


def sealed_of(part: AnswerPart) -> Sealed | None:
    """Return a part's signature."""
    return Sealed(maker=Maker.GEMINI, data=part.thought_signature) if part.thought_signature else None


def finish_of(reason: str, *, called: bool) -> Finish:
    """Return why a candidate ended."""
    if reason == "STOP" and called:
        return Finish.TOOL_CALLS
    return FINISHES.get(reason, Finish.OTHER)


def _choice(candidate: Candidate) -> Choice:
    parts: list[Part] = []
    called = False
    for part in (candidate.content.parts if candidate.content else None) or ():
        sealed = sealed_of(part)
        if part.function_call is not None:
            parts.append(
                ToolCall(
                    id=part.function_call.id,
                    name=part.function_call.name,
                    arguments=arguments_of(part.function_call),
                    sealed=sealed,
                )
            )
            called = True
        elif part.inline_data is not None:
            parts.append(Media(kind=_kind(part.inline_data), **_blob(part.inline_data)))
        elif part.thought:
            parts.append(Thinking(text=part.text or "", sealed=sealed))
        elif part.text or sealed:
            _add_text(parts, part.text or "", sealed)
    _cite(parts, candidate)
    if candidate.finish_message and not parts:
        parts.append(Refusal(text=candidate.finish_message))
    return Choice(parts=tuple(parts), finish=finish_of(candidate.finish_reason, called=called))


def _add_text(parts: list[Part], text: str, sealed: Sealed | None) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, Text) and last.sealed is None:
        parts[-1] = Text(text=last.text + text, sealed=sealed)
    else:
        parts.append(Text(text=text, sealed=sealed))


def _cite(parts: list[Part], candidate: Candidate) -> None:
    metadata = candidate.citation_metadata
    sources = [*metadata.citations, *metadata.citation_sources] if metadata else []
    last = next((number for number in reversed(range(len(parts))) if isinstance(parts[number], Text)), None)
    if sources and last is not None:
        citations = tuple(Citation(url=source.uri, title=source.title) for source in sources)
        parts[last] = msgspec.structs.replace(parts[last], citations=citations)


def _kind(blob: Blob) -> Any:
    kind = blob.mime_type.partition("/")[0]
    return kind if kind in {"image", "audio", "video"} else "document"


def _blob(blob: Blob) -> dict[str, str]:
    return {"media_type": blob.mime_type, "data": blob.data}
