"""A revocation counts at once where it was made and within a second everywhere, and ends no answer under way.

Nothing that goes on beside it brings what was revoked back.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from sqlalchemy import func, select

from keystead.storage.schema import attempts, requests
from tests.acceptance.received import receive
from tests.attacks.conftest import Stage, new_database
from tests.attacks.keys import issue
from tests.conftest import ENGINES, PostgresServer
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE = 6
ROUNDS = 6

WITHIN_US = 1_000_000
"""After a revocation, no new request reaches a provider later than this."""
PAUSE_S = 0.04
"""Between two new requests of one caller: 25 a second."""
BEFORE_S, AFTER_S = 0.3, 1.4
IN_A_ROW = 15
"""Connections for each worker: so many do not all miss one of them."""

REFUSED = {"key": 401, "member": 401, "grant": 403, "other": 200}
"""What a caller gets when what it stands on has been revoked."""


async def test_a_key_works_from_its_first_moment_to_its_last_and_not_after(each_stage: Stage) -> None:
    # Each change makes the gateway compile its view of the keys anew. Several at once overlap, and an older view that
    # is finished later must not take the place of a newer one.
    gateway = each_stage.gateway

    async def life(_: int) -> None:
        for _ in range(ROUNDS):
            key = await issue(gateway, "brief")
            assert (await gateway.call("GET", "/v1/responses/none", key=key["key"])).status == 404
            await gateway.admin("POST", f"/virtual-keys/{key['id']}/revoke")
            for _ in range(3):
                assert (await gateway.call("GET", "/v1/responses/none", key=key["key"])).status == 401

    await asyncio.gather(*[life(number) for number in range(AT_ONCE)])


class Callers(msgspec.Struct, frozen=True):
    """Four callers: one whose key, one who, one whose grant will be revoked, and one who goes on. Their calls go to
    gateways on one database, in turn."""

    gateways: tuple[Gateway, ...]
    keys: dict[str, str]
    revocations: dict[str, str]
    """The admin call that takes away what each stands on."""
    session: aiohttp.ClientSession

    def open(self, caller: str, model: str, gateway: Gateway, *, stream: bool) -> Any:
        """Call on a connection of its own, so that every worker gets its share."""
        body = {"model": f"main/{model}", "messages": [], "stream": stream, "user": f"marker-{caller}"}
        headers = {"Authorization": f"Bearer {self.keys[caller]}"}
        return self.session.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)

    async def stream(self, caller: str, number: int, model: str) -> tuple[int, bool]:
        """Read a stream; return its status and whether it came to its end."""
        async with self.open(caller, model, self.gateways[number % len(self.gateways)], stream=True) as response:
            received = await receive(response)
        return received.status, received.whole and received.body.endswith(b"data: [DONE]\n\n")

    async def ask_again_and_again(self, caller: str, stop: asyncio.Event) -> Counter[int]:
        """Make new requests until `stop`; count the answers by status."""
        statuses: Counter[int] = Counter()

        async def one(number: int) -> None:
            async with self.open(caller, "new", self.gateways[number % len(self.gateways)], stream=False) as response:
                await response.read()
                statuses[response.status] += 1

        async with asyncio.TaskGroup() as group:
            number = 0
            while not stop.is_set():
                group.create_task(one(number))
                number += 1
                await asyncio.sleep(PAUSE_S)
        return statuses


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_is_revoked_is_of_no_new_use_in_any_process(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    settings = await _settings(engine, request)
    await _revoke_under_load(settings, tmp_path, workers=(1, 1), streams=24, model="stream-30-100")


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "workers"), [("sqlite", (4,)), ("postgresql", (4,)), ("postgresql", (4, 2))])
async def test_what_is_revoked_is_of_no_new_use_to_any_worker_while_two_hundred_streams_run(
    engine: str, workers: tuple[int, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    settings = await _settings(engine, request)
    await _revoke_under_load(settings, tmp_path, workers=workers, streams=200, model="stream-80-100")


async def _settings(engine: str, request: pytest.FixtureRequest) -> dict[str, str]:
    if engine == "sqlite":
        return {}
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return await new_database(server)


async def _revoke_under_load(
    settings: dict[str, str], folder: Path, *, workers: tuple[int, ...], streams: int, model: str
) -> None:
    async with FakeProvider() as fake, _callers(folder / "home", settings, fake, workers) as callers:
        stop = asyncio.Event()
        before = len(fake.calls)
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(callers.stream(caller, number, model))
                for number in range(streams // len(REFUSED))
                for caller in REFUSED
            ]
            await fake.arrived(before + streams)
            asking = {name: group.create_task(callers.ask_again_and_again(name, stop)) for name in REFUSED}
            await asyncio.sleep(BEFORE_S)
            revoked_at: dict[str, int] = {}
            for caller, path in callers.revocations.items():
                await callers.gateways[0].admin("POST", path)
                revoked_at[caller] = time.time_ns() // 1000
            assert not any(stream.done() for stream in running), "every stream is under way"
            await asyncio.sleep(AFTER_S)
            stop.set()
        assert Counter(stream.result() for stream in running) == {(200, True): streams}
        for caller, refused in REFUSED.items():
            statuses = asking[caller].result()
            if refused == 401:  # who goes on and on with a key that is none is told to slow down
                statuses[401] += statuses.pop(429, 0)
            assert set(statuses) == {200, refused}
            assert statuses[refused] >= AFTER_S / PAUSE_S / 4, "it went on asking"
        _check_arrivals(fake, revoked_at)
        await _check_records(folder / "home", settings, fake, workers=sum(workers))


def _check_arrivals(fake: FakeProvider, revoked_at: dict[str, int]) -> None:
    """New requests of the one of whom nothing was revoked arrive to the end, and of the others none after a second."""
    last = {call.marker: call.at for call in fake.calls if call.model == "new"}
    assert last["other"] > max(revoked_at.values()) + WITHIN_US
    for caller, at in revoked_at.items():
        late_ms = (last[caller] - at) // 1000
        print(f"{caller}: the last new request reached the provider {late_ms} ms after the revocation")
        assert late_ms <= WITHIN_US // 1000


async def _check_records(home: Path, settings: dict[str, str], fake: FakeProvider, *, workers: int) -> None:
    """Each call that the provider saw has its record, and every worker has taken its part."""
    database = await open_url(settings.get("database_url", f"sqlite:{home / 'keystead.db'}"), FakeClock())
    try:
        async with database.read() as conn:
            made = (await conn.execute(select(func.count()).select_from(attempts))).scalar_one()
            ended = (await conn.execute(select(func.count()).where(attempts.c.state == "settled"))).scalar_one()
            refusing = select(requests.c.instance_id).where(requests.c.error_code == "not_granted").distinct()
            refused_by = (await conn.execute(refusing)).scalars().all()
    finally:
        await database.close()
    assert made == ended == sum(call.method == "POST" for call in fake.calls)
    assert len(refused_by) == workers, "every worker has refused what was revoked"


@contextlib.asynccontextmanager
async def _callers(
    home: Path, settings: dict[str, str], fake: FakeProvider, workers: tuple[int, ...]
) -> AsyncIterator[Callers]:
    async with contextlib.AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(
                Gateway.running(
                    home,
                    egress_allow="127.0.0.1",
                    workers=str(count),
                    port=str(_free_port()),
                    log_level="info",
                    **settings,
                )
            )
            for count in workers
        ]
        for gateway in started:
            await _until_alive(gateway)
        keys, revocations = await _set_up(started[0], fake)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        callers = Callers(tuple(started), keys, revocations, session)
        for gateway, count in zip(started, workers, strict=True):
            await _until_known(callers, gateway, count)
        yield callers


async def _set_up(gateway: Gateway, fake: FakeProvider) -> tuple[dict[str, str], dict[str, str]]:
    """Return the four callers' keys, and how what three of them stand on is revoked."""
    await gateway.add_credential("main", "openai", f"sk-proj-{secrets.token_hex(20)}", origin=fake.origin)
    [everybody] = (await gateway.admin("GET", "/grants?in_force=true"))["items"]
    await gateway.admin("POST", f"/grants/{everybody['id']}/revoke")
    await gateway.admin("POST", "/teams", {"name": "Lent"})
    await gateway.admin("POST", "/grants", {"team": "Default team", "credentials": ["main"]})
    lent = await gateway.admin("POST", "/grants", {"team": "Lent", "credentials": ["main"]})
    member = {"name": "Leaver", "team": "Default team", "roles": [{"role": "developer"}]}
    await gateway.admin("POST", "/members", member)
    issued = {
        "key": await issue(gateway, "key"),
        "member": await issue(gateway, "member", member="Leaver"),
        "grant": await issue(gateway, "grant", team="Lent"),
        "other": await issue(gateway, "other"),  # last: who knows it knows all
    }
    revocations = {
        "key": f"/virtual-keys/{issued['key']['id']}/revoke",
        "member": "/members/Leaver/disable",
        "grant": f"/grants/{lent['id']}/revoke",
    }
    return {name: key["key"] for name, key in issued.items()}, revocations


async def _until_known(callers: Callers, gateway: Gateway, workers: int) -> None:
    """Wait until every worker knows the newest key, and with it everything that is older."""
    in_a_row = 0
    async with asyncio.timeout(30):
        while in_a_row < IN_A_ROW * workers:
            async with callers.open("other", "new", gateway, stream=False) as response:
                in_a_row = in_a_row + 1 if response.status == 200 else 0


async def _until_alive(gateway: Gateway) -> None:
    """Wait until a worker listens: the parent says so before they do."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                await gateway.call("GET", "/livez", key="")
                return
            await asyncio.sleep(0.05)


def _free_port() -> int:
    """Return a port that nobody listens on: several workers share one that is named."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
