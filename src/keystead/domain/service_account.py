"""A Google service account's key, as Google hands it out: a JSON document."""

import re
from typing import Final

import msgspec

from keystead.domain.errors import InvalidRequestError

_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,100}@[A-Za-z0-9.-]{1,150}")
_KEY_ID: Final = re.compile(r"[0-9A-Za-z_-]{0,100}")
_NEXT_STEP: Final = (
    "Send the JSON file that Google Cloud made for a key of a service account (IAM, Service accounts, Keys), whole."
)


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What of the document is used.

    Not among it, on purpose: `token_uri` and `auth_uri`. A document that somebody else made must not say where a signed
    assertion is sent.
    """

    client_email: str
    private_key: str
    """PKCS#8, in PEM."""
    private_key_id: str = ""

    def __repr__(self) -> str:
        """Return what is no secret."""
        return f"ServiceAccount({self.client_email!r}, …)"


class _Document(ServiceAccount, frozen=True, kw_only=True):
    type: str


def read_service_account(text: str) -> ServiceAccount:
    """Read the document. The messages hold no part of it.

    Raises:
        InvalidRequestError: it is not JSON, of another type, or a member is missing or malformed.
    """
    try:
        document = msgspec.json.decode(text, type=_Document)
    except msgspec.ValidationError:
        raise _refused(
            "A member is missing or of the wrong type: it takes type, client_email and private_key."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refused("The key is not a JSON document.") from None
    if document.type != "service_account":
        raise _refused(
            "The document is not a service account's key.",
            next_step="Workload identity takes no document: see the how-to on Vertex AI.",
        )
    if _EMAIL.fullmatch(document.client_email) is None or _KEY_ID.fullmatch(document.private_key_id) is None:
        raise _refused("Its client_email or private_key_id is malformed.")
    return document


def _refused(message: str, *, next_step: str = _NEXT_STEP) -> InvalidRequestError:
    return InvalidRequestError(message, code="invalid_service_account", param="key", next_step=next_step)
