"""The console as an ASGI application: files, the pages before signing in, and the pages behind it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from keystead.domain.errors import KeysteadError, NotFoundError
from keystead.domain.ids import new_id
from keystead.identity.sessions import SignedIn
from keystead.web.admin.route import Download
from keystead.web.admin.sent_file import BrokenDownloadError, file_response
from keystead.web.console import safety, static
from keystead.web.console.door import Door
from keystead.web.console.navigation import menu
from keystead.web.console.pages import PAGES
from keystead.web.console.pages.look import look_in
from keystead.web.console.received import cookies_of, read_form
from keystead.web.console.rendering import html
from keystead.web.console.trial import PATH as TRIAL
from keystead.web.console.trial import Trial
from keystead.web.console.visit import Answer, Kept, Moved, Page, Shown, Told, Visit

log = structlog.get_logger(__name__)

ROOT: Final = "/console"


class Console:
    """The whole console."""

    def __init__(self, door: Door, trial: Trial) -> None:
        """Serve the pages to whoever comes in by `door`; `trial` answers what the playground asks of models."""
        self._door = door
        self._trial = trial
        by_path: dict[str, list[Page]] = {}
        for page in PAGES:
            by_path.setdefault(page.path, []).append(page)
        self._router = Router(
            [StarletteRoute(ROOT + path, _Methods(self, pages)) for path, pages in by_path.items()],
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request, scope, receive, send)
        except (ClientDisconnect, BrokenDownloadError):
            return
        except KeysteadError as error:
            response = await self._failed(request, error)
        except Exception:  # the last resort: a defect is logged whole, and told without its internals
            log.exception("console_page_failed", path=request.url.path)
            response = await self._failed(request, KeysteadError())
        if response is not None:
            response.headers.update(
                {name: value for name, value in safety.HEADERS.items() if name not in response.headers}
            )
            await response(scope, receive, send)

    async def _answer(self, request: Request, scope: Scope, receive: Receive, send: Send) -> Response | None:
        path = request.url.path
        if path.startswith(static.PREFIX):
            return _file(request, path)
        if path == ROOT:
            return RedirectResponse(f"{ROOT}/", 303)
        if path == TRIAL:
            await self._trial(scope, receive, send)
            return None
        if request.method == "POST":
            safety.require_same_origin(request.headers)
        before = await self._door.answer(request)
        if before is not None:
            return before
        try:
            await self._router({**scope, "app": self}, receive, send)
        except HTTPException as error:
            raise NotFoundError("There is no such page.", next_step="Use the menu.") from error
        return None

    async def serve(self, page: Page, request: Request) -> Response:
        """Answer a page of the table to whoever is signed in; send everybody else to sign in first."""
        signed_in = await self._door.signed_in(request)
        if signed_in is None:
            wanted = request.url.path if request.method == "GET" else f"{ROOT}/"
            return RedirectResponse(f"{ROOT}/sign-in?to={quote(wanted, safe='/')}", 303)
        if signed_in.must_enrol and not page.before_enrolment:
            return RedirectResponse(f"{ROOT}/account/second-factor", 303)
        try:
            form = await read_form(request) if request.method == "POST" else {}
            if request.method == "POST":
                safety.require_form_token(form.pop("form_token", ""), signed_in.form_token)
            visit = Visit(
                desk=self._door.desk(signed_in),
                path={name: str(value) for name, value in request.path_params.items()},
                query=dict(request.query_params),
                form=form,
                now_us=self._door.now_us(),
                origin=safety.origin_of(request.headers, cookies_of(request)),
            )
            answer = await page.handler(visit)
        except KeysteadError as error:
            return self._error(request, error, signed_in)
        return self._response(request, answer, signed_in)

    def _response(self, request: Request, answer: Answer, signed_in: SignedIn) -> Response:
        if isinstance(answer, Moved):
            cookie = {"set-cookie": answer.cookie} if answer.cookie else None
            return RedirectResponse(answer.to, 303, cookie)
        if isinstance(answer, Told):
            return Response(msgspec.json.encode(answer.value), media_type="application/json")
        if isinstance(answer, Download):
            return file_response(answer, {}, whole=request.method != "HEAD")
        if isinstance(answer, Kept):
            named = {"content-disposition": f"attachment; filename*=UTF-8''{quote(answer.name, safe='')}"}
            return Response(answer.content, media_type=answer.media_type, headers=named)
        desk = self._door.desk(signed_in)
        values: dict[str, Any] = {
            **answer.values,
            "me": signed_in,
            "desk": desk,
            "menu": {} if signed_in.must_enrol else menu(desk),
            "here": request.url.path,
            "look": look_in(cookies_of(request)),
            "now_us": self._door.now_us(),
        }
        return html(answer.template, values, answer.status)

    def _error(self, request: Request, error: KeysteadError, signed_in: SignedIn) -> Response:
        request_id = self._noted(error)
        shown = Shown(template="error.html", values={"error": error, "request_id": request_id}, status=error.status)
        return self._response(request, shown, signed_in)

    async def _failed(self, request: Request, error: KeysteadError) -> Response:
        """Tell an error: within the console to whoever is signed in, on a bare page to others."""
        try:
            signed_in = await self._door.signed_in(request)
        except KeysteadError:
            signed_in = None
        if signed_in is not None:
            return self._error(request, error, signed_in)
        values = {"error": error, "request_id": self._noted(error)}
        return html("error_outside.html", values, error.status)

    def _noted(self, error: KeysteadError) -> str:
        request_id = new_id("op", self._door.now_us())
        if error.status >= 500:
            log.warning("console_page_not_done", request_id=request_id, exc_info=error)
        return request_id


class _Methods:
    """The ASGI application of one path."""

    def __init__(self, console: Console, pages: list[Page]) -> None:
        self._console = console
        self._pages: Mapping[str, Page] = {page.method: page for page in pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        page = self._pages.get("GET" if request.method == "HEAD" else request.method)
        if page is None:
            raise HTTPException(405)
        response = await self._console.serve(page, request)
        response.headers.update(safety.HEADERS)
        await response(scope, receive, send)


def _file(request: Request, path: str) -> Response:
    found = static.at(path)
    if found is None:
        raise NotFoundError("There is no such file.")
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.media_type, headers={**headers, "content-encoding": "gzip"})
    return Response(found.content, media_type=found.media_type, headers=headers)
