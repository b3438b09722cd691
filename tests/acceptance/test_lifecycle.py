"""Starting, stopping, and clients that leave: what the process prints, refuses, finishes and writes down."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from tests.acceptance.dialects import PROVIDER_OF, target
from tests.acceptance.received import receive
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Framing

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 20.0
SECRET = re.compile(r"\bksa?_[0-9A-Za-z]{26}_[\w-]+")


# -- the process ------------------------------------------------------------------------------------------------------


class Run(msgspec.Struct, frozen=True):
    """A process that has ended."""

    code: int
    out: str
    err: str


async def run(home: Path, *, stop: signal.Signals | None) -> Run:
    """Run `keystead serve` until it ends by itself, or listens and is sent `stop`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from keystead.cli import main; main()", "serve"),
        env={"PATH": os.environ["PATH"], "KEYSTEAD_HOME": str(home), "KEYSTEAD_PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        first = await process.stdout.readline()
        if stop is not None:
            assert b" at http://" in first
            process.send_signal(stop)
        out, err = await process.communicate()
    assert process.returncode is not None
    return Run(process.returncode, (first + out).decode(), err.decode())


class Started(msgspec.Struct, frozen=True):
    """A data folder, and what its first start and a later one came to."""

    home: Path
    first: Run
    again: Run

    def copy(self, folder: Path) -> Path:
        """Return a folder with the same data."""
        return shutil.copytree(self.home, folder / "home")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> Started:
    home = tmp_path_factory.mktemp("started") / "home"
    return Started(home, await run(home, stop=signal.SIGTERM), await run(home, stop=signal.SIGINT))


async def test_secrets_are_shown_by_the_first_start_alone(started: Started) -> None:
    shown = set(SECRET.findall(started.first.out))
    assert len(shown) == 1, "one virtual key, in the text and in the curl"
    assert shown.pop().startswith("ks_")
    assert (started.home / "admin.token").read_text().startswith("ksa_"), "the admin token goes into its file"
    assert SECRET.findall(started.again.out + started.again.err + started.first.err) == []
    assert [(started.home / name).stat().st_mode & 0o777 for name in ("root.key", "admin.token")] == [0o600, 0o600]


async def test_an_idle_process_ends_cleanly_when_it_is_told_to(started: Started) -> None:
    # Ended by the very signal it was sent is what systemd, Docker and Kubernetes take for clean; Ctrl-C gives 0.
    assert (started.first.code, started.again.code) == (-signal.SIGTERM, 0)
    assert "Traceback" not in started.first.err + started.again.err


async def test_a_root_key_that_others_can_read_is_refused(started: Started, tmp_path: Path) -> None:
    key = started.copy(tmp_path) / "root.key"
    key.chmod(0o640)
    refused = await run(key.parent, stop=None)
    assert refused.code > 0
    assert f"chmod 600 {key}" in refused.err
    assert "Traceback" not in refused.err
    assert refused.out == ""


async def test_a_missing_root_key_is_not_made_anew(started: Started, tmp_path: Path) -> None:
    home = started.copy(tmp_path)
    (home / "root.key").unlink()
    refused = await run(home, stop=None)
    assert refused.code > 0
    assert "missing" in refused.err
    assert "backup" in refused.err
    assert "Traceback" not in refused.err
    assert not (home / "root.key").exists(), "a new key would open nothing that is sealed"


# -- answers in flight ------------------------------------------------------------------------------------------------


class Scene(msgspec.Struct, frozen=True):
    """A gateway with credentials that drain and credentials that cancel."""

    gateway: Gateway
    fake: FakeProvider


@contextlib.asynccontextmanager
async def scene_on(home: Path, **settings: str) -> AsyncIterator[Scene]:
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1", **settings) as gateway:
        for provider in PROVIDER_OF.values():
            for behaviour in ("drain", "cancel"):
                secret = f"{behaviour}-{secrets.token_hex(20)}"
                name = f"{behaviour}-{provider}"
                await gateway.add_credential(name, provider, secret, origin=fake.origin, on_disconnect=behaviour)
        fake.calls.clear()
        yield Scene(gateway, fake)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    home = tmp_path_factory.mktemp("leaving") / "home"
    async with scene_on(home, disconnect_drain_s="1.5", **database_settings) as made:
        yield made


@pytest.mark.parametrize(
    ("own_database_settings", "sent"),
    [("sqlite", signal.SIGINT), ("postgresql", signal.SIGTERM)],
    indirect=["own_database_settings"],
)
async def test_an_ending_process_lets_answers_finish_within_bounds_and_nobody_new_in(
    own_database_settings: dict[str, str], tmp_path: Path, sent: signal.Signals
) -> None:
    async with scene_on(tmp_path / "home", drain_timeout_s="2", **own_database_settings) as scene:
        gateway = scene.gateway
        async with (
            _open(gateway, "openai", "drain-openai/stream-20-50") as short,
            _open(gateway, "anthropic", "drain-anthropic/stream-10000-20") as long,
        ):
            assert await long.content.readany()
            os.kill(gateway.pid, sent)
            await _until_closed(gateway)
            finished, cut = await asyncio.gather(receive(short), receive(long))
        await _ended(gateway)
        assert finished.whole
        assert finished.body.endswith(b"data: [DONE]\n\n")
        assert not cut.whole

        await gateway.start()
        request, attempt = await _record(gateway, finished.headers["x-keystead-request-id"])
        assert (request["state"], attempt["usage_source"]) == ("settled", "provider")
        request, attempt = await _record(gateway, cut.headers["x-keystead-request-id"])
        assert (request["state"], attempt["usage_source"]) == ("cancelled_partial", "provider_partial")
        assert attempt["cost_state"] in {"estimated", "unpriced"}


@contextlib.asynccontextmanager
async def _open(
    gateway: Gateway, dialect: str, model: str, *, stream: bool = True
) -> AsyncIterator[aiohttp.ClientResponse]:
    path, body = target(dialect, model, stream=stream)
    headers = {"Authorization": f"Bearer {gateway.virtual_key}"}
    async with gateway.session.post(gateway.url + path, json=body, headers=headers) as response:
        assert response.status == 200
        yield response


async def _until_closed(gateway: Gateway) -> None:
    """Wait until nobody new is let in."""
    port = int(gateway.url.rpartition(":")[2])
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def _ended(gateway: Gateway) -> None:
    assert gateway._process is not None
    async with asyncio.timeout(PATIENCE_S):
        await gateway._process.wait()
    await gateway.close()


# -- clients that leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", PROVIDER_OF)
async def test_a_client_that_leaves_a_draining_stream_is_paid_for_to_the_end(scene: Scene, dialect: str) -> None:
    request_id = await _leave(scene, dialect, f"drain-{PROVIDER_OF[dialect]}/stream-10-20")
    request, attempt = await _record(scene.gateway, request_id)
    assert (request["state"], attempt["on_disconnect"]) == ("settled", "drained")
    assert attempt["usage_source"] == "provider"
    assert attempt["usage"]["output_tokens"] > 0


@pytest.mark.parametrize(
    ("dialect", "source"), [("openai", "none"), ("anthropic", "provider_partial"), ("gemini", "provider_partial")]
)
async def test_a_client_that_leaves_a_cancelling_stream_stops_it(scene: Scene, dialect: str, source: str) -> None:
    scene.fake.cut_by_peer.clear()
    request_id = await _leave(scene, dialect, f"cancel-{PROVIDER_OF[dialect]}/stream-10000-20")
    async with asyncio.timeout(PATIENCE_S):
        await scene.fake.cut_by_peer.wait()
    request, attempt = await _record(scene.gateway, request_id)
    assert (request["state"], attempt["on_disconnect"]) == ("cancelled_partial", "cancelled")
    assert attempt["usage_source"] == source
    assert attempt["cost_state"] in ({"unknown"} if source == "none" else {"estimated", "unpriced"})
    assert attempt["cost"] is None or attempt["cost_state"] == "estimated"


async def _leave(scene: Scene, dialect: str, model: str) -> str:
    """Begin to read a stream, then be gone."""
    async with _open(scene.gateway, dialect, model) as response:
        assert await response.content.readany()
        response.close()
    request_id: str = response.headers["x-keystead-request-id"]
    return request_id


@pytest.mark.parametrize(
    ("behaviour", "said", "state", "source"),
    [("drain", "drained", "settled", "provider"), ("cancel", "cancelled", "cancelled_partial", "none")],
)
async def test_a_client_that_does_not_wait_for_its_answer(
    scene: Scene, behaviour: str, said: str, state: str, source: str
) -> None:
    """Most of a plain request's time passes before the provider's first byte."""
    usage = b'{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(usage)
    scene.fake.next(Answer(framing=Framing.RAW, steps=(0.4, head + usage)))
    before = len(scene.fake.calls)
    path, body = target("openai", f"{behaviour}-openai/{secrets.token_hex(4)}")
    call = asyncio.get_running_loop().create_task(scene.gateway.call("POST", path, body))
    await scene.fake.arrived(before + 1)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call

    page = await scene.gateway.admin("GET", "/requests?limit=1")
    request, attempt = await _record(scene.gateway, page["items"][0]["id"])
    assert request["model_asked"] == body["model"]
    assert (request["state"], request["status_code"]) == (state, 499)
    assert (attempt["on_disconnect"], attempt["usage_source"]) == (said, source)


async def test_a_drain_has_an_end(scene: Scene) -> None:
    scene.fake.cut_by_peer.clear()
    request_id = await _leave(scene, "openai", "drain-openai/stream-10000-20")
    async with asyncio.timeout(PATIENCE_S):
        await scene.fake.cut_by_peer.wait()
    request, attempt = await _record(scene.gateway, request_id)
    assert (request["state"], attempt["on_disconnect"]) == ("cancelled_partial", "cancelled")
    assert (attempt["usage_source"], attempt["cost_state"]) == ("none", "unknown")


async def _record(gateway: Gateway, request_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the record of a request and its one attempt, once it has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            detail = await gateway.admin("GET", f"/requests/{request_id}")
            if detail["request"]["state"] != "intent":
                [attempt] = detail["attempts"]
                return detail["request"], attempt
            await asyncio.sleep(0.02)
