"""Thought signatures: bytes in base64, so that another maker's seal has to be wrapped in base64 as well. Pure."""

import base64
import binascii

from keystead.dialects.translating import carry, uncarry
from keystead.domain.chat import Maker, Sealed


def written(sealed: Sealed) -> str:
    """Return what stands in `thoughtSignature`."""
    if sealed.maker is Maker.GEMINI:
        return sealed.data
    return base64.b64encode(carry(sealed, Maker.GEMINI).encode()).decode()


def read(signature: str) -> Sealed:
    """Read what a caller sends back; google-genai for Python writes the URL-safe alphabet."""
    try:
        text = base64.b64decode(signature.replace("-", "+").replace("_", "/"), validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        return Sealed(maker=Maker.GEMINI, data=signature)
    found = uncarry(text, Maker.GEMINI)
    return found if found.maker is not Maker.GEMINI else Sealed(maker=Maker.GEMINI, data=signature)
