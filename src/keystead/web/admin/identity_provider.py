"""The identity provider at which an organization's people sign in to the console."""

from typing import Annotated, Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.domain.secret import Secret
from keystead.identity.identity_providers import IdentityProvider
from keystead.web.admin.rooms import Check
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Instant, Nothing, Reference, whole, with_instants

SIGN_IN_PATH: Final = "/console/sign-in/at/"
RETURN_PATH: Final = "/console/sign-in/back"

Issuer = Annotated[
    str,
    msgspec.Meta(
        min_length=9,
        max_length=300,
        pattern=whole(r"https?://[^/?#\s\"<>]+(/[!$-.0-;=@-~]+)*/?"),
        description="As the provider calls itself, to the letter: `https://login.example.com/realms/acme`.",
    ),
]
ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=whole("[!-~]+"))]
Domain = Annotated[
    str,
    msgspec.Meta(max_length=190, pattern=whole(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")),
]


class IdentityProviderShown(msgspec.Struct, frozen=True, kw_only=True):
    """Where an organization's people sign in. The client secret goes in, and never comes out."""

    issuer: str
    client_id: str
    domains: tuple[str, ...]
    team_id: str | None
    trusts_mfa: bool
    sign_in_path: str
    """The organization's own sign-in address, below the console's host."""
    return_path: str
    """What is registered with the provider as redirect URI, below the console's host."""
    changed_at: Instant


class IdentityProviderAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The organization's identity provider; null: its people sign in with passwords."""

    identity_provider: IdentityProviderShown | None


class SetIdentityProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it, as it is to be."""

    issuer: Issuer
    client_id: ClientId
    client_secret: Secret | None = None
    """Null: the one that is kept stays, if issuer and client id do."""
    domains: Annotated[tuple[Domain, ...], msgspec.Meta(min_length=1, max_length=50)]
    """Of e-mail addresses: the provider is believed about these alone, and only where it has verified the address."""
    team: Reference | None = None
    """Where people with such an address become members, as developers, when they first come. Null: nobody does."""
    trusts_mfa: bool = False
    """Whether a second factor that the provider says it asked for (`amr` with `mfa`) counts in the place of a code."""


class TryIdentityProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which one, before it is kept."""

    issuer: Issuer


class IdentityProviderTried(msgspec.Struct, frozen=True, kw_only=True):
    """What an identity provider says of itself, and whether people could sign in with that."""

    usable: bool
    checks: tuple[Check, ...]


async def show(call: Call[Nothing, Nothing]) -> IdentityProviderAnswer:
    """Return the organization's identity provider."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.identity_providers.find(conn, call.who.organization_id)
    return IdentityProviderAnswer(identity_provider=None if found is None else _shown(found))


async def set_identity_provider(call: Call[Nothing, SetIdentityProvider]) -> IdentityProviderAnswer:
    """Let the organization's people sign in at an identity provider, or change at which and how."""
    body, rooms = call.body, call.rooms
    origin = "/".join(body.issuer.split("/", 3)[:3])
    if rooms.egress_guard.check_origin(origin) != origin:
        raise InvalidRequestError(
            "The issuer is not in its normal form: lower case, without the scheme's own port.",
            code="invalid_issuer",
            param="issuer",
            next_step="Copy it from `/.well-known/openid-configuration` of the provider.",
        )
    async with act(call) as change:
        team = None
        if body.team is not None:
            team = await rooms.directory.team(change.conn, call.who.organization_id, body.team)
        kept = await rooms.identity_providers.set(
            change.conn,
            call.who,
            issuer=body.issuer,
            client_id=body.client_id,
            client_secret=body.client_secret,
            domains=body.domains,
            team_id=None if team is None else team.id,
            trusts_mfa=body.trusts_mfa,
        )
        await change.record(
            "identity_provider.set",
            object_kind="organization",
            object_id=call.who.organization_id,
            **_told(kept),
            new_secret=body.client_secret is not None,
        )
    return IdentityProviderAnswer(identity_provider=_shown(kept))


async def try_out(call: Call[Nothing, TryIdentityProvider]) -> IdentityProviderTried:
    """Look at what an identity provider says of itself. Nothing is kept."""
    checks = await call.rooms.look_at_issuer(call.body.issuer)
    return IdentityProviderTried(usable=all(one.state != "failure" for one in checks), checks=checks)


async def remove(call: Call[Nothing, Nothing]) -> IdentityProviderAnswer:
    """Let nobody sign in at the identity provider any more. Sessions in force go on; disable who is to go at once."""
    async with act(call) as change:
        removed = await call.rooms.identity_providers.remove(change.conn, call.who)
        await change.record(
            "identity_provider.removed",
            object_kind="organization",
            object_id=call.who.organization_id,
            **_told(removed),
        )
    return IdentityProviderAnswer(identity_provider=None)


def _shown(found: IdentityProvider) -> IdentityProviderShown:
    values = with_instants(found)
    link = values.pop("link")
    del values["organization_id"]
    return IdentityProviderShown(sign_in_path=SIGN_IN_PATH + link, return_path=RETURN_PATH, **values)


def _told(found: IdentityProvider) -> dict[str, Any]:
    return {
        "issuer": found.issuer,
        "client_id": found.client_id,
        "domains": list(found.domains),
        "team_id": found.team_id,
        "trusts_mfa": found.trusts_mfa,
    }


ROUTES: Final = (
    Route(
        method="GET",
        path="/identity-provider",
        permission=Permission.ORGANIZATION_READ,
        handler=show,
        summary="The identity provider at which your organization's people sign in.",
        answer=IdentityProviderAnswer,
    ),
    Route(
        method="POST",
        path="/identity-provider/set",
        permission=Permission.ORGANIZATION_WRITE,
        handler=set_identity_provider,
        summary="Let your organization's people sign in at an identity provider (OpenID Connect).",
        body=SetIdentityProvider,
        answer=IdentityProviderAnswer,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/identity-provider/try",
        permission=Permission.ORGANIZATION_WRITE,
        handler=try_out,
        summary="Look at what an identity provider says of itself, before it is kept.",
        body=TryIdentityProvider,
        answer=IdentityProviderTried,
    ),
    Route(
        method="POST",
        path="/identity-provider/remove",
        permission=Permission.ORGANIZATION_WRITE,
        handler=remove,
        summary="Let nobody sign in at the identity provider any more.",
        answer=IdentityProviderAnswer,
        errors=(404,),
    ),
)
