"""Any client, any model: each official SDK against each kind of upstream, in everything that they have in common.

The SDK's own objects are right, the request that the provider got is one that its own SDK could have sent, and usage
is exact. Where a provider speaks the caller's dialect nothing is translated, and the same holds.
"""

import gc
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.acceptance import aws_caller, callers, upstreams
from tests.acceptance.callers import Caller, Heard, Wish
from tests.acceptance.cells import CELLS, MODELS, ON_VERTEX, why_not
from tests.acceptance.upstreams import Said
from tests.acceptance.valid import valid
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.tokens import service_account
from tests.fakes.wire import Answer, Call

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # google-genai's own:
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

KEYS = {
    "openai": "sk-proj-canary-OPENAI-7f3b1c9d5e2a4860",
    "anthropic": "sk-ant-api03-canary-ANTHROPIC-7f3b1c9d5e2a",
    "google": "AIzaSycanaryGOOGLE7f3b1c9d5e2a4860b1c9d",
    "mistral": "canaryMISTRAL7f3b1c9d5e2a4860b1c",
    "perplexity": "pplx-canary-7f3b1c9d5e2a4860b1c",
    "bedrock": "ABSKcanaryBEDROCK7f3b1c9d5e2a4860b1c9d5e2a",
}
PROMPT = "What is the weather in Bern?"
SEAL = "c2VhbCBvZiB0aGUgbWFrZXI="
WEATHER = (("call_a", "weather", {"city": "Bern"}), ("call_b", "weather", {"city": "Basel"}))


def model_at(upstream: str) -> str:
    credential = upstream if upstream in ON_VERTEX else upstream.partition("-")[0]
    return f"{credential}/{MODELS.get(upstream, 'm-1')}"


class Hall(msgspec.Struct, frozen=True):
    """A gateway with a credential of each upstream, and each SDK."""

    gateway: Gateway
    fake: FakeProvider
    sdks: Mapping[str, Caller]

    def says(self, said: Said, *, cut: bool = False) -> None:
        self.fake.always(lambda call: upstreams.answer_to(call, said, cut=cut))

    def refuses(self, refusal: Callable[[Call], Answer]) -> None:
        self.fake.always(refusal)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    home = tmp_path_factory.mktemp("hall") / "home"
    async with (
        FakeProvider() as fake,
        FakeProvider() as tokens,
        Gateway.running(home, egress_allow="127.0.0.1", google_token_origin=tokens.origin) as gateway,
        AsyncExitStack() as stack,
    ):
        tokens.always(Answer(steps=(b'{"access_token":"ya29.canary-VERTEX-7f3b1c9d","expires_in":3599}',)))
        for provider, key in KEYS.items():
            await gateway.add_credential(provider, provider, key, origin=fake.origin)
        for name in ON_VERTEX:
            place = {"origin": fake.origin, "settings": {"project": "example", "location": "global"}}
            await gateway.add_credential(name, "vertex", service_account(), allow_duplicate=True, **place)
        sdks = dict(await callers.callers(gateway.url, gateway.virtual_key, stack))
        sdks["boto3"] = stack.enter_context(aws_caller.converse(gateway.url, gateway.virtual_key))
        yield Hall(gateway, fake, sdks)


each_cell = pytest.mark.parametrize(("caller", "upstream"), CELLS)
each_way = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@each_cell
@each_way
async def test_text_comes_back_with_its_usage(hall: Hall, caller: str, upstream: str, stream: bool) -> None:
    hall.says(Said(text="Sunny, mostly."))
    heard = await hall.sdks[caller].ask(model_at(upstream), PROMPT, Wish(), stream=stream)
    assert (heard.text, heard.finish) == ("Sunny, mostly.", "stop")
    _counts_are_exact(heard)
    sent = valid(hall.fake.calls[-1])
    assert callers.SYSTEM in json.dumps(sent)
    assert PROMPT in json.dumps(sent)
    [record] = (await hall.gateway.admin("GET", "/requests?limit=1"))["items"]
    assert (record["state"], record["input_total"], record["output_total"]) == (
        "settled",
        upstreams.INPUT,
        upstreams.OUTPUT,
    )


@each_cell
@each_way
async def test_tools_are_called_and_answered_over_two_turns(
    hall: Hall, caller: str, upstream: str, stream: bool
) -> None:
    sdk = hall.sdks[caller]
    hall.says(Said(thought="I should look.", seal=SEAL, calls=WEATHER))
    heard = await sdk.ask(model_at(upstream), PROMPT, Wish(tools=True), stream=stream)
    assert heard.calls == tuple((name, arguments) for _, name, arguments in WEATHER)
    assert heard.finish == "tools"
    valid(hall.fake.calls[-1])
    if heard.raw is None:  # pieces of a Gemini stream are not sent back as one
        return
    hall.says(Said(text="Sunny in both."))
    again = await sdk.tell(model_at(upstream), PROMPT, heard, ["sunny", "rainy"])
    assert again.text == "Sunny in both."
    sent = json.dumps(valid(hall.fake.calls[-1]))
    assert sent.index("Bern") < sent.rindex("sunny") < sent.rindex("rainy")


@each_cell
async def test_a_makers_seal_returns_to_it_with_the_next_turn(hall: Hall, caller: str, upstream: str) -> None:
    if reason := why_not("seals", caller, upstream):
        pytest.skip(reason)
    sdk = hall.sdks[caller]
    hall.says(Said(thought="I should look.", seal=SEAL, calls=WEATHER))
    heard = await sdk.ask(model_at(upstream), PROMPT, Wish(tools=True, effort=True), stream=False)
    hall.says(Said(text="Sunny."))
    await sdk.tell(model_at(upstream), PROMPT, heard, ["sunny", "rainy"])
    assert SEAL in _standard(hall.fake.calls[-1].body)


@each_cell
async def test_a_picture_arrives(hall: Hall, caller: str, upstream: str) -> None:
    hall.says(Said(text="A pixel."))
    heard = await hall.sdks[caller].ask(model_at(upstream), "What is this?", Wish(image=True), stream=False)
    assert heard.text == "A pixel."
    valid(hall.fake.calls[-1])
    assert callers.PIXEL in _standard(hall.fake.calls[-1].body)


@each_cell
async def test_a_json_schema_arrives(hall: Hall, caller: str, upstream: str) -> None:
    hall.says(Said(text='{"city": "Bern"}'))
    heard = await hall.sdks[caller].ask(model_at(upstream), PROMPT, Wish(schema=True), stream=False)
    assert json.loads(heard.text) == {"city": "Bern"}
    sent = valid(hall.fake.calls[-1])
    assert callers.SCHEMA in list(_objects(sent))


@each_cell
@each_way
async def test_thoughts_are_heard(hall: Hall, caller: str, upstream: str, stream: bool) -> None:
    hall.says(Said(thought="Let me think.", seal=SEAL, text="Sunny."))
    heard = await hall.sdks[caller].ask(model_at(upstream), PROMPT, Wish(effort=True), stream=stream)
    assert (heard.text, heard.thought) == ("Sunny.", "Let me think.")
    valid(hall.fake.calls[-1])
    _counts_are_exact(heard)


REFUSALS = {
    400: ("INVALID_ARGUMENT", "invalid_request_error", "bad"),
    401: ("UNAUTHENTICATED", "authentication_error", "invalid x-api-key"),
    404: ("NOT_FOUND", "not_found_error", "model: m-1 does not exist"),
    429: ("RESOURCE_EXHAUSTED", "rate_limit_error", "Rate limit reached"),
    500: ("INTERNAL", "api_error", "Internal error"),
    529: ("UNAVAILABLE", "overloaded_error", "Overloaded"),
}


@each_cell
@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_is_raised_as_the_sdk_raises_its_own(
    hall: Hall, caller: str, upstream: str, status: int
) -> None:
    google, others, message = REFUSALS[status]
    hall.refuses(
        lambda call: upstreams.error_to(call, status, google if "enerateContent" in call.path else others, message)
    )
    sdk = hall.sdks[caller]
    with pytest.raises(sdk.error) as raised:
        await sdk.ask(model_at(upstream), PROMPT, Wish(), stream=False)
    told = getattr(raised.value, "status_code", None) or getattr(raised.value, "code", None)
    assert told in {status, 503, 502} if status >= 500 else told == status
    assert message in str(raised.value)


@each_cell
@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
async def test_a_cut_is_never_taken_for_an_end(hall: Hall, caller: str, upstream: str) -> None:
    hall.says(Said(text="Sunny, mostly, and so on."), cut=True)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each SDK has its own, and some let the HTTP library's through
        await hall.sdks[caller].ask(model_at(upstream), PROMPT, Wish(), stream=True)
    assert not isinstance(raised.value, AssertionError | KeyError | TypeError)
    gc.collect()  # google-genai leaves the connection of a cut stream to the collector; it is collected here


async def test_a_route_refuses_or_drops_what_its_provider_has_no_word_for(hall: Hall) -> None:
    hall.says(Said(text="Sunny."))
    attempts = [{"provider": "anthropic", "model": "m-1"}]
    await hall.gateway.admin("POST", "/model-routes", {"name": "strict", "attempts": attempts})
    await hall.gateway.admin("POST", "/model-routes", {"name": "lax", "attempts": attempts, "unsupported": "drop"})
    asked = {"logit_bias": {"50256": -100}, "n": 2, "metadata": {"run": "7"}}
    refused = await hall.gateway.chat("strict", PROMPT, **asked)
    assert (refused.status, refused.json()["error"]["code"]) == (400, "not_translatable")
    for stream in (False, True):
        answer = await hall.gateway.chat("lax", PROMPT, stream=stream, **asked)
        assert answer.status == 200
        assert answer.headers["x-keystead-dropped"] == "logit_bias, n, metadata"
        assert valid(hall.fake.calls[-1]).keys() <= {"model", "messages", "max_tokens", "stream"}
    invalid = await hall.gateway.chat("lax", PROMPT, temperature="hot")
    assert (invalid.status, invalid.json()["error"]["param"]) == (400, "temperature")
    question = {"virtual_key": "first key", "model": "lax"}
    rules = (await hall.gateway.admin("POST", "/explain", question))["rules"]
    assert "dropped and named" in str(rules)


async def test_a_refusal_from_another_dialect_says_who_can_mend_it(hall: Hall) -> None:
    hall.refuses(lambda call: upstreams.error_to(call, 529, "overloaded_error", "Overloaded"))
    answer = await hall.gateway.chat("anthropic/m-1", PROMPT)
    assert answer.json()["error"]["fault"] == answer.headers["x-keystead-fault"] == "provider"


def _standard(body: bytes) -> str:
    """Return a body with base64 in its standard alphabet: google-genai writes the other."""
    return body.decode().replace("_", "/").replace("-", "+")


def _counts_are_exact(heard: Heard) -> None:
    assert (heard.input_total, heard.output_total) == (upstreams.INPUT, upstreams.OUTPUT)


def _objects(value: Any) -> Any:
    """Yield every object in a JSON value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)
