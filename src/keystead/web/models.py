"""The gateway's own answer to "which models are there", in each dialect's shape. Pure.

With one real credential and a key that is not narrowed, the provider's own list passes untouched, fine-tuned models
included. Otherwise no provider can answer, and the gateway lists what the virtual key may call, under the names
that work here.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.errors import PolicyDenied
from keystead.domain.traffic import Dialect, Owner
from keystead.gateway.ask import Ask
from keystead.gateway.pipeline import Pipeline
from keystead.routing.resolve import Choice, check_narrowing

_GEMINI_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens", "embedContent")
_UNKNOWN_DATE: Final = "1970-01-01T00:00:00Z"
"""The catalogue does not know when a model came out; the SDKs insist on a date."""


class ModelList:
    """Lists the models that a virtual key may call."""

    def __init__(self, *, pipeline: Pipeline, catalogued: Callable[[str], Iterable[str]]) -> None:
        """`catalogued` returns the models known for a provider, by its name."""
        self._pipeline = pipeline
        self._catalogued = catalogued

    def is_own(self, key: VirtualKey, ask: Ask) -> bool:
        """Say whether the gateway answers `ask` itself."""
        if ask.model:
            return False
        real = [c for c in self._pipeline.usable(key, ask) if c.owner is not Owner.SANDBOX]
        return key.models is not None or len(real) != 1 or real[0].models is not None

    def body(self, key: VirtualKey, ask: Ask) -> bytes:
        """Return the list in the caller's dialect."""
        names: dict[str, str] = {}
        credentials = list(self._pipeline.usable(key, ask))
        for credential in credentials:
            alone = sum(1 for c in credentials if c.provider == credential.provider) == 1
            for model in self._models_of(credential):
                name = f"{credential.provider if alone else credential.name}/{model}"
                if _allowed(key, credential, name, model):
                    names[name] = credential.provider
        return msgspec.json.encode(_SHAPES[ask.dialect](names))

    def _models_of(self, credential: Credential) -> Iterable[str]:
        if credential.models is None:
            return self._catalogued(credential.provider)
        return [model for model in credential.models if not set(model) & set("*?[")]


def _allowed(key: VirtualKey, credential: Credential, name: str, model: str) -> bool:
    try:
        check_narrowing(name, Choice(credential=credential, model=model, rule="listed"), key.models)
    except PolicyDenied:
        return False
    return True


def _openai(names: dict[str, str]) -> dict[str, Any]:
    data = [{"id": name, "object": "model", "created": 0, "owned_by": provider} for name, provider in names.items()]
    return {"object": "list", "data": data}


def _anthropic(names: dict[str, str]) -> dict[str, Any]:
    data = [{"type": "model", "id": name, "display_name": name, "created_at": _UNKNOWN_DATE} for name in names]
    ids = list(names)
    return {
        "data": data,
        "has_more": False,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def _gemini(names: dict[str, str]) -> dict[str, Any]:
    return {
        "models": [
            {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": list(_GEMINI_METHODS)}
            for name in names
        ]
    }


_SHAPES: Final = {Dialect.OPENAI: _openai, Dialect.ANTHROPIC: _anthropic, Dialect.GEMINI: _gemini}
