"""The versions of a credential's key: probe, rotate, activate, roll back, retire."""

from typing import Final

from keystead.domain.access import Permission
from keystead.domain.credential import VersionState
from keystead.domain.errors import ConflictError
from keystead.providers.probe import ProbeResult
from keystead.vault.view import CredentialView
from keystead.web.admin import credential_shapes as shapes
from keystead.web.admin.credential_probes import (
    as_credential,
    changing,
    live_view,
    probe_kept,
    probe_key,
    require_key,
    view_in,
    with_finding,
)
from keystead.web.admin.credential_shapes import CredentialShown, Probed, active_version, report, shown
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Nothing
from keystead.web.admin.verdict import may_serve, refusal, will_serve


async def rotate(call: Call[Nothing, shapes.NewKey]) -> Probed:
    """Probe a key, keep it as the next version, and let it take over; the version before drains."""
    view = await live_view(call)
    require_key(call, view.provider, view.settings, call.body.key)
    return await keep_next(call, view, await probe_key(call.rooms, as_credential(call, view), call.body.key))


async def keep_next(call: Call[Nothing, shapes.NewKey], view: CredentialView, result: ProbeResult) -> Probed:
    """Keep a key that was probed as the next version of the credential that was seen as `view`."""
    body = call.body
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
        after = await with_finding(call, change.conn, view.id, staged.version, result)
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
    view = await live_view(call)
    version = call.body.version or _newest(view)
    result = await probe_kept(call, view, version)
    async with act(call) as change:
        after = await with_finding(call, change.conn, view.id, version, result)
        await change.record(
            "credential.probed", object_kind="credential", object_id=view.id, version=version, probe=result.outcome
        )
    return Probed(credential=shown(after), version=version, probe=report(result))


async def activate(call: Call[Nothing, shapes.Activation]) -> Probed:
    """Probe a version that is kept, then let it take over; the version before drains."""
    view = await live_view(call)
    version = call.body.version
    result = await probe_kept(call, view, version)
    if not may_serve(result, force=call.body.force):
        raise refusal(result, kept=True)
    async with act(call) as change:
        await call.rooms.credentials.activate(
            change.conn, organization_id=call.who.organization_id, credential=view.id, version=version
        )
        after = await with_finding(call, change.conn, view.id, version, result)
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
        before = await changing(call, change.conn)
        version = await call.rooms.credentials.rollback(
            change.conn, organization_id=call.who.organization_id, credential=before.id
        )
        after = await view_in(call, change.conn)
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
        before = await changing(call, change.conn)
        after = await call.rooms.credentials.retire(
            change.conn,
            organization_id=call.who.organization_id,
            credential=before.id,
            version=call.body.version,
        )
        await change.record(
            "credential.retired", object_kind="credential", object_id=after.id, version=call.body.version
        )
    return shown(after)


def _newest(view: CredentialView) -> int:
    """Return the active version's number, else that of the newest whose key is kept."""
    kept = [version.version for version in view.versions if version.state is not VersionState.REVOKED]
    active = active_version(view)
    if active is not None:
        return active
    if kept:
        return max(kept)
    raise ConflictError("The credential has no key.", next_step="Bring one: rotate the credential.")


ROUTES: Final = (
    Route(
        method="POST",
        path="/credentials/{credential}/probe",
        permission=Permission.CREDENTIAL_WRITE,
        handler=probe_version,
        summary="Ask the provider about a key that is kept (the active one, unless a version is named).",
        body=shapes.SomeVersion,
        answer=Probed,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/rotate",
        permission=Permission.CREDENTIAL_WRITE,
        handler=rotate,
        summary="Probe a new key and let it take over; requests under way end on the old one.",
        body=shapes.NewKey,
        answer=Probed,
        errors=(404, 409, 502),
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/activate",
        permission=Permission.CREDENTIAL_WRITE,
        handler=activate,
        summary="Probe a version that is kept and let it take over.",
        body=shapes.Activation,
        answer=Probed,
        errors=(404, 409, 502),
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/rollback",
        permission=Permission.CREDENTIAL_WRITE,
        handler=rollback,
        summary="Bring the version before back at once, without a probe.",
        answer=CredentialShown,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/retire",
        permission=Permission.CREDENTIAL_WRITE,
        handler=retire,
        summary="End the draining of a version now.",
        body=shapes.OneVersion,
        answer=CredentialShown,
        errors=(404, 409),
    ),
)
