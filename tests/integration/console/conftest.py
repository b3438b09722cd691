"""The console over a started deployment, and a browser that keeps cookies and reads no scripts."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from keystead.domain.access import VirtualKey
from keystead.storage.database import Database
from keystead.storage.sqlite import open_sqlite
from keystead.web.console.application import Console
from keystead.web.console.door import Door
from keystead.web.console.entering import DoorRooms
from keystead.web.console.relying_party import RelyingParty
from keystead.web.console.trial import Trial
from keystead.web.receive import Receive, Send, read_body
from keystead.web.relay import send_whole
from tests.fakes.clock import FakeClock
from tests.integration.admin.asgi import Answer, call
from tests.integration.admin.conftest import first  # noqa: F401 - the fixture
from tests.integration.admin.world import FirstStart, World, started

EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"


class Served:
    """In the place of the data plane: notes what it is given, and answers as it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[VirtualKey, dict[str, Any], dict[bytes, bytes], bytes]] = []
        self.answer: Callable[[dict[str, Any], Send], Awaitable[None]] = whole

    async def __call__(
        self, scope: Any, headers: dict[bytes, bytes], receive: Receive, send: Send, *, known: VirtualKey
    ) -> None:
        body = await read_body(receive, headers, limit=1 << 20, timeout_s=1)
        self.calls.append((known, scope, headers, body))
        await self.answer(scope, send)

    def in_force_of(self, world: World) -> Callable[[str], VirtualKey | None]:
        return lambda key_id: world.snapshots.current.in_force(key_id, world.clock.now_us())


async def whole(scope: dict[str, Any], send: Send) -> None:
    """Answer in one piece."""
    assert scope
    await send_whole(send, 200, [(b"content-type", b"application/json")], b'{"choices": []}')


class Browser:
    """Calls the console as a browser does that is on its pages."""

    served: Served

    def __init__(self, world: World, console: Console) -> None:
        self.world = world
        self.console = console
        self.cookies: dict[str, str] = {}

    async def get(self, path: str, *, expect: int = 200) -> str:
        answer = await self.send("GET", path)
        assert answer.status == expect, (answer.status, answer.headers, answer.body[:2000])
        return answer.body.decode()

    async def post(
        self, path: str, form: dict[str, str], *, expect: int = 303, origin: str = "http://127.0.0.1"
    ) -> Answer:
        answer = await self.send("POST", path, form, headers={"origin": origin, "sec-fetch-site": "same-origin"})
        assert answer.status == expect, (answer.status, answer.headers, answer.body[:2000])
        return answer

    async def submit(self, page: str, path: str, form: dict[str, str], *, expect: int = 303) -> Answer:
        """Send a form of a page, with what the page put into it."""
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', await self.get(page))
        assert token is not None
        return await self.post(path, {"form_token": token[1], **form}, expect=expect)

    async def send(
        self, method: str, path: str, form: dict[str, str] | None = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = dict(headers or {})
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        chunks = []
        if form is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
            chunks = [urlencode(form).encode()]
        app: Any = self.console
        answer = await call(app, method, path, headers=list(sent.items()), chunks=chunks)
        cookie = answer.headers.get("set-cookie", "")
        if cookie:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies = {name: value} if value else {}
        return answer

    async def come_in(self, member: str = "administrator", *, email: str = EMAIL) -> None:
        """Open a one-time link, and choose a password."""
        link = (await self.world.post(f"/members/{member}/sign-in-link", expect=201))["path"]
        await self.post(link, {"email": email, "password": PASSWORD})
        await self.get("/console/account")

    def another(self) -> "Browser":
        made = Browser(self.world, self.console)
        made.served = self.served
        return made

    async def token(self) -> str:
        """Return what a form of this session brings along."""
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', await self.get("/console/account"))
        assert found is not None
        return found[1]


@pytest.fixture
async def browser(
    sqlite_path: Path,
    clock: FakeClock,
    first: FirstStart,  # noqa: F811 - the fixture
) -> AsyncIterator[Browser]:
    database = await open_sqlite(sqlite_path, clock=clock)
    yield await browser_of(database, clock, first)
    await database.close()


async def browser_of(database: Database, clock: FakeClock, first: FirstStart) -> Browser:  # noqa: F811
    """Return a browser in which nobody is signed in, of a deployment in `database`."""
    world = await started(database, clock, first)
    rooms = world.app.rooms
    door = Door(
        DoorRooms(
            database=database,
            clock=clock,
            admin=rooms,
            relying_party=RelyingParty(transport=world.transport, guard=rooms.egress_guard, clock=clock),
        )
    )
    served = Served()
    trial = Trial(door, in_force=served.in_force_of(world), serve=served, clock=clock, look_s=0.005)
    made = Browser(world, Console(door, trial))
    made.served = served
    return made


@pytest.fixture
async def inside(browser: Browser) -> Browser:
    """A browser in which the first administrator is signed in."""
    await browser.come_in()
    return browser
