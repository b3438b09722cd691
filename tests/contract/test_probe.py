"""Probing tells a good key from a bad one at every provider, by its own cheapest free call."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from keystead import settings as keystead_settings
from keystead.domain.clock import SystemClock
from keystead.domain.credential import Credential
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.secret import Secret
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.providers.authorization import Authorizers
from keystead.providers.egress import EgressGuard
from keystead.providers.probe import ProbeResult, probe
from keystead.providers.sandbox import SandboxTransport
from keystead.providers.table import PROVIDERS
from keystead.providers.transport import AiohttpTransport, Transport
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call, Framing, Step

GOOD = "good-key-0123456789"
WRONG = "wrong-key-0123456789"

# What each provider answers to a wrong key, where that was recorded or documented.
REFUSALS: dict[str, tuple[int, Any]] = {
    "openai": (401, {"error": {"message": f"Incorrect API key provided: {WRONG}.", "code": "invalid_api_key"}}),
    "azure": (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}),
    "anthropic": (401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
    "google": (
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
            }
        },
    ),
    "bedrock": (403, {"message": "The security token included in the request is invalid."}),
    "vertex": (
        401,
        {"error": {"code": 401, "message": "Request had invalid credentials.", "status": "UNAUTHENTICATED"}},
    ),
    "mistral": (401, {"detail": "Invalid API Key"}),
    "groq": (401, {"error": {"message": "Invalid API Key", "code": "invalid_api_key"}}),
    "deepseek": (401, {"error": {"message": "Authentication Fails", "type": "authentication_error"}}),
    "xai": (400, {"code": "invalid-argument", "error": f"Incorrect API key provided: {WRONG}"}),
    "together": (401, {"error": {"message": "Invalid API key provided", "code": "invalid_api_key"}}),
    "fireworks": (401, {"error": {"message": "unauthorized"}}),
    "openrouter": (401, {"error": {"message": "No auth credentials found", "code": 401}}),
    "cerebras": (401, {"message": "Wrong API Key", "code": "wrong_api_key"}),
    "perplexity": (401, {"error": {"message": "Invalid API key", "type": "invalid_api_key", "code": 401}}),
    "cohere": (401, {"message": "invalid api token"}),
    "vllm": (401, {"error": "Unauthorized"}),
    "ollama": (401, {"error": "unauthorized"}),
    "llamacpp": (401, {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}),
}
NETWORKED = sorted(REFUSALS)


def strict_provider(name: str) -> Any:
    """Return a provider that knows GOOD and refuses everything else in its own way."""
    row = PROVIDERS[name]
    auth = row.auth_for(row.probe.dialect)

    def answer(call: Call) -> Answer:
        if call.header(auth.header.lower()) == auth.prefix + GOOD:
            return Answer(steps=(b'{"data":[]}',))
        status, body = REFUSALS[name]
        return Answer(status=status, steps=(json.dumps(body).encode(),))

    return answer


def credential(provider: str, origin: str) -> Credential:
    return Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="main",
        provider=provider,
        origin=origin,
        settings={"project": "example", "location": "global"} if provider == "vertex" else {},
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=None,
    )


async def probed(over: Transport, provider: str, origin: str, key: str) -> ProbeResult:
    row = PROVIDERS[provider]
    return await probe(over, Authorizers({}), row, credential(provider, origin), Secret(key), clock=SystemClock())


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.fixture
async def over() -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(
        settings=keystead_settings.load({"KEYSTEAD_FIRST_BYTE_TIMEOUT_S": "0.5"}), guard=EgressGuard(("127.0.0.1",))
    )
    yield made
    await made.close()


def test_every_provider_over_the_network_is_here() -> None:
    assert set(NETWORKED) == set(PROVIDERS) - {"sandbox"}


@pytest.mark.parametrize("provider", NETWORKED)
async def test_a_good_key_is_valid(fake: FakeProvider, over: AiohttpTransport, provider: str) -> None:
    fake.always(strict_provider(provider))
    result = await probed(over, provider, fake.origin, GOOD)
    assert (result.ok, result.outcome) == ((True, "valid") if provider != "perplexity" else (False, "unknown"))
    assert result.status == 200
    assert result.latency_us > 0
    (call,) = fake.calls
    assert call.path.endswith(PROVIDERS[provider].probe.path.partition("?")[0])
    assert GOOD not in call.path + call.query


@pytest.mark.parametrize("provider", NETWORKED)
async def test_a_wrong_key_is_invalid_and_is_not_repeated(
    fake: FakeProvider, over: AiohttpTransport, provider: str
) -> None:
    fake.always(strict_provider(provider))
    result = await probed(over, provider, fake.origin, WRONG)
    assert (result.ok, result.outcome) == (False, "invalid")
    assert result.status == REFUSALS[provider][0]
    assert WRONG not in result.message
    assert PROVIDERS[provider].title in result.message


@pytest.mark.parametrize(
    ("provider", "status", "body", "ok", "outcome"),
    [
        ("openai", 403, {"error": {"message": "Missing scopes: api.model.read"}}, False, "no_rights"),
        (
            "openai",
            401,
            {"error": {"message": "Your IP is not allowed", "code": "ip_not_authorized"}},
            False,
            "no_rights",
        ),
        ("google", 403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "off"}}, False, "no_rights"),
        ("deepseek", 402, {"error": {"message": "Insufficient Balance"}}, True, "valid"),
        ("openai", 429, {"error": {"message": "x", "code": "insufficient_quota"}}, True, "valid"),
        ("openai", 429, {"error": {"message": "x", "code": "rate_limit_exceeded"}}, False, "unknown"),
        ("google", 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "bad"}}, False, "unknown"),
        ("openai", 500, {"error": {"message": "The server had an error"}}, False, "unknown"),
        ("openai", 404, "not here", False, "unknown"),
        ("perplexity", 400, {"error": {"message": "input: Field required"}}, False, "unknown"),
    ],
)
async def test_other_refusals_are_judged_by_what_they_say(
    fake: FakeProvider, over: AiohttpTransport, provider: str, status: int, body: Any, *, ok: bool, outcome: str
) -> None:
    fake.always(Answer(status=status, steps=(json.dumps(body).encode(),)))
    result = await probed(over, provider, fake.origin, GOOD)
    assert (result.ok, result.outcome, result.status) == (ok, outcome, status)


@pytest.mark.parametrize("model", ["down", "silent", "redirect"])
async def test_no_answer_is_unreachable(fake: FakeProvider, over: AiohttpTransport, model: str) -> None:
    origin = fake.origin
    if model == "down":
        async with FakeProvider() as gone:
            origin = gone.origin
    elif model == "redirect":
        fake.always(Answer(status=302, headers=(("location", "http://127.0.0.1/"),)))
    else:
        fake.always(Answer(status=200, declared_length=5, steps=(0.7,), close=True))
    result = await probed(over, "openai", origin, GOOD)
    assert (result.ok, result.outcome, result.status) == (False, "unreachable", None)
    assert "127.0.0.1" not in result.message


async def test_the_sandbox_takes_any_key_but_a_wrong_one() -> None:
    origin = PROVIDERS["sandbox"].origin
    assert origin is not None
    assert (await probed(SandboxTransport(), "sandbox", origin, GOOD)).outcome == "valid"
    assert (await probed(SandboxTransport(), "sandbox", origin, WRONG)).outcome == "invalid"


async def test_an_answer_without_an_end_is_none(fake: FakeProvider, over: AiohttpTransport) -> None:
    endless: Iterator[Step] = itertools.cycle((b'{"data":[]},', 0.01))
    fake.always(Answer(steps=endless, framing=Framing.CHUNKED))
    row, asked = PROVIDERS["openai"], credential("openai", fake.origin)
    result = await probe(over, Authorizers({}), row, asked, Secret(GOOD), clock=SystemClock(), patience_s=0.2)
    assert (result.outcome, result.status) == ("unreachable", None)
    assert "did not end its answer within 0.2 seconds" in result.message
