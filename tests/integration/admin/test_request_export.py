"""Requests as a file: what the list shows, exactly, to whom it shows it, page by page, and never half of it as a whole."""

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.storage.database import Lender
from keystead.web.admin import request_export
from keystead.web.admin.application import AdminApplication
from keystead.web.admin.rooms import AdminRooms
from tests.integration.admin.asgi import call
from tests.integration.admin.settled import settled
from tests.integration.admin.world import World

FORMULA = '=HYPERLINK("http://x","y")'


async def exported(world: World, query: str = "", **changes: Any) -> list[dict[str, str]]:
    answer = await world.call("GET", f"/requests/export?{query}", **changes)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


async def test_a_file_holds_what_the_list_shows_exactly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_export, "PAGE", 2)
    await world.add_credential()
    for model in ("gpt-5", "gpt-4o", "gpt-5", "gpt-5", "gpt-5"):
        world.clock.advance(60)
        await settled(world, model=model)
    listed = (await world.get("/requests?model=gpt-5"))["items"]
    rows = await exported(world, "model=gpt-5")
    assert list(rows[0]) == list(listed[0])
    assert rows == [{name: written(value) for name, value in item.items()} for item in listed]
    assert (rows[0]["cost"], rows[0]["started_at"]) == ("0.000325", "2026-01-01T00:05:00Z")
    answer = await world.call("GET", "/requests/export?model=gpt-5&format=jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].endswith("requests-2026-01-01T000500Z.jsonl")
    assert [json.loads(line) for line in answer.body.splitlines()] == listed


def written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


async def test_a_formula_in_a_name_is_text(light_world: World) -> None:
    await light_world.add_credential()
    await settled(light_world, asked=FORMULA)
    [row] = await exported(light_world)
    assert row["model_asked"] == f"'{FORMULA}"


async def test_who_sees_only_their_own_gets_only_their_own(light_world: World) -> None:
    await light_world.add_credential()
    person = {"name": "dev", "team": light_world.team_id, "roles": [{"role": "developer", "team": light_world.team_id}]}
    await light_world.post("/members", person, expect=201)
    token = (await light_world.post("/admin-tokens", {"name": "t", "member": "dev"}, expect=201))["token"]
    key = {"name": "devs", "member": "dev", "team": light_world.team_id}
    await light_world.post("/virtual-keys", key, expect=201)
    await settled(light_world)
    mine = await settled(light_world, key_name="devs")
    assert [row["id"] for row in await exported(light_world, token=token)] == [mine]
    assert len(await exported(light_world)) == 2
    stranger = await light_world.other_organization()
    assert await exported(light_world, token=stranger) == []


async def test_every_export_is_in_the_audit_log_with_what_was_asked_for(light_world: World) -> None:
    await exported(light_world, "model=gpt-5&min_cost=0.5")
    [event] = (await light_world.get("/audit-events?action=requests.exported"))["items"]
    told = {name: event["details"][name] for name in ("model", "min_cost", "format")}
    assert told == {"model": "gpt-5", "min_cost": "0.5", "format": "csv"}
    refused = await light_world.call("GET", "/requests/export?state=nonsense")
    assert (refused.status, refused.json()["param"]) == (400, "state")
    assert len((await light_world.get("/audit-events?action=requests.exported"))["items"]) == 1


class Watched:
    """A database that counts what is read of it, and how much at once, and fails when it is told to."""

    def __init__(self, database: Lender, *, fails_at: int | None = None) -> None:
        self.database = database
        self.fails_at = fails_at
        self.reads = self.now = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self.reads += 1
        if self.reads == self.fails_at:
            raise ConnectionError("it went away")
        async with self.database.read() as conn:
            self.now += 1
            try:
                yield conn
            finally:
                self.now -= 1

    def write(self) -> Any:
        return self.database.write()


def watching(world: World, *, fails_at: int | None = None) -> tuple[Any, Watched]:
    watched = Watched(world.app.rooms.database, fails_at=fails_at)
    rooms: AdminRooms = msgspec.structs.replace(world.app.rooms, database=watched)
    return AdminApplication(rooms), watched


async def five(world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Record five requests to be read one by one, and return the headers that ask for them."""
    monkeypatch.setattr(request_export, "PAGE", 1)
    await world.add_credential()
    for _ in range(5):
        world.clock.advance(60)
        await settled(world)
    return [("authorization", f"Bearer {world.token}")]


async def test_an_aborted_download_ends_the_reading(light_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = await five(light_world, monkeypatch)
    app, watched = watching(light_world)
    whole = await call(app, "GET", "/admin/v1/requests/export", headers=headers)
    assert (len(whole.body.splitlines()), watched.reads) == (6, 6)
    watched.reads = 0
    await call(app, "GET", "/admin/v1/requests/export", headers=headers, leaves_after=2)
    assert watched.reads < 5
    assert watched.now == 0


async def test_a_file_that_breaks_off_is_never_ended(light_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = await five(light_world, monkeypatch)
    app, _ = watching(light_world, fails_at=4)
    sent: list[Any] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def both(message: Any) -> None:
            await keep(message)
            await send(message)

        await app(scope, receive, both)

    broken: Any = noting
    answer = await call(broken, "GET", "/admin/v1/requests/export", headers=headers)
    assert (answer.status, len(answer.body.splitlines())) == (200, 3)
    assert sent[-1]["more_body"], "the end of the file is never said"


async def test_asking_for_the_headers_alone_reads_nothing(light_world: World) -> None:
    app, watched = watching(light_world)
    headers = [("authorization", f"Bearer {light_world.token}")]
    answer = await call(app, "HEAD", "/admin/v1/requests/export", headers=headers)
    assert (answer.status, answer.body, watched.reads) == (200, b"", 0)
