"""Signing in at an organization's own identity provider: there, and back (OpenID Connect, code flow with PKCE).

The browser keeps 256 random bits meanwhile. State, nonce and PKCE verifier are made of them, and the table holds their
hash alone: so what comes back counts in the browser that left, once, for ten minutes. One leaves by a form of the
console's own, never by a link: another site cannot send anybody away.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from keystead.domain.errors import AuthenticationError, InvalidRequestError, KeysteadError, NotFoundError
from keystead.domain.ids import OrganizationId
from keystead.domain.secret import Secret
from keystead.identity.audit import record_event
from keystead.identity.id_token import Identity
from keystead.identity.identity_providers import AWAY_US, Away, IdentityProvider, derived
from keystead.identity.sign_in import normal_email
from keystead.web.console import safety
from keystead.web.console.entering import DoorRooms, Entering
from keystead.web.console.received import cookies_of, read_form
from keystead.web.console.rendering import html
from keystead.web.failures import Failures

AT: Final = "/console/sign-in/at/"
"""Before the unguessable end of an organization's own sign-in address."""
BACK: Final = "/console/sign-in/back"
_COOKIES: Final = ("__Host-keystead-away", "keystead-away")
"""Behind TLS, and not."""
_TRIES: Final = 20
"""Of one place in a minute: each asks an identity provider."""
_LONGEST: Final = 4096


class Federation:
    """Sends people to their identity provider, and lets them in as it says."""

    def __init__(self, rooms: DoorRooms, entering: Entering) -> None:
        """Let in by `entering`."""
        self._rooms = rooms
        self._entering = entering
        self._tries = Failures(rooms.clock, limit=_TRIES)

    async def ask(self, request: Request) -> Response:
        """Show an organization's own sign-in address."""
        await self._of_link(request)
        return _page(request.url.path)

    async def leave_by_link(self, request: Request) -> Response:
        """Leave for the provider of the organization whose address this is."""
        await read_form(request)
        provider = await self._of_link(request)
        try:
            return await self._leave(request, provider, "")
        except KeysteadError as error:
            return _page(request.url.path, error)

    async def leave_by_address(self, request: Request, typed: str, to: str) -> Response:
        """Leave for the provider of the organization that an e-mail address belongs to, and come back to `to`.

        Raises:
            InvalidRequestError: no organization signs in so, or more than one; of a person nothing is said.
        """
        domain = normal_email(typed).rpartition("@")[2]
        async with self._rooms.database.read() as conn:
            provider = await self._rooms.admin.identity_providers.of_domain(conn, domain)
        if provider is None:
            raise InvalidRequestError(
                "No organization signs in at an identity provider with addresses like this one.",
                code="no_identity_provider",
                param="email",
                next_step="Use your organization's own sign-in address, or your password.",
            )
        return await self._leave(request, provider, to)

    async def come_back(self, request: Request) -> Response:
        """Let in whom the provider names.

        Raises:
            AuthenticationError: it is not this browser that left, or the provider names nobody that may come in.
        """
        given, rooms = request.query_params, self._rooms
        cookies = cookies_of(request)
        kept = Secret(next((cookies[name] for name in _COOKIES if cookies.get(name)), ""))
        async with rooms.database.write() as conn:  # committed before anything is asked: it counts once
            away = await rooms.admin.identity_providers.come_back(conn, kept, state=given.get("state", ""))
        if away is None:
            raise AuthenticationError(
                "This sign-in was not begun in this browser, is over, or took too long.",
                code="sign_in_over",
                next_step="Begin anew.",
            )
        if "error" in given or not 0 < len(given.get("code", "")) <= _LONGEST:
            raise AuthenticationError(
                "Your identity provider did not let you in.", code="identity_not_proven", next_step="Begin anew."
            )
        async with rooms.database.read() as conn:
            provider = await rooms.admin.identity_providers.find(conn, away.organization_id)
            if provider is None or provider.issuer != away.issuer:
                raise AuthenticationError("Your organization does not sign in so any more.", code="sign_in_over")
            secret = await rooms.admin.identity_providers.secret(conn, provider)
        identity = await rooms.relying_party.identity(
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=secret,
            return_address=away.return_address,
            said_issuer=given.get("iss"),
            code=given["code"],
            nonce=derived(kept, "nonce"),
            verifier=derived(kept, "verifier"),
        )
        return await self._let_in(request, provider, identity, away)

    async def _of_link(self, request: Request) -> IdentityProvider:
        async with self._rooms.database.read() as conn:
            provider = await self._rooms.admin.identity_providers.of_link(conn, request.url.path.removeprefix(AT))
        if provider is None:
            raise NotFoundError("There is no such page.", next_step="Ask an administrator for the address.")
        return provider

    async def _leave(self, request: Request, provider: IdentityProvider, to: str) -> Response:
        rooms = self._rooms
        if self._tries.count(request.client.host if request.client else "", "leave"):
            raise AuthenticationError(
                "Too many attempts to sign in.", code="too_many_failures", status=429, next_step="Wait a minute."
            )
        # `Origin` is this console's own: it was compared with the host before anything else.
        return_address = request.headers.get("origin", "").lower() + BACK
        wanted = to if safety.is_own_path(to) else ""
        async with rooms.database.write() as conn:
            kept = await rooms.admin.identity_providers.leave(
                conn, provider, return_address=return_address, wanted=wanted
            )
        address = await rooms.relying_party.departure(
            issuer=provider.issuer,
            client_id=provider.client_id,
            return_address=return_address,
            **{purpose: derived(kept, purpose) for purpose in ("state", "nonce", "verifier")},
        )
        # Not a redirect: the content policy lets no form lead elsewhere, and this page says where one goes.
        response = html("departing.html", {"address": address, "issuer": provider.issuer})
        secure = return_address.startswith("https://")
        response.headers.append("set-cookie", _cookie(kept.reveal(), secure=secure, max_age_s=AWAY_US // 1_000_000))
        return response

    async def _let_in(self, request: Request, provider: IdentityProvider, identity: Identity, away: Away) -> Response:
        organization_id, entering = OrganizationId(provider.organization_id), self._entering
        async with self._rooms.database.write() as conn:
            arrived = await self._rooms.admin.identity_providers.arrive(conn, provider, identity)
            member = arrived.member
            if arrived.became != "known":
                await record_event(
                    conn,
                    organization_id=organization_id,
                    at=self._rooms.clock.now_us(),
                    actor_kind="member",
                    actor_id=member.id,
                    action=f"member.identity_{arrived.became}",
                    object_kind="member",
                    object_id=member.id,
                    details={"issuer": identity.issuer, "subject": identity.subject, "email": identity.email},
                )
            if provider.trusts_mfa and identity.used_mfa:
                token = await entering.enter(
                    conn,
                    request,
                    member,
                    organization_id,
                    how="identity_provider",
                    second_factor_elsewhere=True,
                    second_factor="identity_provider",
                )
                given = token, True
            else:
                given = await entering.after_password(conn, request, member, organization_id, how="identity_provider")
        return entering.answer(request, given, away.wanted, secure=away.return_address.startswith("https://"))


def _page(path: str, error: KeysteadError | None = None) -> Response:
    return html("sign_in_at.html", {"path": path, "error": error}, error.status if error else 200)


def _cookie(kept: str, *, secure: bool, max_age_s: int) -> str:
    name = _COOKIES[0] if secure else _COOKIES[1]
    # Lax: it comes along when the provider sends the browser back, and with no request that a page makes.
    return f"{name}={kept}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
