"""The gateway's own answers to "which models are there" and "what is this model", in each dialect's shape.

With one real credential, whose provider speaks the caller's dialect, and a key that is not narrowed, the provider's own
list passes untouched. Otherwise no provider can answer, and the gateway lists what the virtual key may call, translated or
not, under the names that work here (see `gateway.usable`). The shapes are those of the official SDKs of November 2026.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint, Owner
from keystead.gateway.ask import Ask
from keystead.gateway.pipeline import Pipeline
from keystead.gateway.usable import UsableModel
from keystead.providers.table import PROVIDERS

_GEMINI_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_USUAL: Final = {
    Dialect.OPENAI: Endpoint.CHAT,
    Dialect.ANTHROPIC: Endpoint.MESSAGES,
    Dialect.GEMINI: Endpoint.GENERATE,
}
"""What a listed model is most likely wanted for; grants may let it be used for other things, or not for this."""
_UNKNOWN_DATE: Final = "1970-01-01"
"""Stands for a day that nobody knows, as at Anthropic; the SDKs insist on one."""
_LINES: Final = frozenset({"haiku", "sonnet", "opus", "fable", "mythos"})
_MOST: Final = 1000
"""The longest page that Anthropic and Google give. It is also what is given to who does not say."""


class ModelList:
    """Lists the models that a virtual key may call."""

    def __init__(self, *, pipeline: Pipeline, clock: Clock) -> None:
        """Decide as `pipeline` does; `clock` says what has ended by now."""
        self._pipeline = pipeline
        self._clock = clock

    def is_own(self, key: VirtualKey, ask: Ask) -> bool:
        """Say whether the gateway answers `ask` itself."""
        real = [c for c in self._pipeline.usable(key, _chat(ask)) if c.owner is not Owner.SANDBOX]
        if key.models is not None or len(real) != 1 or real[0].models is not None:
            return True
        if (ask.dialect, Endpoint.MODELS) not in PROVIDERS[real[0].provider].endpoints:
            return True
        return bool(self._pipeline.routes(key)) or not self._pipeline.may_use(key, ask, real[0], name="", model="")

    async def body(self, key: VirtualKey, ask: Ask) -> bytes:
        """Return the list in the caller's dialect.

        Raises:
            InvalidRequestError: the page asked for cannot be given.
            PolicyDenied: the key may not be used from there.
        """
        models = await self._pipeline.models(key, _chat(ask))
        query = parse_qs(ask.query.decode("latin-1"))
        given = {name: values[0] for name, values in query.items()}
        return msgspec.json.encode(_PAGE[ask.dialect](models, given, self._today()))

    async def one(self, key: VirtualKey, ask: Ask) -> bytes | None:
        """Return the model that `ask` names in the caller's dialect; None if it is not in the list.

        Raises:
            PolicyDenied: the key may not be used from there.
        """
        name = ask.model.removeprefix("models/")
        for model in await self._pipeline.models(key, _chat(ask)):
            if name in model.names:
                return msgspec.json.encode(_ONE[ask.dialect](model, self._today()))
        return None

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC).date().isoformat()


def _chat(ask: Ask) -> Ask:
    return msgspec.structs.replace(ask, endpoint=_USUAL[ask.dialect])


# -- OpenAI -----------------------------------------------------------------------------------------------------------


def _openai(model: UsableModel, _today: str) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": _seconds(_released(model)),
        "owned_by": _maker(model),
        "shutdown_date": _retires(model) or None,
    }


def _openai_page(models: Sequence[UsableModel], _query: dict[str, str], today: str) -> dict[str, Any]:
    return {"object": "list", "data": [_openai(model, today) for model in models]}


# -- Anthropic --------------------------------------------------------------------------------------------------------


def _anthropic(model: UsableModel, today: str) -> dict[str, Any]:
    facts = model.known.facts if model.known else None
    retires = _retires(model)
    status = facts.status_on(today) if facts else ""
    ending = status if status in {"deprecated", "retired"} else "deprecated" if retires else "active"
    line = facts.family.rpartition("-")[2] if facts and facts.maker == "anthropic" else ""
    return {
        "type": "model",
        "id": model.name,
        "display_name": (facts.name if facts else "") or model.name,
        "created_at": _midnight(_released(model) or _UNKNOWN_DATE),
        "max_input_tokens": model.known.context if model.known else None,
        "max_tokens": model.known.max_output if model.known else None,
        "lifecycle": ending,
        "line": line if line in _LINES else None,
        "deprecated_at": _midnight(facts.deprecated) if facts and facts.deprecated else None,
        "retires_at": _midnight(retires) if retires else None,
    }


def _anthropic_page(models: Sequence[UsableModel], query: dict[str, str], today: str) -> dict[str, Any]:
    size = _size(query, "limit")
    names = [model.name for model in models]
    if "before_id" in query:
        end = _position(names, query["before_id"], "before_id")
        start = max(0, end - size)
        more = start > 0
    else:
        start = _position(names, query["after_id"], "after_id") + 1 if "after_id" in query else 0
        end = min(len(names), start + size)
        more = end < len(names)
    page = models[start:end]
    return {
        "data": [_anthropic(model, today) for model in page],
        "has_more": more,
        "first_id": page[0].name if page else None,
        "last_id": page[-1].name if page else None,
    }


# -- Gemini -----------------------------------------------------------------------------------------------------------


def _gemini(model: UsableModel, _today: str) -> dict[str, Any]:
    facts = model.known.facts if model.known else None
    embeds = facts is not None and "embeddings" in (facts.can or ())
    shown: dict[str, Any] = {
        "name": f"models/{model.name}",
        "version": "",
        "displayName": (facts.name if facts else "") or model.name,
        "supportedGenerationMethods": ["embedContent"] if embeds else [*_GEMINI_METHODS],
    }
    if model.known is not None and model.known.context is not None:
        shown["inputTokenLimit"] = model.known.context
    if model.known is not None and model.known.max_output is not None:
        shown["outputTokenLimit"] = model.known.max_output
    if facts is not None and facts.can is not None:
        shown["thinking"] = "reasoning" in facts.can
    return shown


def _gemini_page(models: Sequence[UsableModel], query: dict[str, str], today: str) -> dict[str, Any]:
    size = _size(query, "pageSize")
    names = [model.name for model in models]
    start = _position(names, query["pageToken"], "pageToken") + 1 if query.get("pageToken") else 0
    page = models[start : start + size]
    answer: dict[str, Any] = {"models": [_gemini(model, today) for model in page]}
    if start + size < len(models):
        answer["nextPageToken"] = page[-1].name
    return answer


_ONE: Final = {Dialect.OPENAI: _openai, Dialect.ANTHROPIC: _anthropic, Dialect.GEMINI: _gemini}
_PAGE: Final = {Dialect.OPENAI: _openai_page, Dialect.ANTHROPIC: _anthropic_page, Dialect.GEMINI: _gemini_page}


def _maker(model: UsableModel) -> str:
    facts = model.known.facts if model.known else None
    return (facts.maker if facts else "") or model.provider or "keystead"


def _released(model: UsableModel) -> str:
    return model.known.released if model.known else ""


def _retires(model: UsableModel) -> str:
    return model.known.retires if model.known else ""


def _seconds(day: str) -> int:
    return int(datetime.fromisoformat(_whole(day)).replace(tzinfo=UTC).timestamp()) if day else 0


def _midnight(day: str) -> str:
    return f"{_whole(day)}T00:00:00Z"


def _whole(day: str) -> str:
    """Return a day; some are known to the month alone."""
    return day if len(day) == len(_UNKNOWN_DATE) else f"{day}-01"


def _size(query: dict[str, str], param: str) -> int:
    text = query.get(param, "")
    if not text:
        return _MOST
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:8]) <= _MOST:
        raise InvalidRequestError(f"`{param}` is 1 to {_MOST}.", param=param)
    return int(text[:8])


def _position(names: Sequence[str], name: str, param: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise InvalidRequestError(
            f"There is no such place in the list: `{param}`.", param=param, next_step="Begin again without it."
        ) from None
