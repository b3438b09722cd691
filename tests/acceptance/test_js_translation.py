"""Any client, any model, from JavaScript: each official SDK against each kind of upstream, in one node process.

tests/acceptance/js/across.mjs holds the conversations; here stands what they must come to, and whether what reached the
provider is something that its own SDK could have sent.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.acceptance import javascript, upstreams
from tests.acceptance.cells import JAVASCRIPT_UPSTREAMS as UPSTREAMS
from tests.acceptance.upstreams import Said
from tests.acceptance.valid import valid
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),  # google-genai's
]

KEYS = {
    "openai": "sk-proj-canary-OPENAI-7f3b1c9d5e2a4860",
    "anthropic": "sk-ant-api03-canary-ANTHROPIC-7f3b1c9d5e2a",
    "google": "AIzaSycanaryGOOGLE7f3b1c9d5e2a4860b1c9d",
}
CALLS: list[Any] = [["weather", {"city": "Bern"}], ["weather", {"city": "Basel"}]]
TOOLS = Said(
    thought="I should look.",
    seal="c2VhbCBvZiB0aGUgbWFrZXI=",
    calls=tuple((f"call_{number}", name, arguments) for number, (name, arguments) in enumerate(CALLS)),
)
ERRORS = {
    "openai chat": "RateLimitError",
    "openai responses": "RateLimitError",
    "anthropic": "RateLimitError",
    "google-genai": "ApiError",
}
SDKS = tuple(ERRORS)


def answer(call: Call) -> Answer:
    """Answer by the model's name, and after the tools' results with a text."""
    if call.model == "refused":
        code = "RESOURCE_EXHAUSTED" if "enerateContent" in call.path else "rate_limit_error"
        return upstreams.error_to(call, 429, code, "Slow down.")
    if call.model == "tools" and b"sunny" not in call.body:
        return upstreams.answer_to(call, TOOLS)
    return upstreams.answer_to(call, Said(text="Sunny, mostly."))


class Told(msgspec.Struct, frozen=True):
    """What each cell came to, and what the upstreams were asked."""

    outcomes: Mapping[tuple[str, str, str], dict[str, Any]]
    calls: list[Call]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(node: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    home = tmp_path_factory.mktemp("across") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        for provider, key in KEYS.items():
            await gateway.add_credential(provider, provider, key, origin=fake.origin)
        fake.calls.clear()
        fake.always(answer)
        out = await javascript.run(
            node,
            "across.mjs",
            GATEWAY_URL=gateway.url,
            GATEWAY_KEY=gateway.virtual_key,
            UPSTREAMS=",".join(UPSTREAMS),
        )
        outcomes = [json.loads(line) for line in out.splitlines()]
        yield Told({(each["sdk"], each["upstream"], each["case"]): each for each in outcomes}, list(fake.calls))


each_cell = pytest.mark.parametrize(("sdk", "upstream"), [(sdk, upstream) for sdk in SDKS for upstream in UPSTREAMS])


@each_cell
@pytest.mark.parametrize("case", ["plain", "streamed"])
async def test_text_comes_back_with_its_usage(told: Told, sdk: str, upstream: str, case: str) -> None:
    outcome = told.outcomes[sdk, upstream, case]
    assert "defect" not in outcome, outcome["defect"]
    assert (outcome["text"], outcome["calls"]) == ("Sunny, mostly.", [])
    assert outcome["usage"] == [upstreams.INPUT, upstreams.OUTPUT]


@each_cell
@pytest.mark.parametrize("case", ["tools", "tools streamed"])
async def test_tools_are_called_and_answered_over_two_turns(told: Told, sdk: str, upstream: str, case: str) -> None:
    outcome = told.outcomes[sdk, upstream, case]
    assert "defect" not in outcome, outcome["defect"]
    assert (outcome["calls"], outcome["text"]) == (CALLS, "Sunny, mostly.")


@each_cell
async def test_a_refusal_is_raised_as_the_sdk_raises_its_own(told: Told, sdk: str, upstream: str) -> None:
    outcome = told.outcomes[sdk, upstream, "refused"]
    assert (outcome.get("error"), outcome.get("status")) == (ERRORS[sdk], 429), outcome
    assert "Slow down." in outcome["message"]


async def test_every_request_is_one_that_the_providers_own_sdk_could_have_sent(told: Told) -> None:
    assert len(told.calls) == len(SDKS) * len(UPSTREAMS) * 7  # a case with tools has two turns
    for call in told.calls:
        sent = json.dumps(valid(call))
        if "rainy" in sent:
            assert sent.index("Bern") < sent.rindex("sunny") < sent.rindex("rainy")
