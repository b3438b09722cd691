"""What others sealed, in `encrypted_content` of reasoning items: the place for it in this dialect. Pure."""

from typing import Final

from keystead.dialects.translating import carry, uncarry
from keystead.domain.chat import Maker, Sealed

_REDACTED: Final = ".redacted"
"""Behind another maker's seal: a thought without words (Anthropic's `redacted_thinking`), to be given back as one."""


def written(sealed: Sealed, *, redacted: bool = False) -> str:
    """Return what stands in `encrypted_content`."""
    carried = carry(sealed, Maker.OPENAI)
    return f"{carried}{_REDACTED}" if redacted and sealed.maker is not Maker.OPENAI else carried


def read(encrypted: str) -> tuple[Sealed, bool]:
    """Read what a caller sends back: the seal, and whether it is that of a thought without words."""
    foreign = uncarry(encrypted.removesuffix(_REDACTED), Maker.OPENAI)
    if foreign.maker is Maker.OPENAI:
        return Sealed(maker=Maker.OPENAI, data=encrypted), False
    return foreign, encrypted.endswith(_REDACTED)
