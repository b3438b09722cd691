"""Looking at credentials and asking providers about their keys: what several resources of the vault share.

A probe goes over the network, so it is never made inside a transaction: look, probe, then change what is still as
it was seen.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.credential import Credential
from keystead.domain.errors import ConflictError, InvalidRequestError, PolicyDenied
from keystead.domain.secret import Secret
from keystead.domain.traffic import Owner
from keystead.providers.probe import ProbeResult, probe
from keystead.providers.table import PROVIDERS
from keystead.vault.recognise import WORKLOAD, require_inference_key
from keystead.vault.view import CredentialView
from keystead.web.admin.credential_shapes import report
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import Call


async def view_of(call: Call[Any, Any]) -> CredentialView:
    """Return the credential that the path names."""
    async with call.rooms.database.read() as conn:
        return await view_in(call, conn)


async def live_view(call: Call[Any, Any]) -> CredentialView:
    """Return the credential, to be changed, unless it is revoked: no key is sent anywhere for a revoked one."""
    view = await view_of(call)
    require_operator(call, view.owner)
    if view.revoked_at is not None:
        raise ConflictError(
            "The credential is revoked.", code="credential_revoked", next_step="Add the key as a new credential."
        )
    return view


async def view_in(call: Call[Any, Any], conn: AsyncConnection) -> CredentialView:
    """Return the credential that the path names, as it is inside a transaction."""
    return await call.rooms.credentials.get(conn, call.who.organization_id, call.path["credential"])


def require_operator(call: Call[Any, Any], owner: Owner) -> None:
    """Refuse a change of a platform credential by anybody but the operator, whoever else shares the organization.

    Raises:
        PolicyDenied: the credential is the platform's, and the caller is not the operator.
    """
    if owner is Owner.PLATFORM and not call.who.may(Permission.PLATFORM_CREDENTIALS):
        raise PolicyDenied(
            "Platform credentials are the operator's.",
            next_step="Ask the operator of the platform, or add the key as your organization's own.",
        )


def require_own_identity(call: Call[Any, Any], settings: Mapping[str, str]) -> None:
    """Refuse to let anybody but the operator act as the gateway, wherever that is trusted.

    Raises:
        PolicyDenied: the settings say so, and the caller is not the operator.
    """
    if "identity" in settings and not call.who.may(Permission.PLATFORM_CREDENTIALS):
        raise PolicyDenied(
            "Only the operator adds or changes credentials that use the gateway's own identity.",
            next_step="Ask the operator of the platform, or bring a key of your own.",
        )


def require_key(call: Call[Any, Any], provider: str, settings: Mapping[str, str], key: Secret) -> None:
    """Refuse what cannot be the key of a credential with these settings.

    Raises:
        InvalidRequestError: see `recognise`; or a key came where none is used, or the other way round.
        PolicyDenied: see `require_own_identity`.
    """
    require_own_identity(call, settings)
    text = key.reveal()
    if (settings.get("identity") == WORKLOAD) is not (text == WORKLOAD):
        raise InvalidRequestError(
            f"The key is the word `{WORKLOAD}` if the setting `identity` is, and only then.",
            code="invalid_provider_key",
            param="key",
            next_step="Leave the setting out to bring a key, or bring none.",
        )
    require_inference_key(provider, text)


async def changing(call: Call[Any, Any], conn: AsyncConnection) -> CredentialView:
    """Return the credential that the path names, for whoever may change it.

    Raises:
        PolicyDenied: see `require_operator`.
    """
    view = await view_in(call, conn)
    require_operator(call, view.owner)
    return view


def as_credential(call: Call[Any, Any], view: CredentialView) -> Credential:
    """Return a credential as a probe needs it."""
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


async def probe_key(rooms: AdminRooms, credential: Credential, key: Secret) -> ProbeResult:
    """Ask the provider about a key."""
    provider = PROVIDERS[credential.provider]
    transport = rooms.transport_for(provider.name)
    return await probe(transport, rooms.authorizers, provider, credential, key, clock=rooms.clock)


async def probe_kept(call: Call[Any, Any], view: CredentialView, version: int) -> ProbeResult:
    """Ask the provider about a version's key that is kept."""
    async with call.rooms.database.read() as conn:
        credential, sealed = await call.rooms.credentials.open_for_probe(
            conn, organization_id=call.who.organization_id, credential=view.id, version=version
        )
    return await probe_key(call.rooms, credential, await call.rooms.lease_door.lease(credential, sealed))


async def with_finding(
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
