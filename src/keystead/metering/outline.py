"""What a decision about a request looks at beside who asks for which model. Kept with the record, to decide again. Pure.

It says how large a request is and what it asks for, and nothing of what it says. Two things that decisions look at are
left out. Tags may be anything, a customer's name too, so only whether there were any is kept. The caller's address is
personal data, and is not needed: the networks of a virtual key never change, so what was decided about them stands.
"""

import msgspec

from keystead.dialects.asked import Asked


class Outline(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked, in outline."""

    body_bytes: int
    """The length of the body as it could leave."""
    asked: Asked = Asked()
    said: str = ""
    """The data class that the caller's header named, if the organization has it."""
    found: tuple[str, ...] | None = ()
    """The data classes that recognisers raised it to; None if it was refused before that was kept."""
    redacted: bool = False
    """Recognisers took something out of it."""
    tagged: bool = False
    """The caller gave tags."""
    stored: bool = False
    """It is about, or continues, what is stored under one credential."""
    alternatives: bool = False
    """It lets the provider choose among several models."""
    own_only: bool = False
    """The caller's header forbids platform credentials to step in."""


def read_outline(text: str | None) -> Outline | None:
    """Return what a record keeps; None if it keeps nothing that can be read, as those before outlines were kept."""
    if not text:
        return None
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError:
        return None


_DECODER = msgspec.json.Decoder(Outline)
