"""Bedrock with an access key: each request signed as AWS checks it, recorded and priced; and what may go wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import unquote

import msgspec
import openai
import pytest
import pytest_asyncio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.acceptance import upstreams
from tests.acceptance.upstreams import Said
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call, Framing

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "canary/K7MDENG/bPxRfiCYEXAMPLEKEY0123456789"
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASKED = {"model": f"aws/{MODEL}", "messages": [{"role": "user", "content": "Hello"}]}
COST = "0.00020262"
"""16 tokens at 3.30 USD per million, 4 from the cache at 0.33, 9 written at 16.50: 0.0000528 + 0.00000132 + 0.0001485."""


class Room(msgspec.Struct, frozen=True):
    """A gateway with an access key, and what stands for Bedrock."""

    gateway: Gateway
    fake: FakeProvider

    async def record(self) -> dict[str, str]:
        """Return the newest record, once it is settled: a caller who raises inside a stream is faster."""
        async with asyncio.timeout(10):
            while True:
                [record] = (await self.gateway.admin("GET", "/requests?limit=1"))["items"]
                if record["state"] != "intent":
                    return dict(record)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    home = tmp_path_factory.mktemp("bedrock") / "home"
    key = json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET}, indent=2)
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        await gateway.add_credential("aws", "bedrock", key, origin=fake.origin, settings={"region": "us-east-1"})
        yield Room(gateway, fake)


def refuses_what_aws_would(call: Call, fake: FakeProvider) -> Answer | None:
    """Check the signature with AWS's own SDK."""
    url = f"{fake.origin}{call.path}"
    request = AWSRequest(method="POST", url=url, data=call.body)
    request.headers["Content-Type"] = call.header("content-type")
    request.headers["X-Amz-Date"] = call.header("x-amz-date")
    request.context["timestamp"] = call.header("x-amz-date")
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET), "bedrock", "us-east-1")
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    shown = call.header("authorization") or ""
    if shown.endswith(f"Signature={signature}") and f"Credential={ACCESS_KEY}/" in shown:
        return None
    return upstreams.error_to(call, 403, "", f"The request signature we calculated does not match. {SECRET}")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_a_signed_request_is_answered_recorded_and_priced(room: Room, stream: bool) -> None:
    room.fake.always(
        lambda call: refuses_what_aws_would(call, room.fake) or upstreams.answer_to(call, Said(text="Hello you."))
    )
    reply = await room.gateway.call("POST", "/v1/chat/completions", {**ASKED, "stream": stream})
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/event-stream" if stream else "application/json")
    assert reply.headers["x-keystead-translated"] == "bedrock/converse"
    call = room.fake.calls[-1]
    assert call.path == f"/model/{MODEL.replace(':', '%3A')}/converse{'-stream' if stream else ''}"
    assert unquote(call.path).count(MODEL) == 1
    assert SECRET not in str(call.headers)
    record = await room.record()
    assert (record["state"], record["cost"], record["cost_state"]) == ("settled", COST, "priced")


async def test_an_application_profile_costs_what_its_owner_says_and_nothing_is_guessed(room: Room) -> None:
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
    prices = {"input_tokens": "0.0000033", "cache_read_tokens": "0.00000033", "output_tokens": "0.0000165"}
    room.fake.always(lambda call: upstreams.answer_to(call, Said(text="Hello you.")))
    found = []
    for model in (profile, f"{profile}x", profile):
        reply = await room.gateway.call("POST", "/v1/chat/completions", {**ASKED, "model": f"aws/{model}"})
        assert reply.status == 200
        found.append((reply.headers["x-keystead-cost-state"], reply.headers.get("x-keystead-cost")))
        if model != profile:
            own = {"provider": "bedrock", "model": profile, "prices": prices}
            await room.gateway.admin("POST", "/price-overrides", own)
    assert found == [("unpriced", None), ("unpriced", None), ("priced", f"{COST} USD")]
    assert unquote(room.fake.calls[-1].path) == f"/model/{profile}/converse"


async def test_the_key_is_in_nothing_that_anybody_is_shown(room: Room) -> None:
    room.fake.always(lambda call: upstreams.error_to(call, 401, "", f"The security token {SECRET} is invalid."))
    reply = await room.gateway.call("POST", "/v1/chat/completions", ASKED)
    assert reply.status == 401
    assert SECRET not in reply.body.decode()
    [shown] = [each for each in (await room.gateway.admin("GET", "/credentials"))["items"] if each["name"] == "aws"]
    assert SECRET[-4:] not in str(shown)
    assert "AKIA…MPLE" in str(shown)


async def test_an_exception_inside_a_stream_is_raised_by_the_callers_sdk(room: Room) -> None:
    def breaks(call: Call) -> Answer:
        begun = list(upstreams.answer_to(call, Said(text="Hello you.")).steps)[:2]
        exception = upstreams.exception_frame("throttlingException", "Too many tokens")
        headers = (("content-type", "application/vnd.amazon.eventstream"),)
        return Answer(headers=headers, framing=Framing.CHUNKED, steps=(*begun, exception))

    room.fake.always(breaks)
    async with openai.AsyncOpenAI(
        base_url=f"{room.gateway.url}/v1", api_key=room.gateway.virtual_key, max_retries=0
    ) as client:
        with pytest.raises(openai.APIError, match="Too many tokens"):
            async for _ in await client.chat.completions.create(**{**ASKED, "stream": True}):  # type: ignore[call-overload]
                pass
    assert (await room.record())["state"] == "failed_billed"


async def test_awss_callers_are_told_our_errors_in_its_words(room: Room) -> None:
    reply = await room.gateway.call("POST", f"/model/{MODEL}/converse", {"inferenceConfig": {"maxTokens": "many"}})
    told = json.loads(reply.body)
    assert (reply.status, told["__type"]) == (400, "ValidationException")
    assert "maxTokens" in told["message"]
