"""What a model thought, in messages of OpenAI's look-alikes, read and written. Pure.

OpenAI's own chat completions show no thoughts. Its look-alikes put their words into `reasoning_content` (DeepSeek,
llama.cpp, most others) or `reasoning` (OpenRouter, vLLM, Groq), and OpenRouter their seals into `reasoning_details`.
Callers are given both `reasoning_content`, which most clients show, and `reasoning_details`, which they send back.
Entries of the latter carry an `index`, because the SDKs put the pieces of a stream together by it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from keystead.dialects.translating import carry, uncarry
from keystead.domain.chat import Maker, Sealed, Thinking

_TEXT: Final = "reasoning.text"
_ENCRYPTED: Final = "reasoning.encrypted"
_FORMATS: Final = {"anthropic": Maker.ANTHROPIC, "openai": Maker.OPENAI, "google": Maker.GEMINI}
"""How OpenRouter names whose seal it is: the word of ours that stands in its `format`."""


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `reasoning_details`, or a piece of one."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    id: str | None = None
    index: int | None = None

    @property
    def words(self) -> str:
        """The words of the thought or of its summary."""
        return self.text or self.summary or ""

    @property
    def sealed(self) -> Sealed | None:
        """The seal; None also where nobody knows whose it is."""
        data = self.data or self.signature
        if not data:
            return None
        named = self.format or "openai"
        maker = next((maker for word, maker in _FORMATS.items() if word in named), None)
        found = uncarry(data, maker or Maker.OPENAI)
        return None if maker is None and found.maker is Maker.OPENAI else found

    @property
    def redacted(self) -> bool:
        """Whether it is a whole thought of Anthropic's that nobody may read."""
        return self.type == _ENCRYPTED and self.sealed is not None and self.sealed.maker is Maker.ANTHROPIC


def thoughts_of(words: str, details: Iterable[Detail]) -> list[Thinking]:
    """Return the thoughts of a message.

    Args:
        words: all of them in words, without seals.
        details: their parts. A seal may stand in the entry of its words or in one of its own behind it.
    """
    thoughts: list[Thinking] = []
    pieces: list[str] = []  # of the last thought's text: added up at once, for there may be a hundred thousand
    open_index: int | None = None
    for detail in details:
        sealed, last = detail.sealed, thoughts[-1] if thoughts else None
        is_open = last is not None and last.sealed is None
        if last is not None and is_open and _continues(detail, open_index):
            pieces.append(detail.words)
            thoughts[-1] = msgspec.structs.replace(last, sealed=sealed, id=detail.id or last.id)
        elif detail.words or sealed is not None:
            _close(thoughts, pieces)
            pieces = [detail.words]
            thoughts.append(Thinking(sealed=sealed, redacted=detail.redacted, id=detail.id or ""))
        open_index = detail.index
    _close(thoughts, pieces)
    if words and not any(thought.text for thought in thoughts):
        return _with_words(words, thoughts)
    return thoughts


def _close(thoughts: list[Thinking], pieces: list[str]) -> None:
    """Give the last thought its text."""
    if thoughts:
        thoughts[-1] = msgspec.structs.replace(thoughts[-1], text="".join(pieces))


def _continues(detail: Detail, open_index: int | None) -> bool:
    """Say whether an entry belongs to the thought before it, which is not sealed yet."""
    if detail.index is not None and detail.index == open_index:
        return True
    return detail.type == _ENCRYPTED and not detail.redacted


def _with_words(words: str, thoughts: list[Thinking]) -> list[Thinking]:
    if thoughts and not thoughts[0].redacted:
        return [msgspec.structs.replace(thoughts[0], text=words), *thoughts[1:]]
    return [Thinking(text=words), *thoughts]


def written(thoughts: Sequence[Thinking]) -> dict[str, Any]:
    """Return the members of an answer's message that hold its thoughts."""
    members: dict[str, Any] = {}
    words = "\n\n".join(thought.text for thought in thoughts if thought.text)
    if words:
        members["reasoning_content"] = words
    if any(thought.sealed is not None for thought in thoughts):
        members["reasoning_details"] = [_detail(thought, index) for index, thought in enumerate(thoughts)]
    return members


def piece(index: int, text: str) -> dict[str, Any]:
    """Return an entry with words, or more of them, of the thought numbered `index`."""
    return {"type": _TEXT, "index": index, "text": text}


def seal(index: int, sealed: Sealed, *, identifier: str, after_words: bool, redacted: bool) -> dict[str, Any]:
    """Return an entry with the seal of the thought numbered `index`."""
    named = {"id": identifier} if identifier else {}
    data = carry(sealed, Maker.OPENAI)
    if after_words:
        return {"type": _TEXT, "index": index, "signature": data, **named}
    if redacted or sealed.maker is not Maker.ANTHROPIC:
        return {"type": _ENCRYPTED, "index": index, "data": data, **named}
    return {"type": _TEXT, "index": index, "text": "", "signature": data, **named}


def _detail(thought: Thinking, index: int) -> dict[str, Any]:
    if thought.sealed is None:
        return piece(index, thought.text)
    sealed = seal(
        index, thought.sealed, identifier=thought.id, after_words=bool(thought.text), redacted=thought.redacted
    )
    return sealed | piece(index, thought.text) if thought.text else sealed
