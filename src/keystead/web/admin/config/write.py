"""Making a document's changes: the admin API's own handlers, one after another, in one transaction."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec

from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.secret import Secret
from keystead.providers.probe import ProbeResult
from keystead.vault.view import CredentialView
from keystead.web.admin import (
    budgets,
    consents,
    credential_changes,
    credential_shapes,
    credential_terms,
    credential_versions,
    credentials,
    data_classes,
    grants,
    members,
    model_routes,
    organization,
    platform_credentials,
    rate_limits,
    recognizers,
    roles,
    service_accounts,
    teams,
)
from keystead.web.admin.config import document as doc
from keystead.web.admin.config.difference import Place
from keystead.web.admin.config.steps import RENAMED, KeyStep, Step, entry_at
from keystead.web.admin.credential_probes import as_credential, probe_key, require_key
from keystead.web.admin.endpoint import not_permitted
from keystead.web.admin.route import Act, Call, Route
from keystead.web.admin.values import Nothing, decode_hook
from keystead.web.admin.verdict import will_serve

_ROUTES: Final[Mapping[str, Route]] = {
    route.path: route
    for resource in (
        budgets,
        consents,
        credential_changes,
        credential_terms,
        credential_versions,
        credentials,
        data_classes,
        grants,
        members,
        model_routes,
        organization,
        platform_credentials,
        rate_limits,
        recognizers,
        roles,
        service_accounts,
        teams,
    )
    for route in resource.ROUTES
    if route.method == "POST"
}
MAX_CHANGES: Final = 2_000
"""In one transaction. Each takes some milliseconds, and on SQLite everybody who writes waits for all of them."""

_ADD: Final = "/credentials"
_ROTATE: Final = "/credentials/{credential}/rotate"

_UNPROVEN: Final = ProbeResult(ok=True, outcome="valid", status=None, message="", latency_us=0)
_MADE_UP: Final = "made-up-key-of-a-rehearsal-00000000"


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was brought, probed, and not kept yet."""

    body: Any
    """As the admin API takes it: of a new credential, or of its next version."""
    target: Credential | CredentialView
    """The new credential, or the credential as it is seen."""
    result: ProbeResult


async def bring(
    call: Call[Any, Any], steps: Iterable[KeyStep], wanted: doc.Document, keys: Mapping[str, Secret], *, force: bool
) -> dict[Place, Brought]:
    """Probe the keys that `steps` need. That asks providers, so it is done before the transaction.

    Raises:
        InvalidRequestError: `key_missing`: one is not among `keys`; or a provider refuses one.
    """
    found = {}
    for step in steps:
        _, name = step.place
        key = keys.get(name)
        if key is None:
            raise InvalidRequestError(
                f"The key of the credential {name!r} is missing.",
                code="key_missing",
                param=f"credentials.{name}.key",
                next_step="Say in the document where it is found: `${NAME}` or `file:/path`.",
            )
        try:
            brought = await _candidate(call, step, wanted, key)
            target = brought.target
            candidate = target if isinstance(target, Credential) else as_credential(call, target)
            result = await probe_key(call.rooms, candidate, key)
            will_serve(result, activate=True, force=force, keep=False)
        except KeysteadError as error:
            raise _placed(error, step.place) from error
        forced = msgspec.structs.replace(brought.body, force=force)
        found[step.place] = msgspec.structs.replace(brought, body=forced, result=result)
    return found


async def made_up(call: Call[Any, Any], steps: Iterable[KeyStep], wanted: doc.Document) -> dict[Place, Brought]:
    """Return keys for a rehearsal, which nobody is asked about and which are not kept."""
    found = {}
    for number, step in enumerate(steps):
        try:
            found[step.place] = await _candidate(call, step, wanted, Secret(f"{_MADE_UP}{number}"))
        except KeysteadError as error:
            raise _placed(error, step.place) from error
    return found


async def perform(
    call: Call[Any, Any], change: Act, steps: Sequence[Step | KeyStep], brought: Mapping[Place, Brought]
) -> None:
    """Make the changes, as the caller and within `change`.

    Raises:
        InvalidRequestError: `too_many_changes`.
        KeysteadError: one of them cannot be made; its message and `param` say which. The transaction must not be
            committed then.
    """
    if len(steps) > MAX_CHANGES:
        raise InvalidRequestError(
            f"The document makes {len(steps):,} changes, and {MAX_CHANGES:,} at once are the most.",
            code="too_many_changes",
            param="document",
            next_step="Apply it in parts: some of its sections, or some of their entries, and without `prune`.",
        )
    for step in steps:
        try:
            if isinstance(step, KeyStep):
                await _keep(call, change, step, brought[step.place])
            else:
                route = _admitting(call, step.route)
                await route.handler(_inner(call, change, path=dict(step.path), body=_body(step, route)))
        except KeysteadError as error:
            raise _placed(error, step.place) from error


@asynccontextmanager
async def rehearsal(call: Call[Any, Any]) -> AsyncIterator[Act]:
    """Lend a transaction that is never committed, to find out what a change would come to."""
    with suppress(_NotCommittedError):
        async with call.rooms.database.write() as conn:
            yield Act(conn, call)
            raise _NotCommittedError


class _NotCommittedError(Exception):
    """Ends a rehearsal's transaction."""


async def _candidate(call: Call[Any, Any], step: KeyStep, wanted: doc.Document, key: Secret) -> Brought:
    _, name = step.place
    entry: doc.Credential = entry_at(wanted, step.place)
    if step.new:
        _admitting(call, _ADD)
        body = _converted(
            {
                "name": name,
                "provider": entry.provider,
                "origin": entry.origin,
                "settings": entry.settings,
                "region": entry.region,
                "models": entry.models,
                "on_disconnect": entry.on_disconnect,
                "platform": entry.margin_ppm is not None,
                "margin_ppm": entry.margin_ppm,
                "key": "x",
            },
            credential_shapes.AddCredential,
        )
        body = msgspec.structs.replace(body, key=key)
        candidate = credentials.candidate_of(_inner(call, None, path={}, body=body))
        return Brought(body=body, target=candidate, result=_UNPROVEN)
    _admitting(call, _ROTATE)
    async with call.rooms.database.read() as conn:
        view = await call.rooms.credentials.get(conn, call.who.organization_id, name)
    require_key(call, entry.provider, entry.settings, key)
    if entry.origin is not None:
        view = msgspec.structs.replace(view, origin=call.rooms.egress_guard.check_origin(entry.origin))
    return Brought(body=credential_shapes.NewKey(key=key), target=view, result=_UNPROVEN)


async def _keep(call: Call[Any, Any], change: Act, step: KeyStep, brought: Brought) -> None:
    _, name = step.place
    inner = _inner(call, change, path={} if step.new else {"credential": name}, body=brought.body)
    if isinstance(brought.target, Credential):
        await credentials.keep(inner, brought.target, brought.result)
    else:
        await credential_versions.keep_next(inner, brought.target, brought.result)


def _admitting(call: Call[Any, Any], path: str) -> Route:
    """Return a route that lets the caller in.

    Raises:
        PolicyDenied: it does not.
    """
    route = _ROUTES[path]
    if not route.admits(call.who):
        raise not_permitted(route)
    return route


def _inner(call: Call[Any, Any], change: Act | None, *, path: dict[str, str], body: Any) -> Call[Nothing, Any]:
    return Call(rooms=call.rooms, who=call.who, path=path, query=Nothing(), body=body, within=change)


def _body(step: Step, route: Route) -> Any:
    return _converted(step.body, route.body)


def _converted(body: Mapping[str, Any], expected: type) -> Any:
    """Check a body as if it had come over the network."""
    try:
        return msgspec.convert(msgspec.to_builtins(body), expected, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        raise InvalidRequestError(f"{message}.", param=place.rstrip("`").removeprefix("$.") or None) from error


def _placed(error: KeysteadError, place: Place) -> KeysteadError:
    """Say in the error where in the document it comes from."""
    section, name = place
    where = f"{section}.{name}" if name else section
    first, dot, rest = (error.param or "").partition(".")
    field = f"{RENAMED.get(first, first)}{dot}{rest}"
    error.param = f"{where}.{field}" if field else where
    error.message = f"{where}: {error.message}"
    return error
