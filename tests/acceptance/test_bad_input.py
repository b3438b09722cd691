"""What goes wrong, at the caller, at the provider and at home: each a clear typed error, nothing lost, nothing leaked.

Every error is checked in the caller's dialect: its code, whose fault it is, what to do next; whether the provider was
called; and what the record says.
"""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.acceptance.dialects import DIALECTS, PROVIDER_OF, ask, target, told
from tests.acceptance.received import Received, receive
from tests.fakes.certificates import self_signed
from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = f"canary-{secrets.token_hex(20)}"
"""In every provider key: it may be seen by the provider and by nobody else."""

MEGABYTE = 1024 * 1024


class World(msgspec.Struct, frozen=True):
    """A gateway whose providers are in every bad state: down, not to be found, with a forged certificate, slow."""

    gateway: Gateway
    fake: FakeProvider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("bad")
    settings = {
        "egress_allow": "127.0.0.1,nowhere.invalid",
        "connect_timeout_s": "5",
        "first_byte_timeout_s": "0.5",
        "idle_timeout_s": "0.5",
        **database_settings,
    }
    tls = self_signed(folder, name="127.0.0.1")
    async with (
        FakeProvider() as fake,
        FakeProvider(tls=tls) as forged,
        Gateway.running(folder / "home", **settings) as gateway,
    ):
        origins = {
            "my": fake.origin,
            "narrow": fake.origin,
            "down": f"http://127.0.0.1:{_closed_port()}",
            "lost": "https://nowhere.invalid",
            "forged": forged.origin,
        }
        adding = []
        for kind, origin in origins.items():
            for provider in PROVIDER_OF.values():
                models = {"models": [f"listed-{provider}-*"]} if kind == "narrow" else {}
                secret = f"{CANARY}-{kind}-{provider}"
                adding.append(gateway.add_credential(f"{kind}-{provider}", provider, secret, origin=origin, **models))
        await asyncio.gather(*adding)
        fake.calls.clear()
        yield World(gateway, fake)
        assert forged.calls == []
        assert CANARY not in gateway.log.read_text(), "a provider key in the log"
        assert gateway.virtual_key not in gateway.log.read_text(), "a virtual key in the log"


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def check(reply: Reply, dialect: str, *, status: int, code: str, fault: str) -> None:
    """The error is ours, whole, in the caller's dialect, and tells nothing it should not."""
    assert reply.status == status, reply.body
    said = told(dialect, reply.body)
    assert (said.code, said.fault) == (code, fault)
    assert said.next_step
    assert said.next_step in said.message, "a person who sees only the message sees what to do"
    headers = {name.lower(): value for name, value in reply.headers.items()}
    assert (headers["x-keystead-error"], headers["x-keystead-fault"]) == (code, fault)
    assert headers["x-keystead-request-id"] == said.request_id
    everything = reply.body.decode() + str(headers)
    for secret in (CANARY, "nowhere.invalid", "127.0.0.1", "/home", "Traceback"):
        assert secret not in everything


async def record_of(gateway: Gateway, reply: Reply | Received) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the record of the request and of its attempts."""
    detail = await gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
    return detail["request"], detail["attempts"]


# -- the caller -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "key", ["", "ks_wrong", "sk-proj-somebody-elses", "ks_" + "0" * 26 + "_" + "a" * 43 + "_000000"]
)
async def test_a_wrong_key_is_told_and_nothing_else_happens(world: World, dialect: str, key: str) -> None:
    reply = await ask(world.gateway, dialect, "my-openai/gpt-5", key=key)
    check(reply, dialect, status=401, code="invalid_key" if key else "missing_key", fault="caller")
    assert world.fake.calls == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("narrow-{provider}/other-1", 404, "model_not_found"),
        ("listed-{provider}-1", 200, ""),
        ("some-new-model", 400, "model_ambiguous"),
    ],
)
async def test_a_model_needs_one_credential_that_serves_it(
    world: World, dialect: str, model: str, status: int, code: str
) -> None:
    before = len(world.fake.calls)
    reply = await ask(world.gateway, dialect, model.format(provider=PROVIDER_OF[dialect]))
    if status == 200:
        assert reply.status == 200, "the only credential that lists it"
        assert len(world.fake.calls) == before + 1
        return
    check(reply, dialect, status=status, code=code, fault="caller")
    assert len(world.fake.calls) == before
    request, attempts = await record_of(world.gateway, reply)
    assert (request["state"], request["error_code"], request["fault"]) == ("rejected", code, "caller")
    assert attempts == []


async def test_a_model_that_the_provider_does_not_know_is_the_providers_own_error(world: World) -> None:
    reply = await ask(world.gateway, "openai", "my-openai/fake-error-404")
    assert reply.status == 404
    assert json.loads(reply.body)["error"]["message"] == "The fake was told to fail."
    request, [attempt] = await record_of(world.gateway, reply)
    assert (request["state"], attempt["upstream_status"], attempt["cost_state"]) == ("rejected", 404, "free")


@pytest.mark.parametrize(
    ("dialect", "path", "credential"),
    [
        ("openai", "/v1/embeddings", "my-anthropic"),
        ("openai", "/v1/rerank", "my-anthropic"),
        ("gemini", "/v1beta/models/m-1:embedContent", "my-anthropic"),
    ],
)
async def test_a_key_without_a_credential_for_this_api_says_so(
    world: World, dialect: str, path: str, credential: str
) -> None:
    [team, *_] = (await world.gateway.admin("GET", "/teams"))["items"]
    wanted = {"name": f"only-{credential}-{path.rpartition('/')[2]}", "team": team["id"], "credentials": [credential]}
    key = (await world.gateway.admin("POST", "/virtual-keys", wanted))["key"]
    before = len(world.fake.calls)
    reply = await world.gateway.call("POST", path, {"model": "m-1", "input": "a", "messages": []}, key=key)
    check(reply, dialect, status=404, code="no_credential", fault="caller")
    assert len(world.fake.calls) == before


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[]", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"[" * 9999, "malformed_json"),
        (b'{"model": "m", "model": "n"}', "duplicate_member"),
    ],
)
async def test_malformed_json_is_told_and_recorded(world: World, dialect: str, body: bytes, code: str) -> None:
    before = len(world.fake.calls)
    path, _ = target(dialect, "m-1")
    reply = await world.gateway.call("POST", path, body)
    check(reply, dialect, status=400, code=code, fault="caller")
    assert len(world.fake.calls) == before
    request, attempts = await record_of(world.gateway, reply)
    assert (request["state"], request["error_code"], attempts) == ("rejected", code, [])


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_a_missing_model_is_told(world: World, dialect: str) -> None:
    path, body = target(dialect, "")
    del body["model"]
    check(await world.gateway.call("POST", path, body), dialect, status=400, code="missing_model", fault="caller")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(world: World, dialect: str) -> None:
    path, _ = target(dialect, "m-1")
    head = _head(world.gateway, path, f"Content-Length: {100 * MEGABYTE}")
    reader, writer = await _connected(world.gateway)
    writer.write(head)
    async with asyncio.timeout(5):
        reply = await _read_reply(reader)
    writer.close()
    check(reply, dialect, status=413, code="body_too_large", fault="caller")
    request, attempts = await record_of(world.gateway, reply)
    assert (request["state"], request["error_code"], attempts) == ("rejected", "body_too_large", [])


async def test_a_body_of_100_megabytes_in_chunks_is_refused_on_the_way_in_bounded_memory(world: World) -> None:
    path, _ = target("openai", "m-1")
    reader, writer = await _connected(world.gateway)
    writer.write(_head(world.gateway, path, "Transfer-Encoding: chunked"))
    before = _resident_megabytes(world.gateway.pid)
    peak = before
    chunk = b"%x\r\n%s\r\n" % (MEGABYTE, bytes(MEGABYTE))
    async with asyncio.timeout(20):
        reply = asyncio.get_running_loop().create_task(_read_reply(reader))
        sent = 0
        while not reply.done() and sent < 100:
            writer.write(chunk)
            await writer.drain()
            sent += 1
            peak = max(peak, _resident_megabytes(world.gateway.pid))
        check(await reply, "openai", status=413, code="body_too_large", fault="caller")
    writer.close()
    assert sent < 60, "refused once it is over the bound, not when it is whole"
    assert peak - before < 100, "what is kept is bounded by the largest body allowed"


def _head(gateway: Gateway, path: str, framing: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {gateway.virtual_key}\r\n"
        f"Content-Type: application/json\r\n{framing}\r\n\r\n"
    ).encode()


async def _connected(gateway: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(head[0].split()[1]), headers, body)


def _resident_megabytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 // MEGABYTE


# -- the provider -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("model", "expected", "calls"),
    [
        ("down-{provider}/m-1", (502, "connect_failed"), 0),
        ("lost-{provider}/m-1", (502, "dns_failed"), 0),
        ("forged-{provider}/m-1", (502, "tls_certificate"), 0),
        ("my-{provider}/fake-silent", (504, "first_byte_timeout"), 1),
        ("my-{provider}/fake-drop", (502, "upstream_disconnected"), 1),
        ("my-{provider}/fake-bad-http", (502, "upstream_protocol"), 1),
        ("my-{provider}/fake-redirect-307", (502, "upstream_redirect"), 1),
    ],
)
async def test_a_provider_that_fails_is_told_and_recorded(
    world: World, dialect: str, model: str, expected: tuple[int, str], calls: int
) -> None:
    status, code = expected
    before = len(world.fake.calls)
    reply = await ask(world.gateway, dialect, model.format(provider=PROVIDER_OF[dialect]))
    check(reply, dialect, status=status, code=code, fault="provider")
    assert len(world.fake.calls) == before + calls, "never tried again behind the caller's back"
    request, [attempt] = await record_of(world.gateway, reply)
    assert (request["error_code"], request["fault"], request["status_code"]) == (code, "provider", status)
    if calls:
        assert (request["state"], attempt["cost_state"], attempt["cost"]) == ("failed_billed", "unknown", None)
    else:
        assert (request["state"], attempt["cost_state"]) == ("failed_unsent", "free")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_that_stalls_ends_in_an_error_event_and_a_cut(world: World, dialect: str) -> None:
    path, body = target(dialect, f"my-{PROVIDER_OF[dialect]}/fake-stall", stream=True)
    headers = {"Authorization": f"Bearer {world.gateway.virtual_key}"}
    async with world.gateway.session.post(world.gateway.url + path, json=body, headers=headers) as response:
        received = await receive(response)
    assert (received.status, received.whole) == (200, False)
    last = received.body.rstrip().rpartition(b"\n")[2]
    said = told(dialect, last.removeprefix(b"data: "))
    assert (said.code, said.fault) == ("idle_timeout", "provider")
    request, [attempt] = await record_of(world.gateway, received)
    assert (request["state"], request["error_code"]) == ("failed_billed", "idle_timeout")
    assert attempt["usage_source"] in {"none", "provider_partial"}
    assert attempt["cost_state"] in {"unknown", "estimated", "unpriced"}


async def test_what_the_provider_says_of_a_wrong_key_holds_no_key(world: World) -> None:
    reply = await ask(world.gateway, "openai", "my-openai/fake-echo-key")
    assert reply.status == 401
    assert CANARY not in reply.body.decode() + str(reply.headers)
    assert reply.headers["x-keystead-fault"] == "policy", "the custodian mends it, not the caller"
