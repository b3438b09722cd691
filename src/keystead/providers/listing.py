"""A credential's own list of models, fine-tuned ones included, asked of its provider.

Whatever the list says is data: names that could not be asked for are left out, everything is bounded, and nothing in it
is followed anywhere but to the next page of the same list.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from keystead.dialects.body import check_model
from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError, ProviderError
from keystead.domain.models import ListedModel
from keystead.domain.secret import Secret
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass
from keystead.providers.authorization import Authorized, Authorizers
from keystead.providers.classify import classify
from keystead.providers.request import UpstreamRequest, build, build_probe
from keystead.providers.row import Provider
from keystead.providers.transport import Transport

MAX_MODELS: Final = 5_000
"""More than any provider has; an aggregator has about a thousand."""
_MAX_PAGES: Final = 20
_MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
_MOST_TOKENS: Final = 1 << 40
_WILDCARDS: Final = frozenset("*?[]")
"""Names are compared with patterns, in both directions."""

_ROWS: Final = ("data", "models")
_PAGE_SIZES: Final = {Dialect.ANTHROPIC: "limit=1000", Dialect.GEMINI: "pageSize=1000"}
_COHERE: Final = "/v1/models?page_size=1000"
"""Cohere lists its models outside the dialect that it is spoken to in."""


def can_list(provider: Provider) -> bool:
    """Say whether a provider lists the names that can be asked for.

    Azure lists the models behind the names, and those names are its customer's deployments. The sandbox has its own list.
    """
    if provider.quirks.deployment_paths or provider.name == "sandbox":
        return False
    return provider.name == "cohere" or _dialect(provider) is not None


async def list_models(
    transport: Transport, authorizers: Authorizers, provider: Provider, credential: Credential, secret: Secret
) -> tuple[ListedModel, ...]:
    """Ask for the list, page by page. Bills nothing.

    Raises:
        ProviderError: there was no answer, a refusal, or no list in the answer.
        InvalidRequestError: a setting of the credential is not valid.
    """
    found: dict[str, ListedModel] = {}
    position = ""
    for _ in range(_MAX_PAGES):
        request = _request(provider, credential, position)
        authorized = await authorizers.authorize(provider, request, credential, secret)
        page = await _page(transport, provider, request, authorized)
        for model in page.models:
            found.setdefault(model.id, model)
        if len(found) >= MAX_MODELS or not page.after or page.after == position:
            break
        position = page.after
    return tuple(list(found.values())[:MAX_MODELS])


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    models: tuple[ListedModel, ...]
    after: str
    """The query that asks for the next page; empty: there is none."""


async def _page(transport: Transport, provider: Provider, request: UpstreamRequest, authorized: Authorized) -> _Page:
    response = await transport.open(request, authorized)
    try:
        body = await response.body(_MAX_PAGE_BYTES)
    finally:
        response.close()
    if response.status >= 300:
        refusal = classify(provider.name, response.status, response.headers, body)
        raise ProviderError(
            f"{provider.title} did not give its list of models. {refusal.message}".strip(),
            error_class=refusal.error_class,
            sent=True,
        )
    page = read_page(body)
    if page is None:
        raise ProviderError(
            f"{provider.title} answered with something that is no list of models.",
            error_class=ErrorClass.PROTOCOL,
            sent=True,
        )
    return page


def read_page(body: bytes) -> _Page | None:
    """Return what one answer lists; None if it is no list. A part that cannot be read is left out."""
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    after = ""
    if isinstance(read, dict):
        after = _after(read)
        read = next((read[name] for name in _ROWS if isinstance(read.get(name), list)), None)
    if not isinstance(read, list):  # Together AI answers with the bare array
        return None
    models = (_model(row) for row in read[:MAX_MODELS] if isinstance(row, dict))
    return _Page(models=tuple(model for model in models if model is not None), after=after)


def _request(provider: Provider, credential: Credential, position: str) -> UpstreamRequest:
    if provider.name == "cohere":
        target = f"{_COHERE}&{position}" if position else _COHERE
        return msgspec.structs.replace(build_probe(provider, credential), target=target)
    dialect = _dialect(provider)
    assert dialect is not None, "see can_list"
    parts = [part for part in (_PAGE_SIZES.get(dialect, ""), position) if part]
    return build(
        provider,
        credential,
        dialect=dialect,
        endpoint=Endpoint.MODELS,
        path_tail="/models",
        method="GET",
        query="&".join(parts),
    )


def _dialect(provider: Provider) -> Dialect | None:
    """Return the dialect in which a provider lists its models, its own rather than one that it imitates."""
    order = (Dialect.GEMINI, Dialect.ANTHROPIC, Dialect.OPENAI)
    return next((each for each in order if (each, Endpoint.MODELS) in provider.endpoints), None)


def _after(read: Mapping[str, Any]) -> str:
    """Return the query for the next page, from what each dialect says of it."""
    if read.get("has_more") is True and isinstance(read.get("last_id"), str):
        return f"after_id={quote(read['last_id'][:300], safe='')}"
    for name, parameter in (("nextPageToken", "pageToken"), ("next_page_token", "page_token")):
        if isinstance(read.get(name), str) and read[name]:
            return f"{parameter}={quote(read[name][:300], safe='')}"
    return ""


def _model(row: Mapping[str, Any]) -> ListedModel | None:
    name = row.get("id") or row.get("name")
    if not isinstance(name, str) or set(name) & _WILDCARDS:
        return None
    try:
        check_model(name := name.removeprefix("models/"))
    except InvalidRequestError:
        return None
    return ListedModel(
        id=name,
        released=_first(row, ("created_at", "created"), _day) or "",
        retires=_first(row, ("retires_at", "shutdown_date", "deprecation", "expiration_date"), _day) or "",
        context=_first(row, ("context_length", "context_window", "max_context_length", "max_model_len"), _tokens)
        or _first(row, ("max_input_tokens", "inputTokenLimit"), _tokens),
        max_output=_first(row, ("outputTokenLimit", "max_tokens", "max_completion_tokens"), _tokens),
    )


def _first(row: Mapping[str, Any], names: tuple[str, ...], read: Callable[[object], Any]) -> Any:
    """Return the first of these members that holds what is looked for."""
    found = (read(row.get(name)) for name in names)
    return next((value for value in found if value), None)


def _day(value: object) -> str | None:
    """Return a day from an RFC 3339 text or Unix seconds; None if it says none, or the epoch, which stands for none."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return at.date().isoformat() if at.year > 1970 else None


def _tokens(value: object) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST_TOKENS
    return int(value) if usable else None  # type: ignore[call-overload]
