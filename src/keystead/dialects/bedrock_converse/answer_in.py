"""Answers of Bedrock's Converse, read. Pure. They name neither the model nor themselves.

Thoughts that are signed are Claude's, and are signed as Anthropic itself signs them: signatures are good on every
platform (platform.claude.com, "Extended thinking"). Kinds of blocks that are invented later are passed over.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.bedrock_converse.media import type_of
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import Answer, Choice, Citation, Finish, Media, Part, Sealed, Text, ToolCall

FINISHES: Final[Mapping[str, Finish]] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "guardrail_intervened": Finish.REFUSED,
    "content_filtered": Finish.REFUSED,
}
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PROVIDERS_OWN: Final = "server_tool_use"
"""A tool that the provider ran itself: its call is no words of the answer."""


class ToolUse(msgspec.Struct, rename="camel"):
    """A call of a tool, or its beginning."""

    tool_use_id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")
    type: str = ""

    @property
    def is_callers(self) -> bool:
        """Say whether the caller is to run it."""
        return self.type != _PROVIDERS_OWN


class CitationIn(msgspec.Struct, rename="camel"):
    """Where a passage comes from. Positions in the caller's documents are left out."""

    title: str | None = None
    source: str | None = None
    source_content: list[dict[str, Any]] | None = None
    location: dict[str, Any] | None = None

    def read(self) -> Citation:
        """Return it in the canonical form."""
        web = (self.location or {}).get("web")
        url = web.get("url") if isinstance(web, dict) else None
        quoted = [each["text"] for each in self.source_content or () if isinstance(each.get("text"), str)]
        return Citation(
            url=url if isinstance(url, str) else self.source or "", title=self.title or "", quoted="".join(quoted)
        )


class _Text(msgspec.Struct):
    text: str = ""


class _Cited(msgspec.Struct):
    content: list[_Text] | None = None
    citations: list[CitationIn] | None = None


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None


class _Source(msgspec.Struct):
    bytes: str | None = None


class _Image(msgspec.Struct):
    format: str = ""
    source: _Source | None = None


class _Block(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Cited | None = None
    image: _Image | None = None


class _Message(msgspec.Struct):
    content: list[_Block]


class _Output(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str = ""
    additional_model_response_fields: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes) -> Answer:
    """Read a whole answer (see `Translator.read_answer`)."""
    try:
        answer = _ANSWER.decode(body)
    except UNREADABLE as error:
        raise UnreadableError("no answer of Converse") from error
    parts: list[Part] = []
    seal: Sealed | None = None
    for block in answer.output.message.content:
        if block.reasoning_content is not None:
            text, sealed, redacted = _thought(block.reasoning_content)
            seal = seals.take(text, sealed, parts, redacted=redacted) or seal
        elif block.tool_use is not None and block.tool_use.is_callers:
            parts.append(_call(block.tool_use, seal))
            seal = None
        else:
            parts.extend(_said(block))
    choice = Choice(
        parts=tuple(parts),
        finish=FINISHES.get(answer.stop_reason, Finish.OTHER),
        stop_sequence=stop_sequence(answer.additional_model_response_fields),
    )
    return Answer(id="", model="", choices=(choice,))


def stop_sequence(fields: Any) -> str:
    """Return the sequence that ended an answer, if it was asked for and told."""
    found = fields.get("stop_sequence") if isinstance(fields, dict) else None
    return found if isinstance(found, str) else ""


def input_of(call: ToolUse) -> str:
    """Return a call's arguments as JSON text."""
    try:
        text = bytes(call.input).decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("the input of a tool use") from error
    return "{}" if text == "null" else text


def redacted_data(encoded: str) -> str:
    """Return what Anthropic itself would have written: here it is base64 of that."""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise UnreadableError("redacted reasoning") from error


def _thought(found: _Reasoning) -> tuple[str, str, bool]:
    if found.redacted_content is not None:
        return "", redacted_data(found.redacted_content), True
    said = found.reasoning_text or _ReasoningText()
    return said.text, said.signature or "", False


def _call(call: ToolUse, seal: Sealed | None) -> ToolCall:
    return ToolCall(id=call.tool_use_id, name=call.name, arguments=input_of(call), sealed=seal)


def _said(block: _Block) -> Iterator[Part]:
    if block.text is not None:
        yield Text(text=block.text)
    elif block.citations_content is not None:
        text = "".join(each.text for each in block.citations_content.content or ())
        yield Text(text=text, citations=tuple(each.read() for each in block.citations_content.citations or ()))
    elif block.image is not None and block.image.source is not None and block.image.source.bytes:
        media_type = type_of("image", block.image.format) or "image/png"
        yield Media(kind="image", media_type=media_type, data=block.image.source.bytes)
