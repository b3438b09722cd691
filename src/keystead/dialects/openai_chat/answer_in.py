"""Answers of OpenAI's chat completions and their look-alikes, read; whole ones and the pieces of streams alike. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from keystead.dialects.openai_chat.thoughts import Detail, thoughts_of
from keystead.dialects.translating import UnreadableError, uncarry
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

FINISHES: Final[Mapping[str, Finish]] = {
    "stop": Finish.STOP,
    "eos": Finish.STOP,  # Together
    "length": Finish.LENGTH,
    "model_length": Finish.LENGTH,  # Mistral
    "insufficient_system_resource": Finish.LENGTH,  # DeepSeek: broken off, but told as an end
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.REFUSED,
}
FAILED: Final = "error"
"""OpenRouter's and Mistral's finish reason for an answer that failed."""
_OVERLOADED: Final = frozenset(
    {"429", "503", "529", "overloaded", "overloaded_error", "rate_limit_exceeded", "server_is_overloaded", "slow_down"}
)


NULL: Final = msgspec.Raw(b"null")


class Function(msgspec.Struct):
    """What is called. Some look-alikes write the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, msgspec.Raw] | None = None


class Custom(msgspec.Struct):
    """A custom tool that is called."""

    name: str | None = None
    input: str | None = None


class Google(msgspec.Struct):
    """Google's own words."""

    thought_signature: str | None = None


class ExtraContent(msgspec.Struct):
    """Where Google's chat completions put what OpenAI's have no member for."""

    google: Google | None = None


class UrlCitation(msgspec.Struct):
    """Where a passage comes from."""

    url: str | None = None
    title: str | None = None
    content: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(msgspec.Struct):
    """An annotation. Kinds other than `url_citation` have no member that is read here."""

    url_citation: UrlCitation | None = None


class ImageUrl(msgspec.Struct):
    """Where an image is."""

    url: str = ""


class Chunk(msgspec.Struct):
    """A part of a content that is a list (Mistral). Its thinking is a list of texts."""

    type: str = ""
    text: str | None = None
    thinking: "str | list[Chunk] | None" = None
    image_url: ImageUrl | None = None


class Logprobs(msgspec.Struct):
    """How likely each token was."""

    content: msgspec.Raw = NULL


T = TypeVar("T")


class Beside(Generic[T]):
    """Reads what stands beside the words of an answer. What is not as expected there is passed over, not an error."""

    def __init__(self, kind: type[T], default: T) -> None:
        self._decoder = msgspec.json.Decoder(kind | None)
        self._default = default

    def read(self, raw: msgspec.Raw) -> T:
        """Return what `raw` says."""
        if raw is NULL:
            return self._default
        try:
            return self._decoder.decode(raw) or self._default
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._default


_EXTRA: Final = Beside(ExtraContent, ExtraContent())
_ANNOTATIONS: Final[Beside[list[Annotation]]] = Beside(list[Annotation], [])
_DETAILS: Final[Beside[list[Detail]]] = Beside(list[Detail], [])
_CHUNK: Final = Beside(Chunk, Chunk())
_CHUNKS: Final[Beside[list[Chunk]]] = Beside(list[Chunk], [])
_LOGPROBS: Final = Beside(Logprobs, Logprobs())


class Call(msgspec.Struct):
    """A tool call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: msgspec.Raw = NULL

    @property
    def name(self) -> str:
        """The tool's name."""
        return (self.custom.name if self.custom else self.function.name if self.function else None) or ""

    @property
    def arguments(self) -> str:
        """The arguments, as far as they are known. Groq writes `null` for a tool that takes none."""
        if self.custom is not None:
            return self.custom.input or ""
        written = self.function.arguments if self.function is not None else None
        if written == "null":
            return ""
        return msgspec.json.encode(written).decode("utf-8", "replace") if isinstance(written, dict) else written or ""


class Message(msgspec.Struct):
    """A message, or a piece of one."""

    content: str | list[msgspec.Raw] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: msgspec.Raw = NULL
    tool_calls: list[Call] | None = None
    annotations: msgspec.Raw = NULL
    images: msgspec.Raw = NULL
    extra_content: msgspec.Raw = NULL


class ErrorObject(msgspec.Struct):
    """What went wrong. Providers write codes as numbers or as words."""

    message: str | None = None
    type: str | int | None = None
    code: str | int | None = None

    @property
    def overloaded(self) -> bool:
        """Whether the provider has too much to do."""
        return not _OVERLOADED.isdisjoint({str(self.code), str(self.type)})

    @property
    def words(self) -> str:
        """The provider's own words."""
        return self.message or str(self.code or self.type or "The provider failed.")


class ChoiceObject(msgspec.Struct):
    """One of several answers: whole in `message`, or a piece in `delta`."""

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = NULL
    error: ErrorObject | None = None


class Completion(msgspec.Struct):
    """A whole answer, or a piece of one."""

    id: str | None = None
    model: str | None = None
    choices: list[ChoiceObject] | None = None
    error: ErrorObject | str | None = None


_COMPLETION: Final = msgspec.json.Decoder(Completion)


def read_completion(data: bytes) -> Completion:
    """Read a whole answer, or a piece of one.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return _COMPLETION.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError("no chat completion") from error


def read_answer(body: bytes) -> Answer:
    """Read a whole answer (see `Translator.read_answer`)."""
    completion = read_completion(body)
    if completion.error is not None:
        raise UnreadableError("an error in place of an answer")
    choices = sorted(completion.choices or (), key=lambda choice: choice.index)
    if not choices:
        raise UnreadableError("an answer without choices")
    return Answer(
        id=completion.id or "", model=completion.model or "", choices=tuple(_choice(choice) for choice in choices)
    )


def content_of(message: Message) -> Iterator[Text | Thinking | Media]:
    """Return the parts of a message's content; kinds that nobody knows are passed over."""
    if isinstance(message.content, str):
        if message.content:
            yield Text(text=message.content)
        return
    for raw in message.content or ():
        chunk = _CHUNK.read(raw)
        match chunk.type:
            case "text" if chunk.text:
                yield Text(text=chunk.text)
            case "thinking":
                words = chunk.thinking
                yield Thinking(text=words if isinstance(words, str) else "".join(x.text or "" for x in words or ()))
            case "image_url" if chunk.image_url is not None:
                yield _image(chunk.image_url.url)
            case _:
                pass


def details_of(message: Message) -> list[Detail]:
    """Return the thoughts' details."""
    return _DETAILS.read(message.reasoning_details)


def flat_thought(message: Message) -> str:
    """Return the thoughts in words."""
    return message.reasoning_content or message.reasoning or ""


def signature_of(holder: Message | Call) -> Sealed | None:
    """Return Gemini's signature on a message or a call."""
    google = _EXTRA.read(holder.extra_content).google
    signature = google.thought_signature if google is not None else None
    return uncarry(signature, Maker.GEMINI) if signature else None


def citations_of(message: Message) -> Iterator[Citation]:
    """Return the citations of a message."""
    for annotation in _ANNOTATIONS.read(message.annotations):
        cited = annotation.url_citation
        if cited is not None:
            yield Citation(
                start=cited.start_index,
                end=cited.end_index,
                url=cited.url or "",
                title=cited.title or "",
                quoted=cited.content or "",
            )


def finish_of(reason: str | None, *, called: bool, refused: bool) -> Finish:
    """Return why an answer ended. OpenAI itself says `stop` for a call that was asked for by name, and for a refusal."""
    finish = FINISHES.get(reason or "", Finish.OTHER)
    if finish in {Finish.STOP, Finish.OTHER}:
        return Finish.TOOL_CALLS if called else Finish.REFUSED if refused else finish
    return finish


def logprobs_of(choice: ChoiceObject) -> msgspec.Raw | None:
    """Return the list of tokens with their probabilities."""
    raw = _LOGPROBS.read(choice.logprobs).content
    return raw if bytes(raw).startswith(b"[") else None


def _choice(choice: ChoiceObject) -> Choice:
    if choice.error is not None or choice.finish_reason == FAILED:
        raise UnreadableError("an error in place of an answer")
    message = choice.message or Message()
    parts: list[Part] = [*thoughts_of(flat_thought(message), details_of(message)), *content_of(message)]
    parts += [_image(each.image_url.url) for each in _CHUNKS.read(message.images) if each.image_url is not None]
    _finish_text(parts, tuple(citations_of(message)), signature_of(message))
    if message.refusal:
        parts.append(Refusal(text=message.refusal))
    calls = [
        ToolCall(
            id=call.id or "",
            name=call.name,
            arguments=call.arguments,
            custom=call.custom is not None,
            sealed=signature_of(call),
        )
        for call in message.tool_calls or ()
    ]
    return Choice(
        parts=(*parts, *calls),
        finish=finish_of(choice.finish_reason, called=bool(calls), refused=bool(message.refusal)),
        logprobs=logprobs_of(choice),
    )


def _finish_text(parts: list[Part], citations: tuple[Citation, ...], sealed: Sealed | None) -> None:
    """Put what belongs to the text of a message to the last of its parts that is text."""
    if not citations and sealed is None:
        return
    number = next((number for number in reversed(range(len(parts))) if isinstance(parts[number], Text)), None)
    if number is None:
        parts.append(Text(text="", citations=citations, sealed=sealed))
    else:
        parts[number] = msgspec.structs.replace(parts[number], citations=citations, sealed=sealed)


def _image(url: str) -> Media:
    """Return an image; a data URL's bytes, or where they are."""
    head, comma, data = url.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        media_type = head.removeprefix("data:").removesuffix(";base64").partition(";")[0]
        return Media(kind="image", media_type=media_type, data=data)
    return Media(kind="image", url=url)
