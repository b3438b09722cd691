"""What can be told from a provider key's text alone, and how it is shown afterwards.

Prefixes are those the providers print in their consoles and documentation. They are public: a mask shows the
prefix and the last four characters, never "the first few", which for a Google key (`AIza…`, 39 characters) or an
unprefixed one would be secret characters.
"""

from collections.abc import Mapping
from typing import Final

from keystead.domain.access_key import is_document, read_access_key
from keystead.domain.errors import InvalidRequestError
from keystead.domain.service_account import read_service_account
from keystead.vault.assertion import require_signing_key

MAX_KEY_LENGTH: Final = 4096
"""Longer than any known key (Amazon's short-term Bedrock keys reach about 2,000 characters), and still well inside
the 8 KiB that common servers allow for one header."""

MAX_DOCUMENT_LENGTH: Final = 16_384
"""Of a key that is a JSON document; a service account's has about 2,400 characters."""

WORKLOAD: Final = "workload"
"""What stands where another credential's key does, if the gateway's own identity is used (`identity=workload`)."""

_DOCUMENTS: Final = frozenset({"vertex"})
"""Providers whose key is a document: a Google service account's."""

_AWS: Final = "bedrock"
"""Whose key may be a document as well: an access key."""

_KEY_ID_SHOWN: Final = 8

_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("sk-ant-api03-", "sk-ant-"),
    "bedrock": ("bedrock-api-key-", "ABSK"),
    "cerebras": ("csk-",),
    "deepseek": ("sk-",),
    "fireworks": ("fw_",),
    "google": ("AIza", "AQ."),
    "groq": ("gsk_",),
    "openai": ("sk-svcacct-", "sk-proj-", "sk-"),
    "openrouter": ("sk-or-v1-", "sk-or-"),
    "perplexity": ("pplx-",),
    "together": ("tgp_v1_",),
    "xai": ("xai-",),
}
"""Each provider's prefixes, longest first. Providers not named here print keys without one."""

_GENERIC: Final = "sk-"
"""Used by OpenAI, DeepSeek and many compatible servers alike: it tells nothing about whose key it is."""

_ADMIN_PREFIXES: Final = {"sk-admin-": "OpenAI", "sk-ant-admin": "Anthropic"}
"""Organization administration keys. They cannot call a model, and can make and delete keys and members."""

_TAIL: Final = 4
_LEAST_HIDDEN: Final = 12


def require_inference_key(provider: str, key: str) -> None:
    """Refuse text that cannot be a key for inference at `provider`. The messages hold no part of the key.

    Raises:
        InvalidRequestError: empty, too long, not printable ASCII without spaces (a header could not carry it, or
            would be split by it), an administration key, or unmistakably another provider's key, which must not
            be sent to this one.
    """
    if not key:
        raise _refusal("The key is empty.", "Send the provider's key.")
    if provider in _DOCUMENTS and key != WORKLOAD:
        _require_service_account(key)
        return
    if provider == _AWS and is_document(key):
        read_access_key(key[:MAX_DOCUMENT_LENGTH])
        return
    if len(key) > MAX_KEY_LENGTH:
        raise _refusal(
            f"The key is longer than {MAX_KEY_LENGTH} characters.", "Send the key alone, not a file around it."
        )
    if any(character.isspace() for character in key):
        raise _refusal("The key holds a space or a line break.", "Copy the key again, without what surrounds it.")
    if not all("!" <= character <= "~" for character in key):
        raise _refusal(
            "The key holds a character that is not printable ASCII.", "Copy the key again from the provider's console."
        )
    for prefix, company in _ADMIN_PREFIXES.items():
        if key.startswith(prefix):
            raise _refusal(
                f"This is an {company} administration key: it cannot call models, and it could make and delete keys.",
                "Make a key for inference in the provider's console and send that one.",
                code="admin_key_refused",
            )
    maker = _maker(key)
    if maker is not None and provider in _FAMILIES and maker != provider:
        raise _refusal(
            f"This is a key of {maker}, and the credential is for {provider}. It was neither stored nor sent.",
            f"Choose {maker} as the provider, or send a key of {provider}.",
            code="other_providers_key",
        )


def mask(provider: str, key: str) -> str:
    """Return what may be shown of `key`: its public prefix and last four characters, as `sk-proj-…9aZ4`.

    The last four are left out when fewer than twelve characters would stay hidden. Of a service account's key its
    account and the beginning of the key's id are shown, neither of which is secret; of an access key, its id.
    """
    if key == WORKLOAD:
        return key
    if provider in _DOCUMENTS:
        account = read_service_account(key)
        return f"{account.client_email} {account.private_key_id[:_KEY_ID_SHOWN]}…"
    if provider == _AWS and is_document(key):
        identifier = read_access_key(key).access_key_id
        return f"{identifier[:_TAIL]}…{identifier[-_TAIL:]}"
    prefix = next((prefix for prefix in _FAMILIES.get(provider, ()) if key.startswith(prefix)), "")
    hidden = len(key) - len(prefix) - _TAIL
    return f"{prefix}…{key[-_TAIL:] if hidden >= _LEAST_HIDDEN else ''}"


def _require_service_account(key: str) -> None:
    if len(key) > MAX_DOCUMENT_LENGTH or not key.isascii():
        raise _refusal(
            f"The key is not a JSON document of at most {MAX_DOCUMENT_LENGTH} ASCII characters.",
            "Send the service account's key file as Google Cloud made it.",
        )
    require_signing_key(read_service_account(key).private_key)


def _maker(key: str) -> str | None:
    """Return the provider whose key this unmistakably is: the one with the longest matching prefix."""
    matches = [
        (len(prefix), provider)
        for provider, prefixes in _FAMILIES.items()
        for prefix in prefixes
        if prefix != _GENERIC and key.startswith(prefix)
    ]
    return max(matches)[1] if matches else None


def _refusal(message: str, next_step: str, *, code: str = "invalid_provider_key") -> InvalidRequestError:
    return InvalidRequestError(message, code=code, next_step=next_step, param="key")
