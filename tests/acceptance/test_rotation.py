"""Keys change under load: nobody notices a rotation, and nobody can use a revoked key for longer than a second.

The fake provider tells which key each call carried; the record tells which version. Every call asks for a model of its
own, by which the two are matched.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from tests.acceptance.received import receive
from tests.fakes.gateway import STARTUP_S, Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Call

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = f"sk-proj-{secrets.token_hex(16)}-version-"
"""Followed by the version's number, so that what the provider saw tells the version."""

PAUSE_S = 0.01
"""Between two calls of the load: 100 a second."""

REVOKED_WITHIN_US = 1_000_000
EVERY_THIRD = 3


class Outcome(msgspec.Struct, frozen=True):
    """What one call of the load came to."""

    model: str
    status: int
    whole: bool


class Scene(msgspec.Struct, frozen=True):
    """A gateway, and how a second process on its database is started."""

    gateway: Gateway
    fake: FakeProvider
    home: Path
    settings: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    home = tmp_path_factory.mktemp("rotation") / "home"
    settings = {"egress_allow": "127.0.0.1", "log_level": "info", **database_settings}
    async with FakeProvider() as fake, Gateway.running(home, **settings) as gateway:
        yield Scene(gateway, fake, home, settings)


@contextlib.asynccontextmanager
async def load(gateway: Gateway, credential: str) -> AsyncIterator[list[Outcome]]:
    """Call `credential` 100 times a second, every third time for a stream, while the block lasts."""
    outcomes: list[Outcome] = []
    stop = asyncio.Event()

    async def one(number: int) -> None:
        model = f"m-{secrets.token_hex(8)}"
        try:
            outcomes.append(await _call(gateway, credential, model, stream=number % EVERY_THIRD == 0))
        except (aiohttp.ClientError, OSError):
            outcomes.append(Outcome(model, 0, whole=False))

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            number = 0
            while not stop.is_set():
                group.create_task(one(number))
                number += 1
                await asyncio.sleep(PAUSE_S)

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        try:
            yield outcomes
        finally:
            stop.set()


async def _call(gateway: Gateway, credential: str, model: str, *, stream: bool) -> Outcome:
    body = {"model": f"{credential}/{model}", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    # Each on a connection of its own, so that every worker gets its share.
    headers = {"Authorization": f"Bearer {gateway.virtual_key}", "Connection": "close"}
    async with gateway.session.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as response:
        received = await receive(response)
    ended = received.body.endswith(b"data: [DONE]\n\n") or not (stream and received.status == 200)
    return Outcome(model, received.status, received.whole and ended)


async def _add(scene: Scene, name: str) -> None:
    await scene.gateway.add_credential(name, "openai", KEY + f"{name}-1", origin=scene.fake.origin)


async def _versions(gateway: Gateway, credential: str) -> dict[str, int]:
    """Return the recorded credential version of each request, by its model."""
    found: dict[str, int] = {}
    cursor = ""
    while True:
        page = await gateway.admin("GET", f"/requests?limit=200&credential={credential}{cursor}")
        found |= {item["model"]: item["credential_version"] for item in page["items"]}
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _calls(fake: FakeProvider, name: str) -> list[Call]:
    """Return the calls that came with a key of credential `name`, the probes left out."""
    return [call for call in fake.calls if f"-version-{name}-" in call.auth and call.method == "POST"]


def _version_seen(call: Call) -> int:
    return int(call.auth.rpartition("-")[2])


async def test_nobody_notices_that_keys_are_added_probed_rotated_and_rolled_back(scene: Scene) -> None:
    gateway = scene.gateway
    await _add(scene, "turning")

    async def change(path: str, body: Any = None) -> Any:
        changed = await gateway.admin("POST", f"/credentials/{path}", body)
        await asyncio.sleep(0.3)  # the load goes on under it
        return changed

    async with load(gateway, "turning") as outcomes:
        await asyncio.sleep(0.3)
        await _add(scene, "beside")
        assert (await change("turning/probe", {}))["probe"]["outcome"] == "valid"
        assert (await change("turning/rotate", {"key": KEY + "turning-2"}))["version"] == 2
        assert (await change("turning/rotate", {"key": KEY + "turning-3", "activate": False}))["version"] == 3
        await change("turning/activate", {"version": 3})
        assert (await change("turning/rollback"))["active_version"] == 2
        await change("turning/revoke", {"version": 3})

    assert len(outcomes) > 100, "there was a load"
    assert [outcome for outcome in outcomes if outcome.status != 200 or not outcome.whole] == []
    recorded = await _versions(gateway, "turning")
    seen = {call.model: _version_seen(call) for call in _calls(scene.fake, "turning")}
    assert seen == recorded, "the version on record is the one whose key the provider saw"
    assert len(seen) == len(outcomes)
    assert set(seen.values()) == {1, 2, 3}


async def test_an_answer_in_flight_ends_on_the_version_it_began_with(scene: Scene) -> None:
    gateway = scene.gateway
    await _add(scene, "flowing")
    body = {"model": "flowing/stream-20-25", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    headers = {"Authorization": f"Bearer {gateway.virtual_key}"}
    async with gateway.session.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as response:
        await response.content.readline()
        await gateway.admin("POST", "/credentials/flowing/rotate", {"key": KEY + "flowing-2"})
        await gateway.admin("POST", "/credentials/flowing/revoke", {"version": 1})
        later = await gateway.chat("flowing/m-1")
        received = await receive(response)
    assert received.whole
    assert received.body.endswith(b"data: [DONE]\n\n")
    assert received.headers["x-keystead-credential"].endswith("@1")
    assert later.headers["x-keystead-credential"].endswith("@2")
    assert [_version_seen(call) for call in _calls(scene.fake, "flowing")] == [1, 2]
    assert await _versions(gateway, "flowing") == {"stream-20-25": 1, "m-1": 2}


async def test_a_revoked_key_is_out_of_use_within_a_second_in_every_process(scene: Scene) -> None:
    """It is revoked through one process; the calls go to two workers of another one on the same database."""
    async with Gateway.running(scene.home, **scene.settings, workers="2", port=str(_free_port())) as workers:
        await _until_alive(workers)
        await _add(scene, "stolen")
        await asyncio.sleep(REVOKED_WITHIN_US / 1e6)  # a new credential is known everywhere after as long
        async with load(workers, "stolen") as outcomes:
            await asyncio.sleep(0.5)
            await scene.gateway.admin("POST", "/credentials/stolen/revoke", {})
            revoked_at = time.time_ns() // 1000
            await asyncio.sleep(1.5)

    calls = _calls(scene.fake, "stolen")
    late = [call.at - revoked_at for call in calls if call.at > revoked_at + REVOKED_WITHIN_US]
    assert late == [], "microseconds after the revocation"
    assert {outcome.status for outcome in outcomes} == {200, 404}
    assert all(outcome.whole for outcome in outcomes)
    recorded = await _versions(scene.gateway, "stolen")
    assert set(recorded) == {call.model for call in calls}


async def test_a_revoked_credentials_name_is_not_taken_for_a_model_of_another(scene: Scene) -> None:
    gateway, home = scene.gateway, scene.fake.origin
    await gateway.add_credential("gone", "openai", KEY + "gone-1", origin=home)
    await gateway.add_credential("left", "openai", KEY + "left-1", origin=home)
    [team, *_] = (await gateway.admin("GET", "/teams"))["items"]
    wanted = {"name": "two", "team": team["id"], "credentials": ["gone", "left"]}
    key = (await gateway.admin("POST", "/virtual-keys", wanted))["key"]
    assert (await gateway.chat("gone/m-1", key=key)).status == 200
    await gateway.admin("POST", "/credentials/gone/revoke", {})

    reply = await gateway.chat("gone/m-1", key=key)
    assert (reply.status, reply.json()["error"]["code"]) == (404, "model_not_found")
    assert "revoked" in reply.json()["error"]["next_step"]
    assert _calls(scene.fake, "left") == [], "a prompt for one contract never runs under another"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def _until_alive(gateway: Gateway) -> None:
    async with asyncio.timeout(STARTUP_S):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                await gateway.call("GET", "/livez", key="")
                return
            await asyncio.sleep(0.05)
