"""Provider keys the organization brings: list, add, revoke, point elsewhere. Keys go in and never come out."""

from typing import Final

from keystead.domain.access import Permission
from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import CredentialId
from keystead.domain.traffic import Owner
from keystead.providers.given import check_settings
from keystead.providers.probe import ProbeResult
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS
from keystead.web.admin import credential_shapes as shapes
from keystead.web.admin.credential_probes import (
    changing,
    probe_key,
    require_key,
    require_operator,
    view_of,
    with_finding,
)
from keystead.web.admin.credential_shapes import CredentialShown, Probed, report, shown
from keystead.web.admin.provider_names import provider_named
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Nothing, Page, require_plain_name
from keystead.web.admin.verdict import will_serve


async def list_all(call: Call[Nothing, Nothing]) -> Page[CredentialShown]:
    """Return every credential, revoked ones included; an organization has few."""
    async with call.rooms.database.read() as conn:
        views = await call.rooms.credentials.list(conn, call.who.organization_id)
    return Page(items=tuple(shown(view) for view in views))


async def show(call: Call[Nothing, Nothing]) -> CredentialShown:
    """Return one credential."""
    return shown(await view_of(call))


async def add(call: Call[Nothing, shapes.AddCredential]) -> Probed:
    """Probe a key, then keep it in a new credential."""
    candidate = candidate_of(call)
    return await keep(call, candidate, await probe_key(call.rooms, candidate, call.body.key))


async def keep(call: Call[Nothing, shapes.AddCredential], candidate: Credential, result: ProbeResult) -> Probed:
    """Keep a key that was probed in a new credential."""
    body = call.body
    activate = will_serve(result, activate=body.activate, force=body.force, keep=body.keep)
    async with act(call) as change:
        added = await call.rooms.credentials.add(
            change.conn,
            candidate=candidate,
            actor_id=call.who.member_id,
            key=body.key,
            activate=activate,
            allow_duplicate=body.allow_duplicate,
        )
        after = await with_finding(call, change.conn, added.id, 1, result)
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
            owner=added.owner,
            margin_ppm=added.margin_ppm,
            probe=result.outcome,
        )
    return Probed(credential=shown(after), version=1, probe=report(result))


async def revoke(call: Call[Nothing, shapes.SomeVersion]) -> CredentialShown:
    """Destroy one version's key, or the credential with all its keys."""
    async with act(call) as change:
        before = await changing(call, change.conn)
        after = await call.rooms.credentials.revoke(
            change.conn,
            organization_id=call.who.organization_id,
            credential=before.id,
            version=call.body.version,
        )
        await change.record(
            "credential.revoked", object_kind="credential", object_id=after.id, version=call.body.version
        )
    return shown(after)


async def change_destination(call: Call[Nothing, shapes.Destination]) -> CredentialShown:
    """Point the credential elsewhere, which destroys its keys: a new one must be brought."""
    async with act(call) as change:
        before = await changing(call, change.conn)
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


def candidate_of(call: Call[Nothing, shapes.AddCredential]) -> Credential:
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
    check_settings(provider, body.settings)
    require_key(call, provider.name, body.settings, body.key)
    origin = _origin(call.rooms, provider, body.origin or provider.origin_for(body.settings))
    return Credential(
        id=CredentialId(""),
        organization_id=call.who.organization_id,
        name=body.name,
        provider=provider.name,
        origin=origin,
        settings=body.settings,
        owner=_owner(call, provider),
        region=provider.region_for(origin, body.settings) if body.region is None else body.region,
        models=body.models,
        on_disconnect=body.on_disconnect,
        margin_ppm=body.margin_ppm,
        active=None,
    )


def _owner(call: Call[Nothing, shapes.AddCredential], provider: Provider) -> Owner:
    if call.body.platform is (call.body.margin_ppm is None):
        raise InvalidRequestError(
            "A platform credential has a margin, and no other credential has one.",
            param="margin_ppm",
            next_step="Say both `platform` and `margin_ppm` (0 for none), or neither.",
        )
    if call.body.platform:
        require_operator(call, Owner.PLATFORM)
        return Owner.PLATFORM
    return Owner.SANDBOX if provider.name == "sandbox" else Owner.OWN


def _origin(rooms: AdminRooms, provider: Provider, origin: str | None) -> str:
    if origin is None:
        raise InvalidRequestError(
            f"{provider.title} has no address of its own.",
            code="origin_missing",
            param="origin",
            next_step="Say where your endpoint is: `https://host` or `https://host:port`.",
        )
    return rooms.egress_guard.check_origin(origin)


ROUTES: Final = (
    Route(
        method="GET",
        path="/credentials",
        permission=Permission.CREDENTIAL_READ,
        handler=list_all,
        summary="Credentials with their versions, without their keys.",
        answer=Page[CredentialShown],
    ),
    Route(
        method="POST",
        path="/credentials",
        permission=Permission.CREDENTIAL_WRITE,
        handler=add,
        summary="Probe a provider key and keep it in a new credential.",
        body=shapes.AddCredential,
        answer=Probed,
        status=201,
        errors=(409, 502),
    ),
    Route(
        method="GET",
        path="/credentials/{credential}",
        permission=Permission.CREDENTIAL_READ,
        handler=show,
        summary="One credential.",
        answer=CredentialShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/revoke",
        permission=Permission.CREDENTIAL_WRITE,
        handler=revoke,
        summary="Destroy one version's key or, if none is named, the credential with all its keys.",
        body=shapes.SomeVersion,
        answer=CredentialShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/destination",
        permission=Permission.CREDENTIAL_WRITE,
        handler=change_destination,
        summary="Point the credential elsewhere; its keys are destroyed and a new one must be brought.",
        body=shapes.Destination,
        answer=CredentialShown,
        errors=(404, 409),
    ),
)
