"""The gateway's own answer to "which models are there", in each dialect's shape. Pure.

With one real credential, whose provider speaks the caller's dialect, and a key that is not narrowed, the provider's own
list passes untouched, fine-tuned models included. Otherwise no provider can answer, and the gateway lists what the
virtual key may call, translated or not, under the names that work here.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.traffic import Dialect, Endpoint, Owner
from keystead.gateway.ask import Ask
from keystead.gateway.pipeline import Pipeline
from keystead.providers.table import PROVIDERS

_GEMINI_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens", "embedContent")
_USUAL: Final = {
    Dialect.OPENAI: Endpoint.CHAT,
    Dialect.ANTHROPIC: Endpoint.MESSAGES,
    Dialect.GEMINI: Endpoint.GENERATE,
}
"""What a listed model is most likely wanted for; grants may let it be used for other things, or not for this."""
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
        real = [c for c in self._pipeline.usable(key, _chat(ask)) if c.owner is not Owner.SANDBOX]
        if key.models is not None or len(real) != 1 or real[0].models is not None:
            return True
        if (ask.dialect, Endpoint.MODELS) not in PROVIDERS[real[0].provider].endpoints:
            return True
        return bool(self._pipeline.routes(key)) or not self._pipeline.may_use(key, ask, real[0], name="", model="")

    def body(self, key: VirtualKey, ask: Ask) -> bytes:
        """Return the list in the caller's dialect: the organization's routes, then what its credentials serve."""
        names = dict.fromkeys(self._pipeline.routes(key), "keystead")
        chat = _chat(ask)
        credentials = list(self._pipeline.usable(key, chat))
        for credential in credentials:
            alone = sum(1 for c in credentials if c.provider == credential.provider) == 1
            for model in self._models_of(credential):
                name = f"{credential.provider if alone else credential.name}/{model}"
                if self._pipeline.may_use(key, chat, credential, name=name, model=model):
                    names[name] = credential.provider
        return msgspec.json.encode(_SHAPES[ask.dialect](names))

    def _models_of(self, credential: Credential) -> Iterable[str]:
        if credential.models is None:
            return self._catalogued(credential.provider)
        return [model for model in credential.models if not set(model) & set("*?[")]


def _chat(ask: Ask) -> Ask:
    return msgspec.structs.replace(ask, endpoint=_USUAL[ask.dialect])


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
