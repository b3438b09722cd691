"""Every recorded exchange through the running gateway on both engines: bytes as they were, usage as expected.

Each exchange's provider is played by one fake that answers with the recorded bytes, streams re-chopped at random
sizes. The client asks with a virtual key narrowed to that provider's credential, so its own bytes pass untouched.
"""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from keystead.domain.stored import ObjectKind
from tests.acceptance.exchanges import Exchange, chopped, exchanges
from tests.acceptance.received import Received, receive
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call, Framing

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXCHANGES = exchanges()
STREAMS = [name for name, exchange in EXCHANGES.items() if exchange.stream]
METERED_STREAMS = [name for name in STREAMS if EXCHANGES[name].before_usage is not None]
PROVIDERS = sorted({exchange.provider for exchange in EXCHANGES.values()})
_NOT_MADE_HERE = {f"{kind}_not_found" for kind in ObjectKind}


class Replay(msgspec.Struct, frozen=True):
    """A gateway with a credential for every provider, all played by one fake, and a virtual key for each."""

    gateway: Gateway
    fake: FakeProvider
    keys: Mapping[str, str]
    answers: dict[str, Answer]
    """What the fake answers, by the call's idempotency key, a header that passes."""

    async def ask(self, exchange: Exchange, answer: Answer) -> tuple[Received, Call]:
        """Make the exchange's call, answered with `answer`; return what the client and what the provider got."""
        mark = f"{exchange.name}-{secrets.token_hex(4)}"
        self.answers[mark] = answer
        if exchange.method == "GET":
            await self._store(exchange)
        headers = {
            "Authorization": f"Bearer {self.keys[exchange.provider]}",
            "Content-Type": exchange.content_type,
            "Idempotency-Key": mark,
        }
        url = self.gateway.url + exchange.path
        async with self.gateway.session.request(
            exchange.method, url, data=exchange.asked(f"the-{exchange.provider}"), headers=headers
        ) as response:
            received = await receive(response)
        if received.headers.get("x-keystead-error") in _NOT_MADE_HERE:
            pytest.skip("what its request names was not made through this gateway")
        return received, next(call for call in reversed(self.fake.calls) if call.header("idempotency-key") == mark)

    async def record(self, received: Received) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the record of the request and of its one attempt."""
        detail = await self.gateway.admin("GET", f"/requests/{received.headers['x-keystead-request-id']}")
        [attempt] = detail["attempts"]
        return detail["request"], attempt

    async def _store(self, exchange: Exchange) -> None:
        """Make the response that a follow-up call is about: only whoever made it can ask for it."""
        self.fake.next(Answer(steps=(exchange.body,)))
        body = {"model": "gpt-5.2", "input": "Say hello."}
        reply = await self.gateway.call("POST", "/v1/responses", body, key=self.keys[exchange.provider])
        assert reply.status == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replay(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replay]:
    home = tmp_path_factory.mktemp("replay") / "home"
    answers = {"": Answer(steps=(b'{"data": []}',))}  # what a probe gets
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1", **database_settings) as gateway:
        fake.always(lambda call: answers[call.header("idempotency-key") or ""])
        [team, *_] = (await gateway.admin("GET", "/teams"))["items"]

        async def key_for(provider: str) -> str:
            name = f"the-{provider}"
            await gateway.add_credential(name, provider, secrets.token_hex(20), origin=fake.origin)
            wanted = {"name": provider, "team": team["id"], "credentials": [name]}
            issued: str = (await gateway.admin("POST", "/virtual-keys", wanted))["key"]
            return issued

        keys = await asyncio.gather(*map(key_for, PROVIDERS))
        yield Replay(gateway, fake, dict(zip(PROVIDERS, keys, strict=True)), answers)


def _recorded_answer(exchange: Exchange) -> Answer:
    if not exchange.stream:
        return Answer(status=exchange.status, headers=exchange.headers, steps=(exchange.body,))
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    pieces = chopped(exchange.body, random.Random(seed))
    return Answer(headers=exchange.headers, steps=pieces, framing=Framing.CHUNKED)


def _cut_answer(exchange: Exchange, at: int) -> Answer:
    """Answer with the first `at` bytes; a stream without its last chunk, a body shorter than its length."""
    return Answer(headers=exchange.headers, steps=(exchange.body[:at], 0.0), framing=Framing.CHUNKED, close=True)


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_passes_byte_for_byte_and_is_metered(replay: Replay, name: str) -> None:
    exchange = EXCHANGES[name]
    received, call = await replay.ask(exchange, _recorded_answer(exchange))

    assert received.whole
    assert received.status == exchange.status
    assert received.body == exchange.for_client(exchange.body)
    assert received.headers["content-type"] == dict(exchange.headers)["content-type"]
    _check_sent(exchange, call)
    request, attempt = await replay.record(received)
    if exchange.status >= 400:
        assert request["state"] == "rejected"
        assert attempt["cost_state"] == "free"
        assert attempt["error_class"] == exchange.fields.get("error_class", attempt["error_class"])
        assert attempt["error_class"] == received.headers["x-keystead-error"]
        return
    assert exchange.wrong_counts(attempt) == {}
    _check_expected(exchange, request, attempt)


def _check_sent(exchange: Exchange, call: Call) -> None:
    """The provider got the client's own bytes, but for the usage it is asked for."""
    if exchange.asked("any") == exchange.sent and not exchange.usage_is_asked_for_by_us:
        assert call.body == (exchange.sent or b"")
        return
    got, wanted = json.loads(call.body), json.loads(exchange.sent or b"{}")
    if exchange.usage_is_asked_for_by_us:
        assert got.pop("stream_options")["include_usage"] is True
        wanted.pop("stream_options", None)
    assert got == wanted


def _check_expected(exchange: Exchange, request: dict[str, Any], attempt: dict[str, Any]) -> None:
    expected = exchange.fields.get("expected", {})
    shown = {
        "source": attempt["usage_source"],
        "anomalies": attempt["anomalies"],
        "model": attempt["model_served"],
        "response_id": attempt["response_id"],
        "service_tier": attempt["service_tier"],
        "speed": attempt["speed"],
        "raw": json.loads(attempt["usage_raw"]) if attempt["usage_raw"] else None,
    }
    assert {name: shown[name] for name in expected if name in shown} == {
        name: value for name, value in expected.items() if name in shown
    }
    if request["state"] == "settled":
        assert not expected.get("error")
    else:
        assert (request["state"], attempt["error_class"]) == ("failed_billed", "provider_error")
        assert "error" in expected or ("expected" not in exchange.fields and b'"error"' in exchange.body)
    if expected.get("provider_cost"):
        assert attempt["cost_state"] == "reported"
    if attempt["usage_source"] == "none":
        assert attempt["cost_state"] in {"unknown", "free", "unpriced"}, "no usage, so no figure"
        assert attempt["cost"] is None or attempt["cost_state"] == "free"


@pytest.mark.parametrize("name", METERED_STREAMS)
async def test_a_stream_cut_before_its_usage_is_never_zero(replay: Replay, name: str) -> None:
    exchange = EXCHANGES[name]
    assert exchange.before_usage is not None
    received, _ = await replay.ask(exchange, _cut_answer(exchange, exchange.before_usage))
    request, attempt = await replay.record(received)

    assert not received.whole, "a cut reaches the client as a cut"
    assert request["state"] == "failed_billed"
    assert (attempt["usage_source"], attempt["cost_state"], attempt["cost"]) == ("none", "unknown", None)


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_cut_anywhere_says_what_is_not_known(replay: Replay, name: str) -> None:
    exchange = EXCHANGES[name]
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    end = random.Random(seed).randrange(1, len(exchange.body))
    received, _ = await replay.ask(exchange, _cut_answer(exchange, end))
    request, attempt = await replay.record(received)

    assert not received.whole
    _check_what_came(exchange, received, end)
    assert request["state"] == "failed_billed"
    if attempt["usage_source"] == "provider":
        assert exchange.wrong_counts(attempt) == {}, "only the provider's last word is called its own"
    elif attempt["usage_source"] == "provider_partial":
        assert attempt["cost_state"] in {"estimated", "unpriced", "reported"}
        assert sum(attempt["usage"].values()) > 0
    else:
        assert (attempt["usage_source"], attempt["cost_state"]) == ("none", "unknown")


def _check_what_came(exchange: Exchange, received: Received, end: int) -> None:
    """The client got the beginning of the answer and nothing that could be taken for more of it."""
    came, _, error = received.body.partition(b"event: error\ndata: " if _is_anthropic(exchange) else b'data: {"error"')
    given = exchange.for_client(exchange.body)
    if given.startswith(received.body):
        return  # cut without a word, in the middle of an event or of a body that has no events
    assert given.startswith(came), "nothing was added but the error"
    assert came.endswith((b"\n\n", b"\r\n\r\n")) or not came, "an error event stands at the end of an event"
    assert len(came) <= end
    assert b"upstream_cut" in error.lower()  # Google writes its reasons in capitals


def _is_anthropic(exchange: Exchange) -> bool:
    return bool(exchange.fields["dialect"] == "anthropic")
