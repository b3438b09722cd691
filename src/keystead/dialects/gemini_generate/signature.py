"""Thought signatures: bytes in base64, so that another maker's seal has to be wrapped in base64 as well. Pure.

Gemini signs what follows a thought: a call, or text. Clients give those parts back and many leave thoughts away (Gemini
CLI keeps none), so another maker's thoughts travel whole in the signature of the part behind them.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

import msgspec

from keystead.dialects.translating import carry, uncarry
from keystead.domain.chat import Maker, Sealed, Thinking

_THOUGHTS: Final = "ks1.thoughts."


class _Thought(msgspec.Struct, array_like=True):
    """A thought, as it travels."""

    maker: Maker
    seal: str
    text: str
    redacted: bool
    id: str


def written(sealed: Sealed) -> str:
    """Return what stands in `thoughtSignature`."""
    if sealed.maker is Maker.GEMINI:
        return sealed.data
    return base64.b64encode(carry(sealed, Maker.GEMINI).encode()).decode()


def of_thoughts(thoughts: Sequence[Thinking]) -> str:
    """Return the signature of a part that stands behind others' thoughts."""
    packed = [
        _Thought(maker=each.sealed.maker, seal=each.sealed.data, text=each.text, redacted=each.redacted, id=each.id)
        for each in thoughts
        if each.sealed is not None
    ]
    return base64.b64encode(_THOUGHTS.encode() + msgspec.json.encode(packed)).decode()


def read(signature: str) -> Sealed | tuple[Thinking, ...]:
    """Read what a caller sends back: a seal, or the thoughts that stood before."""
    text = _decoded(signature)
    if text.startswith(_THOUGHTS):
        try:
            packed = msgspec.json.decode(text.removeprefix(_THOUGHTS), type=list[_Thought])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Sealed(maker=Maker.GEMINI, data=signature)  # looks like ours and is not: Gemini will judge it
        return tuple(
            Thinking(
                text=each.text, sealed=Sealed(maker=each.maker, data=each.seal), redacted=each.redacted, id=each.id
            )
            for each in packed
        )
    found = uncarry(text, Maker.GEMINI)
    return found if found.maker is not Maker.GEMINI else Sealed(maker=Maker.GEMINI, data=signature)


def _decoded(signature: str) -> str:
    """Return what is in the base64; google-genai for Python writes the URL-safe alphabet. Empty: it is no text."""
    try:
        return base64.b64decode(signature.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (ValueError, binascii.Error):
        return ""
