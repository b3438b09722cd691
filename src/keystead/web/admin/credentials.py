"""Provider keys the organization brings: add, probe, rotate, roll back, revoke. Keys go in and never come out.

A probe goes over the network, so it is never made inside a transaction: look, probe, then change what is still as
it was seen.
"""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.credential import Credential, VersionState
from keystead.domain.errors import ConflictError, InvalidRequestError
from keystead.domain.ids import CredentialId
from keystead.domain.secret import Secret
from keystead.domain.traffic import Owner
from keystead.providers.probe import ProbeResult, probe
from keystead.providers.table import PROVIDERS, Provider
from keystead.vault.recognise import require_inference_key
from keystead.vault.view import CredentialView
from keystead.web.admin import credential_shapes as shapes
from keystead.web.admin.credential_shapes import CredentialShown, Probed, active_version, report, shown
from keystead.web.admin.provider_names import provider_named
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import Call, act
from keystead.web.admin.values import Nothing, Page, require_plain_name
from keystead.web.admin.verdict import may_serve, refusal, will_serve


async def list_all(call: Call[Nothing, Nothing]) -> Page[CredentialShown]:
    """Return every credential, revoked ones included; an organization has few."""
    async with call.rooms.database.read() as conn:
        views = await call.rooms.credentials.list(conn, call.who.organization_id)
    return Page(items=tuple(shown(view) for view in views))


async def show(call: Call[Nothing, Nothing]) -> CredentialShown:
    """Return one credential."""
    return shown(await _view(call))


async def add(call: Call[Nothing, shapes.AddCredential]) -> Probed:
    """Probe a key, then keep it in a new credential."""
    body = call.body
    candidate = _candidate(call)
    result = await _probe(call.rooms, candidate, body.key)
    activate = will_serve(result, activate=body.activate, force=body.force, keep=body.keep)
    async with act(call) as change:
        added = await call.rooms.credentials.add(
            change.conn,
            organization_id=candidate.organization_id,
            actor_id=call.who.member_id,
            name=candidate.name,
            provider=candidate.provider,
            origin=candidate.origin,
            settings=candidate.settings,
            owner=candidate.owner,
            region=candidate.region,
            models=candidate.models,
            on_disconnect=candidate.on_disconnect,
            key=body.key,
            activate=activate,
            allow_duplicate=body.allow_duplicate,
        )
        after = await _with_finding(call, change.conn, added.id, 1, result)
        await change.record(
            "credential.added",
            object_kind="credential",
            object_id=added.id,
            name=added.name,
            provider=added.provider,
            origin=added.origin,
            version=1,
            mask=added.versions[0].mask,
            activated=activate,
            probe=result.outcome,
        )
    return Probed(credential=shown(after), version=1, probe=report(result))


async def rotate(call: Call[Nothing, shapes.NewKey]) -> Probed:
    """Probe a key, keep it as the next version, and let it take over; the version before drains."""
    body = call.body
    view = await _live_view(call)
    require_inference_key(view.provider, body.key.reveal())
    result = await _probe(call.rooms, _as_credential(call, view), body.key)
    activate = will_serve(result, activate=body.activate, force=body.force, keep=body.keep)
    async with act(call) as change:
        staged = await call.rooms.credentials.stage(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            credential=view.id,
            key=body.key,
            allow_duplicate=body.allow_duplicate,
        )
        if activate:
            await call.rooms.credentials.activate(
                change.conn, organization_id=call.who.organization_id, credential=view.id, version=staged.version
            )
        after = await _with_finding(call, change.conn, view.id, staged.version, result)
        if after.origin != view.origin:
            raise ConflictError("The credential's destination changed while the key was being probed.")
        await change.record(
            "credential.rotated" if activate else "credential.staged",
            object_kind="credential",
            object_id=view.id,
            version=staged.version,
            mask=staged.mask,
            before=active_version(view),
            probe=result.outcome,
        )
    return Probed(credential=shown(after), version=staged.version, probe=report(result))


async def probe_version(call: Call[Nothing, shapes.SomeVersion]) -> Probed:
    """Ask the provider about a key that is kept, and record what it says."""
    view = await _live_view(call)
    version = call.body.version or _newest(view)
    result = await _probe_kept(call, view, version)
    async with act(call) as change:
        after = await _with_finding(call, change.conn, view.id, version, result)
        await change.record(
            "credential.probed", object_kind="credential", object_id=view.id, version=version, probe=result.outcome
        )
    return Probed(credential=shown(after), version=version, probe=report(result))


async def activate(call: Call[Nothing, shapes.Activation]) -> Probed:
    """Probe a version that is kept, then let it take over; the version before drains."""
    view = await _live_view(call)
    version = call.body.version
    result = await _probe_kept(call, view, version)
    if not may_serve(result, force=call.body.force):
        raise refusal(result, kept=True)
    async with act(call) as change:
        await call.rooms.credentials.activate(
            change.conn, organization_id=call.who.organization_id, credential=view.id, version=version
        )
        after = await _with_finding(call, change.conn, view.id, version, result)
        await change.record(
            "credential.activated",
            object_kind="credential",
            object_id=view.id,
            version=version,
            before=active_version(view),
            probe=result.outcome,
        )
    return Probed(credential=shown(after), version=version, probe=report(result))


async def rollback(call: Call[Nothing, Nothing]) -> CredentialShown:
    """Bring the version before back at once, without asking the provider: something is burning."""
    async with act(call) as change:
        before = await _view_in(call, change.conn)
        version = await call.rooms.credentials.rollback(
            change.conn, organization_id=call.who.organization_id, credential=before.id
        )
        after = await _view_in(call, change.conn)
        await change.record(
            "credential.rolled_back",
            object_kind="credential",
            object_id=before.id,
            version=version,
            before=active_version(before),
        )
    return shown(after)


async def retire(call: Call[Nothing, shapes.OneVersion]) -> CredentialShown:
    """End the draining of a version now."""
    async with act(call) as change:
        after = await call.rooms.credentials.retire(
            change.conn,
            organization_id=call.who.organization_id,
            credential=call.path["credential"],
            version=call.body.version,
        )
        await change.record(
            "credential.retired", object_kind="credential", object_id=after.id, version=call.body.version
        )
    return shown(after)


async def revoke(call: Call[Nothing, shapes.SomeVersion]) -> CredentialShown:
    """Destroy one version's key, or the credential with all its keys."""
    async with act(call) as change:
        after = await call.rooms.credentials.revoke(
            change.conn,
            organization_id=call.who.organization_id,
            credential=call.path["credential"],
            version=call.body.version,
        )
        await change.record(
            "credential.revoked", object_kind="credential", object_id=after.id, version=call.body.version
        )
    return shown(after)


async def change_destination(call: Call[Nothing, shapes.Destination]) -> CredentialShown:
    """Point the credential elsewhere, which destroys its keys: a new one must be brought."""
    async with act(call) as change:
        before = await _view_in(call, change.conn)
        origin = call.rooms.egress_guard.check_origin(call.body.origin)
        after = await call.rooms.credentials.change_destination(
            change.conn, organization_id=call.who.organization_id, credential=before.id, origin=origin
        )
        await change.record(
            "credential.destination_changed",
            object_kind="credential",
            object_id=before.id,
            before=before.origin,
            origin=origin,
        )
    return shown(after)


def _candidate(call: Call[Nothing, shapes.AddCredential]) -> Credential:
    """Return the credential that the body describes, checked but not yet kept."""
    body = call.body
    require_plain_name(body.name)
    provider = provider_named(body.provider)
    if body.name in PROVIDERS and body.name != provider.name:
        raise InvalidRequestError(
            f"A credential of {provider.name} must not be named like another provider.",
            code="invalid_name",
            param="name",
            next_step="Choose another name: `name/model` is how callers say which credential they mean.",
        )
    require_inference_key(provider.name, body.key.reveal())
    origin = _origin(call.rooms, provider, body.origin)
    return Credential(
        id=CredentialId(""),
        organization_id=call.who.organization_id,
        name=body.name,
        provider=provider.name,
        origin=origin,
        settings=body.settings,
        owner=Owner.SANDBOX if provider.name == "sandbox" else Owner.OWN,
        region=provider.region_of(origin) if body.region is None else body.region,
        models=body.models,
        on_disconnect=body.on_disconnect,
        active=None,
    )


def _origin(rooms: AdminRooms, provider: Provider, asked: str | None) -> str:
    origin = asked or provider.origin
    if origin is None:
        raise InvalidRequestError(
            f"{provider.title} has no address of its own.",
            code="origin_missing",
            param="origin",
            next_step="Say where your endpoint is: `https://host` or `https://host:port`.",
        )
    return rooms.egress_guard.check_origin(origin)


async def _view(call: Call[Any, Any]) -> CredentialView:
    async with call.rooms.database.read() as conn:
        return await _view_in(call, conn)


async def _live_view(call: Call[Any, Any]) -> CredentialView:
    """Return the credential unless it is revoked: no key is sent anywhere on behalf of a revoked one."""
    view = await _view(call)
    if view.revoked_at is not None:
        raise ConflictError(
            "The credential is revoked.", code="credential_revoked", next_step="Add the key as a new credential."
        )
    return view


async def _view_in(call: Call[Any, Any], conn: AsyncConnection) -> CredentialView:
    return await call.rooms.credentials.get(conn, call.who.organization_id, call.path["credential"])


def _newest(view: CredentialView) -> int:
    """Return the active version's number, else that of the newest whose key is kept."""
    kept = [version.version for version in view.versions if version.state is not VersionState.REVOKED]
    active = active_version(view)
    if active is not None:
        return active
    if kept:
        return max(kept)
    raise ConflictError("The credential has no key.", next_step="Bring one: rotate the credential.")


def _as_credential(call: Call[Any, Any], view: CredentialView) -> Credential:
    return Credential(
        id=view.id,
        organization_id=call.who.organization_id,
        name=view.name,
        provider=view.provider,
        origin=view.origin,
        settings=view.settings,
        owner=view.owner,
        region=view.region,
        models=view.models,
        on_disconnect=view.on_disconnect,
        active=None,
    )


async def _probe(rooms: AdminRooms, credential: Credential, key: Secret) -> ProbeResult:
    provider = PROVIDERS[credential.provider]
    return await probe(rooms.transport_for(provider.name), provider, credential, key, clock=rooms.clock)


async def _probe_kept(call: Call[Any, Any], view: CredentialView, version: int) -> ProbeResult:
    async with call.rooms.database.read() as conn:
        credential, sealed = await call.rooms.credentials.open_for_probe(
            conn, organization_id=call.who.organization_id, credential=view.id, version=version
        )
    return await _probe(call.rooms, credential, await call.rooms.lease_door.lease(credential, sealed))


async def _with_finding(
    call: Call[Any, Any], conn: AsyncConnection, credential: str, version: int, result: ProbeResult
) -> CredentialView:
    """Keep what the probe found, and return the credential as it is now."""
    await call.rooms.credentials.record_probe(
        conn,
        organization_id=call.who.organization_id,
        credential=credential,
        version=version,
        result=msgspec.to_builtins(report(result)),
    )
    return await call.rooms.credentials.get(conn, call.who.organization_id, credential)
