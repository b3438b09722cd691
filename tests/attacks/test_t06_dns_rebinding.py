"""T6: a name's addresses are judged whenever one is connected to, and the address that was judged is the one.

The gateway's resolver answers as a script says (`tests.fakes.resolver`), as an attacker's name server would. Two
addresses of this machine listen on one port: `PUBLIC` stands for a provider on the Internet, `INSIDE` is where the
attacker wants to get. Behind both is one provider, with a certificate that the gateway trusts, so that nothing but
the choice of the address decides who gets a request.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.attacks.conftest import ANTHROPIC_KEY, GOOGLE_KEY, OPENAI_KEY, new_database
from tests.conftest import ENGINES
from tests.fakes.certificates import self_signed
from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider
from tests.fakes.resolver import ScriptedResolver
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

INSIDE = "127.0.0.1"
PUBLIC = "127.0.0.2"
DEAD = "127.0.0.3"
"""As allowed as `PUBLIC`; nobody listens there."""
METADATA = "169.254.169.254"
DOMAIN = "rebinding.example"
ALLOWED_INSIDE = f"vllm.{DOMAIN}"
"""The one name that the second gateway's operator lets lead inside."""
FORGOTTEN_AFTER_S = 31
"""By then the gateway has to ask for a name's addresses again."""

LEADS_INSIDE: dict[str, Sequence[str]] = {
    "loopback": [INSIDE],
    "another of loopback": ["127.255.255.254"],
    "metadata": [METADATA],
    "metadata of Azure": ["168.63.129.16"],
    "metadata over IPv6": ["fd00:ec2::254"],
    "private": ["10.0.0.1"],
    "this host": ["0.0.0.0"],
    "this host over IPv6": ["::"],
    "loopback over IPv6": ["::1"],
    "link-local": ["fe80::1"],
    "link-local with its zone": ["fe80::1%lo"],
    "mapped": ["::ffff:127.0.0.1"],
    "mapped, in hexadecimal": ["::ffff:7f00:1"],
    "mapped metadata": ["::ffff:169.254.169.254"],
    "compatible": ["::127.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1"],
    "6to4": ["2002:7f00:1::"],
    "many, at the end of an alias": [METADATA, INSIDE, "::1", "::ffff:127.0.0.1", "10.0.0.1", INSIDE],
}
KEYS = {"openai": OPENAI_KEY, "anthropic": ANTHROPIC_KEY, "google": GOOGLE_KEY}
REFUSALS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "openai": (
        "/v1/chat/completions",
        {"model": "{}/gpt-5", "messages": []},
        {"error": {"type": "server_error", "code": "egress_denied", "fault": "provider"}},
    ),
    "anthropic": (
        "/v1/messages",
        {"model": "{}/claude", "messages": []},
        {"type": "error", "error": {"type": "api_error", "details": {"error_code": "egress_denied"}}},
    ),
    "google": (
        "/v1beta/models/{}/gemini:generateContent",
        {"contents": []},
        {"error": {"code": 502, "status": "INTERNAL", "details": [{"reason": "EGRESS_DENIED"}]}},
    ),
}
"""For each provider a path and a body, with the credential's name to be put in, and what the error must hold."""


class Network(msgspec.Struct, frozen=True):
    """`INSIDE` and `PUBLIC`, the provider behind them, and the resolver that leads to one or the other."""

    resolver: ScriptedResolver
    provider: FakeProvider
    ca_file: str
    port: int
    connected: list[str]
    """Who got a connection, each time one was made."""

    def new_host(self) -> str:
        """Return a name that the gateway has never heard of."""
        return f"h{secrets.token_hex(4)}.{DOMAIN}"


class Victim(msgspec.Struct, frozen=True):
    """A gateway in that network."""

    gateway: Gateway
    network: Network

    async def lured(self, host: str, *answers: Sequence[str], provider: str = "openai") -> str:
        """Let `host` lead to `answers`, one after another, and add a credential for it; return the credential's name.

        Whoever adds one has it probed, so the first answer is for that.
        """
        network = self.network
        network.connected.clear()
        network.resolver.answer(host, *answers)
        name = f"{host.partition('.')[0]}-{secrets.token_hex(4)}"
        await self.gateway.add_credential(
            name, provider, KEYS[provider], origin=f"https://{host}:{network.port}", allow_duplicate=True
        )
        return name

    async def ended(self, reply: Reply) -> list[tuple[str, str | None]]:
        """Return how a call ended in the records: the request, then each of its attempts."""
        shown = await self.gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
        return [(part["state"], part["error_code"]) for part in (shown["request"], *shown["attempts"])]


SETTLED = [("settled", None), ("settled", None)]
REFUSED = [("failed_unsent", "egress_denied")] * 2


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def network(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    folder = tmp_path_factory.mktemp("network")
    tls = self_signed(folder, name=f"*.{DOMAIN}")
    connected: list[str] = []

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer.get_extra_info("sockname")[0])
        onward, back = await asyncio.open_connection("127.0.0.1", provider.port)
        await asyncio.gather(_pass_on(reader, back), _pass_on(onward, writer))

    async with contextlib.AsyncExitStack() as opened:
        provider = await opened.enter_async_context(FakeProvider(tls=tls))
        port = 0
        for address in (INSIDE, PUBLIC):
            server = await opened.enter_async_context(await asyncio.start_server(accepted, address, port))
            port = server.sockets[0].getsockname()[1]
        yield Network(ScriptedResolver(folder), provider, str(folder / "chain.pem"), port, connected)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def gateway_in(
    network: Network, tmp_path_factory: pytest.TempPathFactory, allow: str, **settings: str
) -> AsyncIterator[Victim]:
    async with Gateway.running(
        tmp_path_factory.mktemp("rebinding") / "home",
        network.resolver.environment(),
        egress_allow=allow,
        ca_file=network.ca_file,
        **settings,
    ) as gateway:
        yield Victim(gateway, network)
        assert '"event":"defect"' not in gateway.log.read_text()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=ENGINES)
async def victim(
    request: pytest.FixtureRequest, network: Network, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Victim]:
    """A gateway on each engine that may connect to `PUBLIC`, as any gateway may to the Internet."""
    settings = await new_database(request.getfixturevalue("postgres_server")) if request.param == "postgresql" else {}
    allow = f"{PUBLIC}:{network.port},{DEAD}:{network.port}"
    async with gateway_in(network, tmp_path_factory, allow, **settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trusting(network: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Victim]:
    """A gateway that also may connect to where `ALLOWED_INSIDE` leads."""
    allow = f"{PUBLIC}:{network.port},{ALLOWED_INSIDE}:{network.port}"
    async with gateway_in(network, tmp_path_factory, allow) as running:
        yield running


@pytest.mark.parametrize("kind", LEADS_INSIDE)
async def test_a_name_that_leads_inside_is_not_connected_to(victim: Victim, kind: str) -> None:
    network, host = victim.network, victim.network.new_host()
    calls = len(network.provider.calls)
    name = await victim.lured(host, LEADS_INSIDE[kind])
    reply = await victim.gateway.chat(f"{name}/gpt-5")
    assert (reply.status, reply.json()["error"]["code"]) == (502, "egress_denied")
    assert network.resolver.asked(host) > 0
    assert await victim.ended(reply) == REFUSED
    assert (network.connected, len(network.provider.calls)) == ([], calls)
    told = reply.body + str(reply.headers).encode()
    assert not [text for text in (host, *LEADS_INSIDE[kind]) if text.encode() in told]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", REFUSALS)
async def test_the_refusal_is_a_typed_error_in_the_callers_dialect(
    victim: Victim, provider: str, *, stream: bool
) -> None:
    path, body, expected = REFUSALS[provider]
    name = await victim.lured(victim.network.new_host(), [INSIDE], provider=provider)
    if provider == "google":
        path = path.replace("generateContent", "streamGenerateContent?alt=sse") if stream else path
    else:
        body = {**body, "model": body["model"].format(name), "stream": stream}
    reply = await victim.gateway.call("POST", path.format(name), body)
    assert reply.status == 502
    assert_holds(reply.json(), expected)
    assert await victim.ended(reply) == REFUSED
    assert victim.network.connected == []


def assert_holds(told: Any, expected: Any) -> None:
    """Assert that `told` is `expected`, perhaps with more members in its objects."""
    if isinstance(expected, dict):
        for member, value in expected.items():
            assert_holds(told[member], value)
    elif isinstance(expected, list):
        for one, other in zip(told, expected, strict=True):
            assert_holds(one, other)
    else:
        assert told == expected


@pytest.mark.parametrize(
    "addresses", [[PUBLIC, INSIDE], [INSIDE, PUBLIC], [METADATA, "::1", "::ffff:127.0.0.1", INSIDE, PUBLIC, "10.0.0.1"]]
)
async def test_of_several_addresses_only_the_allowed_one_is_tried(victim: Victim, addresses: list[str]) -> None:
    name = await victim.lured(victim.network.new_host(), addresses)
    reply = await victim.gateway.chat(f"{name}/gpt-5")
    assert reply.status == 200, reply.body
    assert await victim.ended(reply) == SETTLED
    assert set(victim.network.connected) == {PUBLIC}


@pytest.mark.parametrize("addresses", [[DEAD, INSIDE], [INSIDE, DEAD], [DEAD, "::ffff:127.0.0.1"]])
async def test_an_allowed_address_that_fails_does_not_open_the_next(victim: Victim, addresses: list[str]) -> None:
    name = await victim.lured(victim.network.new_host(), addresses)
    reply = await victim.gateway.chat(f"{name}/gpt-5")
    assert (reply.status, reply.json()["error"]["code"]) == (502, "connect_failed")
    assert await victim.ended(reply) == [("failed_unsent", "connect_failed")] * 2
    assert victim.network.connected == []


@pytest.mark.parametrize("inside", [[INSIDE], ["::ffff:127.0.0.1"], [METADATA, INSIDE]])
async def test_a_name_that_turns_inwards_in_mid_life_is_not_followed(victim: Victim, inside: list[str]) -> None:
    network, host = victim.network, victim.network.new_host()
    name = await victim.lured(host, [PUBLIC], inside)

    async def chat() -> Reply:
        return await victim.gateway.chat(f"{name}/gpt-5")

    # The answer that was judged when the key was added is the one that is used, on the connection of then …
    assert (await chat()).status == 200
    assert network.connected == [PUBLIC]
    # … and when the provider has closed that one: the name is not asked for behind the judge's back.
    network.provider.next(Answer(headers=(("connection", "close"),), steps=(b"{}",), close=True))
    assert [(await chat()).status, (await chat()).status] == [200, 200]
    assert (network.connected, network.resolver.asked(host)) == ([PUBLIC, PUBLIC], 1)

    network.resolver.pass_time(FORGOTTEN_AFTER_S)
    refused = await chat()
    assert (refused.status, refused.json()["error"]["code"]) == (502, "egress_denied")
    assert await victim.ended(refused) == REFUSED
    assert (network.connected, network.resolver.asked(host)) == ([PUBLIC, PUBLIC], 2)

    # It was the answer that was refused, and not the name.
    network.resolver.answer(host, [PUBLIC])
    assert (await chat()).status == 200
    assert set(network.connected) == {PUBLIC}


async def test_answers_that_alternate_are_each_judged(victim: Victim) -> None:
    # Time-of-check to time-of-use: were a name resolved twice for one connection, the second answer would be used.
    network, host = victim.network, victim.network.new_host()
    name = await victim.lured(host, *[[PUBLIC], [INSIDE]] * 4)
    statuses = []
    for _ in range(6):
        network.resolver.pass_time(FORGOTTEN_AFTER_S)
        statuses.append((await victim.gateway.chat(f"{name}/gpt-5")).status)
    assert statuses == [502, 200] * 3
    assert (set(network.connected), network.resolver.asked(host)) == ({PUBLIC}, 7)


async def test_with_the_operators_word_the_same_name_does_lead_inside(victim: Victim, trusting: Victim) -> None:
    # Without this, all of the above could pass because the script is not asked or nobody listens.
    network = victim.network
    network.resolver.pass_time(FORGOTTEN_AFTER_S)
    for one, status, connected in ((victim, 502, set()), (trusting, 200, {INSIDE})):
        name = await one.lured(ALLOWED_INSIDE, [INSIDE])
        reply = await one.gateway.chat(f"{name}/gpt-5")
        assert (reply.status, set(network.connected)) == (status, connected)
        assert network.resolver.asked(ALLOWED_INSIDE) > 0
    assert network.provider.calls[-1].auth == f"Bearer {OPENAI_KEY}"


async def test_a_word_for_one_name_is_none_for_another_and_none_for_metadata(trusting: Victim) -> None:
    other = await trusting.lured(trusting.network.new_host(), [INSIDE])
    assert (await trusting.gateway.chat(f"{other}/gpt-5")).json()["error"]["code"] == "egress_denied"
    trusting.network.resolver.pass_time(FORGOTTEN_AFTER_S)
    for address in (METADATA, "fd00:ec2::254", "::ffff:169.254.169.254"):
        name = await trusting.lured(ALLOWED_INSIDE, [address])
        assert (await trusting.gateway.chat(f"{name}/gpt-5")).json()["error"]["code"] == "egress_denied"
    assert trusting.network.connected == []
