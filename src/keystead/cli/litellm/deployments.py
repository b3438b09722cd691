"""The deployments of LiteLLM's `model_list`: where each is, with which key, and under which name. Pure."""

import re
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from keystead.cli.litellm.source import Json, Source
from keystead.cli.litellm.words import PROVIDERS
from keystead.cli.yaml_tree import Path
from keystead.providers.table import PROVIDERS as TABLE

_REFERENCE: Final = "os.environ/"
UNKNOWN_ORIGIN: Final = "https://change-me.invalid"
"""Where an address that is in a variable would be. Nothing answers there (RFC 2606)."""

_READ: Final = frozenset(
    {"model", "api_key", "api_base", "base_url", "api_version", "rpm", "tpm", "weight", "stream_timeout"}
)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Account = tuple[str, str | None, str, str]
"""What makes a credential: provider, origin, key and version of the API."""


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
    def account(self) -> Account:
        """What makes it the same credential as another."""
        return self.provider, self.origin, self.key, self.api_version


def read_deployments(source: Source) -> list[Deployment]:
    """Return the deployments that have a counterpart here."""
    found = [_deployment(source, index, entry) for index, entry in enumerate(source.models)]
    return [one for one in found if one is not None]


def _deployment(source: Source, index: int, entry: Any) -> Deployment | None:
    path: Path = ("model_list", index)
    parameters = entry.get("litellm_params") if isinstance(entry, dict) else None
    if not isinstance(parameters, dict) or not isinstance(entry.get("model_name"), str):
        source.say(path, "has no model_name or no litellm_params, and is not imported")
        return None
    _pass_over_model(source, path, entry, parameters)
    model, group = str(parameters.get("model") or ""), entry["model_name"]
    api_base = str(parameters.get("api_base") or parameters.get("base_url") or "")
    known = _provider_of(model, api_base)
    if known is None:
        source.say((*path, "litellm_params", "model"), f"no provider here serves {model!r}; it is not imported")
        return None
    provider, name = known
    if "*" in model or "*" in group:
        message = "is not a route: every model of a credential can be named as `credential/model` already"
        source.say((*path, "model_name"), message)
        name = ""
    for setting, number in (
        *((setting, _whole_number(parameters.get(setting))) for setting in ("rpm", "tpm", "weight")),
        ("stream_timeout", _seconds(parameters.get("stream_timeout"))),
    ):
        if number is None and parameters.get(setting) is not None:
            source.say((*path, "litellm_params", setting), "is not a number that can be used, and is not imported")
    origin, behind = _origin_of(api_base)
    key, literal = _key_of(parameters.get("api_key"), provider=provider, index=index)
    return Deployment(
        index=index,
        group=group,
        provider=provider,
        model=name,
        origin=origin,
        path=behind,
        key=key,
        literal=literal,
        api_version=str(parameters.get("api_version") or ""),
        weight=_whole_number(parameters.get("weight")),
        first_byte_timeout_s=_seconds(parameters.get("stream_timeout")),
        requests_per_minute=_whole_number(parameters.get("rpm")),
        tokens_per_minute=_whole_number(parameters.get("tpm")),
    )


def _pass_over_model(source: Source, path: Path, entry: Json, parameters: Json) -> None:
    for name in parameters:
        if name not in _READ:
            source.pass_over((*path, "litellm_params", name))
    for name, value in entry.items():
        if name == "model_info" and isinstance(value, dict):
            for fact in value:
                source.pass_over((*path, name, fact))
        elif name not in {"model_name", "litellm_params"}:
            source.pass_over((*path, name))


def _provider_of(model: str, api_base: str) -> tuple[str, str] | None:
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


def _origin_of(api_base: str) -> tuple[str | None, str]:
    """Return the origin of an address, and the path behind it. One that is in a variable is not known."""
    if not api_base:
        return None, ""
    if api_base.startswith(_REFERENCE):
        return UNKNOWN_ORIGIN, ""
    try:
        parts = urlsplit(api_base)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return UNKNOWN_ORIGIN, ""
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        return UNKNOWN_ORIGIN, ""
    return f"{parts.scheme}://{parts.hostname}{port}", parts.path.rstrip("/")


def _key_of(api_key: Any, *, provider: str, index: int) -> tuple[str, bool]:
    """Return the variable that holds a key, and whether a key itself was written there. A key is never returned."""
    text = "" if api_key is None else str(api_key).strip()
    if not text:
        return "", False
    if text.startswith(_REFERENCE) and _VARIABLE.fullmatch(text.removeprefix(_REFERENCE)):
        return text.removeprefix(_REFERENCE), False
    return f"{provider.upper()}_KEY_{index + 1}", True


def _whole_number(value: Any) -> int | None:
    """Return a positive whole number, or None for anything else."""
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if number > 0 else None


def _seconds(value: Any) -> float | None:
    """Return a time in seconds, or None for anything else."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0.1 <= number <= 7200 else None


def _is_openai(api_base: str) -> bool:
    try:
        return (urlsplit(api_base).hostname or "").endswith("api.openai.com")
    except ValueError:  # no URL at all, such as `http://[`: told as an origin that is not known
        return False
