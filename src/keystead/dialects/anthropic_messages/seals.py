"""What other makers sealed, in the signatures of thinking blocks: the one place where this dialect has room for it. Pure.

Gemini signs tool calls and texts, for which Anthropic has no field. Such a seal travels in a thinking block of its own
without words, marked with what it belongs to: before the call, or after the text. Clients give thinking blocks back as
they came. Thinking that nobody sealed is marked as such, because a signature must not be empty.
"""

from typing import Final, Literal

import msgspec

from keystead.dialects.translating import carry, uncarry
from keystead.domain.chat import Maker, Part, Sealed, Text, Thinking

_UNSEALED: Final = "ks1.none."
_ID: Final = "id="
_FIELDS: Final = 4
"""Of a signature with a mark: our tag, the maker, its data, the mark."""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What stood in a signature."""

    sealed: Sealed | None
    of: Literal["thought", "call", "text"] = "thought"
    id: str = ""
    """OpenAI's id of the reasoning item."""


def signature(
    sealed: Sealed | None, *, of: Literal["thought", "call", "text"] = "thought", identifier: str = ""
) -> str:
    """Return the signature that carries a seal."""
    if sealed is not None and sealed.maker is Maker.ANTHROPIC:
        return sealed.data
    carried = _UNSEALED if sealed is None else carry(sealed, Maker.ANTHROPIC)
    if of != "thought":
        return f"{carried}.{of}"
    return f"{carried}.{_ID}{identifier}" if identifier else carried


def read(text: str) -> Seal:
    """Read the signature of a thinking block, or the data of a redacted one."""
    fields = text.split(".", _FIELDS - 1)
    carried, mark = (".".join(fields[:-1]), fields[-1]) if len(fields) == _FIELDS else (text, "")
    sealed = uncarry(carried, Maker.ANTHROPIC) if carried not in {"", _UNSEALED} else None
    if sealed is not None and sealed.maker is Maker.ANTHROPIC:
        return Seal(sealed=Sealed(maker=Maker.ANTHROPIC, data=text))
    match mark:
        case "call" | "text":
            return Seal(sealed=sealed, of=mark)
        case _:
            return Seal(sealed=sealed, id=mark.removeprefix(_ID))


def take(text: str, signed: str, parts: list[Part], *, redacted: bool) -> Sealed | None:
    """Add a block of thinking to the parts of its message, or its seal to the text before.

    Returns:
        The seal, if it is that of the call that follows.
    """
    seal = read(signed)
    match seal.of:
        case "call":
            return seal.sealed
        case "text" if parts and isinstance(last := parts[-1], Text):
            parts[-1] = msgspec.structs.replace(last, sealed=seal.sealed)
        case "text":
            parts.append(Text(text="", sealed=seal.sealed))
        case _ if text or seal.sealed is not None:
            parts.append(Thinking(text=text, sealed=seal.sealed, redacted=redacted, id=seal.id))
    return None
