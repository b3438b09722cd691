"""Coming in: signing in and out, and the one-time link by which somebody chooses a password."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from keystead.domain.errors import AuthenticationError, InvalidRequestError, KeysteadError
from keystead.domain.ids import OrganizationId
from keystead.domain.secret import Secret
from keystead.identity.passwords import require_good
from keystead.identity.sessions import SignedIn
from keystead.identity.sign_in import normal_email
from keystead.identity.views import Member
from keystead.web.console import safety
from keystead.web.console.desk import Desk
from keystead.web.console.entering import DoorRooms, Entering
from keystead.web.console.federation import AT, BACK, Federation
from keystead.web.console.received import cookies_of, read_form
from keystead.web.console.rendering import html
from keystead.web.failures import WRONG_PASSWORDS, Failures

_LINK: Final = "/console/link/"


class Door:
    """Lets people in and out."""

    def __init__(self, rooms: DoorRooms) -> None:
        """Work with what is in `rooms`."""
        self._rooms = rooms
        self._failures = Failures(rooms.clock, limit=WRONG_PASSWORDS)
        self._entering = Entering(rooms)
        self._federation = Federation(rooms, self._entering)

    def now_us(self) -> int:
        """Return the time."""
        return self._rooms.clock.now_us()

    def desk(self, signed_in: SignedIn) -> Desk:
        """Return the way to the admin API of whoever is signed in."""
        return Desk(self._rooms.admin, signed_in)

    async def signed_in(self, request: Request) -> SignedIn | None:
        """Return who is signed in in this browser, with what they hold now."""
        token = safety.presented_session(cookies_of(request))
        if not token:
            return None
        rooms = self._rooms
        async with rooms.database.read() as conn:
            found = await rooms.admin.sessions.find(conn, token)
        if found is not None and found.due:
            async with rooms.database.write() as conn:
                await rooms.admin.sessions.seen(conn, found.id)
        return found

    async def answer(self, request: Request) -> Response | None:
        """Answer the pages that need nobody signed in; None if this is none of them."""
        path, method = request.url.path, request.method
        handlers: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = {
            ("GET", "/console/sign-in"): self._ask,
            ("POST", "/console/sign-in"): self._sign_in,
            ("POST", "/console/sign-in/code"): self._entering.code,
            ("POST", "/console/sign-in/organization"): self._leave,
            ("GET", AT): self._federation.ask,
            ("POST", AT): self._federation.leave_by_link,
            ("GET", BACK): self._federation.come_back,
            ("POST", "/console/sign-out"): self._sign_out,
            ("GET", _LINK): self._invited,
            ("POST", _LINK): self._choose,
        }
        prefix = next((one for one in (_LINK, AT) if path.startswith(one)), path)
        handler = handlers.get((method, prefix))
        return None if handler is None else await handler(request)

    async def _ask(self, request: Request) -> Response:
        if await self.signed_in(request) is not None:
            return RedirectResponse("/console/", 303)
        async with self._rooms.database.read() as conn:
            federated = await self._rooms.admin.identity_providers.anybody(conn)
            begun = federated or await self._rooms.admin.sign_in.anybody(conn)
        return _form(to=request.query_params.get("to", ""), begun=begun, federated=federated)

    async def _leave(self, request: Request) -> Response:
        form = await read_form(request)
        typed, to = form.get("email", "")[:320], form.get("to", "")
        try:
            return await self._federation.leave_by_address(request, typed, to)
        except KeysteadError as error:
            return _form(to=to, email=typed, error=error, status=error.status, federated=True)

    async def _sign_in(self, request: Request) -> Response:
        form, rooms = await read_form(request), self._rooms
        to, typed = form.get("to", ""), form.get("email", "")[:320]
        try:
            member, organization_id = await self._who(request, typed, Secret(form.get("password", "")))
        except KeysteadError as error:
            async with rooms.database.read() as conn:
                federated = await rooms.admin.identity_providers.anybody(conn)
            return _form(to=to, email=typed, error=error, status=error.status, federated=federated)
        async with rooms.database.write() as conn:
            given = await self._entering.after_password(conn, request, member, organization_id, how="password")
        return self._entering.answer(request, given, to)

    async def _who(self, request: Request, typed: str, password: Secret) -> tuple[Member, OrganizationId]:
        """Return whose address and password these are.

        Raises:
            AuthenticationError: nobody's, in the same words and after the same work; or too many tries.
        """
        rooms = self._rooms
        try:
            email = normal_email(typed)
        except InvalidRequestError:
            email = ""
        address, counted = request.client.host if request.client else "", email or typed
        # Before the password is looked at: of many at once no more are looked at than one after the other.
        if self._failures.count(address, counted):
            raise AuthenticationError(
                "Too many failed attempts to sign in.", code="too_many_failures", status=429, next_step="Wait a minute."
            )
        async with rooms.database.read() as conn:
            kept = await rooms.admin.sign_in.kept(conn, email)
        if not await rooms.admin.passwords.verify(kept[0] if kept else None, password) or kept is None:
            raise AuthenticationError(
                "The address and the password do not go together.",
                code="sign_in_refused",
                next_step="Look at both once more, or ask an administrator for a link to choose a new password.",
            )
        self._failures.forgive(address, counted)
        return kept[1], kept[2]

    async def _sign_out(self, request: Request) -> Response:
        signed_in, form = await self.signed_in(request), await read_form(request)
        if signed_in is not None:
            safety.require_form_token(form.get("form_token", ""), signed_in.form_token)
            who = signed_in.administrator
            async with self._rooms.database.write() as conn:
                await self._rooms.admin.sessions.end(conn, who.organization_id, who.member_id, signed_in.id)
        response = RedirectResponse("/console/sign-in", 303)
        for secure in (True, False):
            response.headers.append("set-cookie", safety.session_cookie("", secure=secure, max_age_s=0))
        response.headers["clear-site-data"] = '"cache", "storage"'
        return response

    async def _invited(self, request: Request) -> Response:
        token = request.url.path.removeprefix(_LINK)
        async with self._rooms.database.read() as conn:
            member, _ = await self._rooms.admin.sign_in.invited(conn, token)
        return html("choose_password.html", {"member": member, "error": None, "email": ""})

    async def _choose(self, request: Request) -> Response:
        token, form, rooms = request.url.path.removeprefix(_LINK), await read_form(request), self._rooms
        async with rooms.database.read() as conn:
            member, organization_id = await rooms.admin.sign_in.invited(conn, token)
        password, typed = Secret(form.get("password", "")), form.get("email", "")
        try:
            email = normal_email(typed)
            require_good(password, email=email)
            hashed = await rooms.admin.passwords.hash(password)
            async with rooms.database.write() as conn:
                await rooms.admin.sign_in.choose(conn, token, email=email, hashed=hashed)
                await rooms.admin.sessions.end_all(conn, organization_id, member.id)
                given = await self._entering.after_password(conn, request, member, organization_id, how="link")
        except KeysteadError as error:
            values = {"member": member, "error": error, "email": typed[:320]}
            return html("choose_password.html", values, error.status)
        return self._entering.answer(request, given, "")


def _form(
    *,
    to: str,
    email: str = "",
    error: KeysteadError | None = None,
    begun: bool = True,
    federated: bool = False,
    status: int = 200,
) -> Response:
    values = {"to": to, "email": email, "error": error, "begun": begun, "federated": federated}
    return html("sign_in.html", values, status)
