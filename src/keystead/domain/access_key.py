"""An access key of AWS: two texts that belong together, in one JSON document."""

from typing import Annotated, Final

import msgspec

from keystead.domain.errors import InvalidRequestError

_OPENS: Final = "{"

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{16,128}$")]
Text = Annotated[str, msgspec.Meta(pattern=r"^[!-~]+$", max_length=8192)]


class AccessKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What requests are signed with. It prints without its secrets."""

    access_key_id: Id
    secret_access_key: Text
    session_token: Text | None = None
    """Of a key that holds for some hours."""

    def __repr__(self) -> str:
        """Return what is no secret."""
        return f"AccessKey({self.access_key_id!r}, …)"


_DOCUMENT: Final = msgspec.json.Decoder(AccessKey)


def is_document(key: str) -> bool:
    """Say whether a key is a document, and not one that is shown as it is."""
    return key.lstrip().startswith(_OPENS)


def read_access_key(document: str) -> AccessKey:
    """Read the document.

    Raises:
        InvalidRequestError: it is none, or holds something else.
    """
    try:
        return _DOCUMENT.decode(document)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequestError(
            "The key is not a JSON document with access_key_id and secret_access_key, and nothing but session_token else.",
            code="invalid_provider_key",
            param="key",
            next_step='Send {"access_key_id":"AKIA…","secret_access_key":"…"}, or a Bedrock API key as it is.',
        ) from None  # the cause may quote the document
