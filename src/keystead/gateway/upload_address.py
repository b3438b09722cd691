"""The address that the pieces of an upload go to: a secret, because the callers' SDKs send no key with them.

It names the virtual key that began the upload, and counts for no more than that key does. Of the address only its digest is
kept, like that of a key.
"""

import hashlib
import re
import secrets
from typing import Final

import msgspec

from keystead.dialects.gemini_files import pieces_query
from keystead.domain.stored import StoredObject

LASTS_US: Final = 86_400 * 1_000_000
"""After which an upload that has not ended must begin anew."""
_ADDRESS: Final = re.compile(r"([A-Za-z0-9_]{1,64})\.[A-Za-z0-9_-]{43}")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an upload."""

    upload_id: str
    """The provider's."""


def new_address(virtual_key_id: str) -> str:
    """Return a new address for the uploads of a virtual key."""
    return f"{virtual_key_id}.{secrets.token_urlsafe(32)}"


def key_in(address: str) -> str | None:
    """Return the id of the virtual key that an address is of; None if it is none."""
    found = _ADDRESS.fullmatch(address)
    return None if found is None else found[1]


def digest(address: str) -> str:
    """Return the name under which an upload is kept."""
    return hashlib.sha256(address.encode()).hexdigest()


def query_of(upload: StoredObject) -> bytes:
    """Return the query under which the provider takes the pieces of an upload."""
    return pieces_query(msgspec.json.decode(upload.shown, type=Kept).upload_id)
