"""Answers of Anthropic's Messages API, read. Pure.

What Anthropic's own tools did (searches, executed code) and kinds of blocks invented later are passed over: they are
no words of the answer.
"""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import Answer, Choice, Citation, Finish, Part, Refusal, Sealed, Text, ToolCall

FINISHES: Final[Mapping[str, Finish]] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "pause_turn": Finish.PAUSED,
    "refusal": Finish.REFUSED,
}

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for what is no JSON, or not UTF-8, or nested too deeply."""

T = TypeVar("T")


class Known(Generic[T]):
    """Decodes one of several tagged kinds of objects; kinds that it does not know are None."""

    def __init__(self, *kinds: type[T]) -> None:
        union: type[T] = kinds[0]
        for kind in kinds[1:]:
            union = union | kind  # type: ignore[assignment]
        self._decoder = msgspec.json.Decoder(union)
        self._tags = frozenset(str(kind.__struct_config__.tag) for kind in kinds)  # type: ignore[attr-defined]

    def read(self, raw: bytes | msgspec.Raw, place: str) -> T | None:
        """Decode an object.

        Raises:
            UnreadableError: it is none, or one of a known kind and not what that kind must be.
        """
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            if _kind_of(raw, place) in self._tags:
                raise UnreadableError(place) from error
            return None
        except UNREADABLE as error:
            raise UnreadableError(place) from error


class _Kind(msgspec.Struct):
    type: str = ""


_KIND: Final = msgspec.json.Decoder(_Kind)


def _kind_of(raw: bytes | msgspec.Raw, place: str) -> str:
    try:
        return _KIND.decode(raw).type
    except UNREADABLE as error:
        raise UnreadableError(place) from error


class CitationIn(msgspec.Struct):
    """A citation of any kind: where it leads, and what it quotes. Positions in the caller's documents are left out."""

    url: str | None = None
    source: str | None = None
    title: str | None = None
    document_title: str | None = None
    cited_text: str | None = None

    def read(self) -> Citation:
        """Return it in the canonical form."""
        title = self.title or self.document_title or ""
        return Citation(url=self.url or self.source or "", title=title, quoted=self.cited_text or "")


class TextBlock(msgspec.Struct, tag="text"):
    """Text."""

    text: str = ""
    citations: list[CitationIn] | None = None


class ThinkingBlock(msgspec.Struct, tag="thinking"):
    """Thinking in words, or without, and its seal."""

    thinking: str = ""
    signature: str = ""


class RedactedBlock(msgspec.Struct, tag="redacted_thinking"):
    """Thinking that nobody may read."""

    data: str


class ToolUseBlock(msgspec.Struct, tag="tool_use"):
    """A call of one of the caller's tools."""

    id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


Block = TextBlock | ThinkingBlock | RedactedBlock | ToolUseBlock
BLOCKS: Final[Known[Block]] = Known(TextBlock, ThinkingBlock, RedactedBlock, ToolUseBlock)


class StopDetails(msgspec.Struct):
    """Why the model refused."""

    explanation: str | None = None


class _Message(msgspec.Struct):
    content: list[msgspec.Raw]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)


def read_answer(body: bytes) -> Answer:
    """Read a whole answer (see `Translator.read_answer`)."""
    try:
        message = _MESSAGE.decode(body)
    except UNREADABLE as error:
        raise UnreadableError("no message") from error
    parts: list[Part] = []
    seal: Sealed | None = None
    for number, raw in enumerate(message.content):
        block = BLOCKS.read(raw, f"content[{number}]")
        if block is not None:
            seal = _add(block, parts, seal)
    if message.stop_details is not None and message.stop_details.explanation:
        parts.append(Refusal(text=message.stop_details.explanation))
    finish = FINISHES.get(message.stop_reason or "", Finish.OTHER)
    choice = Choice(parts=tuple(parts), finish=finish, stop_sequence=message.stop_sequence or "")
    return Answer(id=message.id, model=message.model, choices=(choice,))


def input_of(block: ToolUseBlock) -> str:
    """Return a call's arguments as JSON text."""
    try:
        text = bytes(block.input).decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("the input of a tool use") from error
    return "{}" if text == "null" else text


def _add(block: Block, parts: list[Part], seal: Sealed | None) -> Sealed | None:
    """Add a block to the answer; return the seal of a call that is still to come."""
    match block:
        case TextBlock():
            parts.append(Text(text=block.text, citations=tuple(each.read() for each in block.citations or ())))
        case ThinkingBlock():
            return seals.take(block.thinking, block.signature, parts, redacted=False) or seal
        case RedactedBlock():
            return seals.take("", block.data, parts, redacted=True) or seal
        case ToolUseBlock():
            parts.append(ToolCall(id=block.id, name=block.name, arguments=input_of(block), sealed=seal))
            return None
    return seal
