"""One deployment of LiteLLM's `model_list`: where it is, with which key, and under which name. Pure."""

import re
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from keystead.cli.litellm.words import PROVIDERS
from keystead.providers.table import PROVIDERS as TABLE

REFERENCE: Final = "os.environ/"
UNKNOWN_ORIGIN: Final = "https://change-me.invalid"
"""Where an address that is in a variable would be. Nothing answers there (RFC 2606)."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment, translated."""

    index: int
    """Its number in `model_list`."""
    group: str
    """The name that callers use."""
    provider: str
    model: str
    """As the provider calls it."""
    origin: str | None
    """None: the provider's own."""
    path: str
    """What stood behind the origin, and is not kept."""
    key: str
    """The variable's name; empty for none."""
    literal: bool
    """A key itself was written where its variable's name should be."""
    api_version: str
    weight: int | None
    first_byte_timeout_s: float | None
    requests_per_minute: int | None
    tokens_per_minute: int | None

    @property
    def account(self) -> tuple[str, str | None, str, str]:
        """What makes it the same credential as another."""
        return self.provider, self.origin, self.key, self.api_version


def provider_of(model: str, api_base: str) -> tuple[str, str] | None:
    """Return the provider and its name of the model for LiteLLM's `model`; None if there is none here."""
    prefix, slash, rest = model.partition("/")
    provider = PROVIDERS.get(prefix) if slash else None
    if provider == "openai" and api_base and not _is_openai(api_base):
        return "vllm", rest
    if provider is not None:
        return provider, rest
    for row in TABLE.values():
        if not slash and any(fnmatchcase(model, pattern) for pattern in row.native_models):
            return ("vllm" if api_base and not _is_openai(api_base) else row.name), model
    return None


def origin_of(api_base: str) -> tuple[str | None, str]:
    """Return the origin of an address, and the path behind it. One that is in a variable is not known."""
    if not api_base:
        return None, ""
    if api_base.startswith(REFERENCE):
        return UNKNOWN_ORIGIN, ""
    try:
        parts = urlsplit(api_base)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return UNKNOWN_ORIGIN, ""
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        return UNKNOWN_ORIGIN, ""
    return f"{parts.scheme}://{parts.hostname}{port}", parts.path.rstrip("/")


def key_of(api_key: Any, *, provider: str, index: int) -> tuple[str, bool]:
    """Return the variable that holds a key, and whether a key itself was written there. A key is never returned."""
    text = "" if api_key is None else str(api_key).strip()
    if not text:
        return "", False
    if text.startswith(REFERENCE) and _VARIABLE.fullmatch(text.removeprefix(REFERENCE)):
        return text.removeprefix(REFERENCE), False
    return f"{provider.upper()}_KEY_{index + 1}", True


def whole_number(value: Any) -> int | None:
    """Return a positive whole number, or None for anything else."""
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if number > 0 else None


def seconds(value: Any) -> float | None:
    """Return a time in seconds, or None for anything else."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0.1 <= number <= 7200 else None


def _is_openai(api_base: str) -> bool:
    return (urlsplit(api_base).hostname or "").endswith("api.openai.com") if "://" in api_base else False
