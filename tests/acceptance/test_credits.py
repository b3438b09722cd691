"""Credits in use: a customer works on the operator's credential, and every book says the same of it."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.acceptance import hybrid as stage
from tests.acceptance.hybrid import Hybrid
from tests.fakes.answers import INPUT_TOKENS, OUTPUT_TOKENS
from tests.fakes.gateway import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "gpt-sold"
# 1 and 2 USD per million tokens, with 20 % on top, in credits of a cent.
CHARGE = (INPUT_TOKENS * Decimal("0.000001") + OUTPUT_TOKENS * Decimal("0.000002")) * Decimal("1.2") * 100


class Customer(msgspec.Struct, frozen=True):
    """An organization that brings no keys, and a virtual key in it that may use the platform's credential."""

    hybrid: Hybrid
    id: str
    token: str
    key: str

    async def ask(self, model: str = MODEL, **more: Any) -> Reply:
        return await self.hybrid.gateway.chat(f"pool/{model}", key=self.key, **{"max_tokens": 100, **more})

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self.hybrid.gateway.call(method, f"/admin/v1{path}", body, key=self.token)
        assert reply.status < 400, reply.body
        return reply.json()

    async def balance(self) -> dict[str, Decimal]:
        shown = await self.admin("GET", "/credits")
        return {name: Decimal(shown[name]) for name in ("available", "held", "spent", "paid_in")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hybrid(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hybrid]:
    async with stage.hybrid(tmp_path_factory.mktemp("credits") / "home", database_settings) as made:
        await made.price(MODEL)
        yield made


_number = iter(range(1000))


@pytest_asyncio.fixture(loop_scope="module")
async def customer(hybrid: Hybrid) -> Customer:
    name = f"Customer {next(_number)}"
    made = await hybrid.gateway.admin("POST", "/organizations", {"name": name})
    customer = Customer(hybrid, made["organization"]["id"], made["token"], "")
    await customer.admin("POST", "/grants", {"everyone": True, "credentials": ["pool"]})
    team = made["owner"]["team_id"]
    key = (await customer.admin("POST", "/virtual-keys", {"name": "k", "team": team}))["key"]
    return msgspec.structs.replace(customer, key=key)


async def test_what_an_answer_cost_with_its_margin_is_charged_and_every_book_says_so(customer: Customer) -> None:
    reply = await customer.ask()
    assert reply.status == 200, reply.body
    identifier = reply.headers["x-keystead-request-id"]
    assert await customer.balance() == {"available": 100 - CHARGE, "held": 0, "spent": CHARGE, "paid_in": 100}
    shown = await customer.admin("GET", f"/requests/{identifier}")
    [attempt] = shown["attempts"]
    assert (attempt["owner"], Decimal(attempt["charge"])) == ("platform", CHARGE)
    assert Decimal(shown["request"]["charge"]) == CHARGE == Decimal(attempt["cost"]) * 120
    [gift, line] = (await customer.admin("GET", "/credit-transfers"))["items"]
    assert (line["kind"], line["request_id"], line["attempt"]) == ("charge", identifier, 1)
    assert Decimal(line["credits"]) == -CHARGE
    statement = await customer.admin("GET", "/credit-statement")
    assert Decimal(statement["closing"]) == Decimal(gift["credits"]) + Decimal(line["credits"]) == 100 - CHARGE
    [used] = (await customer.admin("GET", "/usage?by=owner"))["lines"]
    assert Decimal(used["charge"]) == CHARGE
    assert (await customer.hybrid.gateway.admin("GET", "/trial-balance"))["agrees"]


async def test_a_customer_does_not_set_the_price_that_it_pays(customer: Customer) -> None:
    free = {"provider": "openai", "model": "gpt*", "prices": {"input_tokens": "0", "output_tokens": "0"}}
    await customer.admin("POST", "/price-overrides", free)
    assert (await customer.ask()).status == 200
    assert (await customer.balance())["spent"] == CHARGE


async def test_credits_are_never_overdrawn_however_many_ask_at_once(customer: Customer) -> None:
    # Enough for forty answers, and, while they are under way, to hold for a few at a time.
    taken = {"organization": customer.id, "credits": str(40 * CHARGE - 100), "reason": "so that there is little left"}
    await customer.hybrid.gateway.admin("POST", "/credit-adjustments", taken)
    replies = await asyncio.gather(*[customer.ask(max_tokens=OUTPUT_TOKENS) for _ in range(60)])
    answered = [reply for reply in replies if reply.status == 200]
    assert 1 <= len(answered) <= 40
    for reply in replies:
        assert reply.status == 200 or reply.json()["error"]["code"] == "out_of_credits", reply.body
    after = await customer.balance()
    assert after["held"] == 0
    assert after["spent"] == len(answered) * CHARGE
    assert after["available"] >= 0
    trial = await customer.hybrid.gateway.admin("GET", "/trial-balance")
    assert (trial["agrees"], trial["difference"]) == (True, "0")


async def test_an_answer_that_the_provider_refuses_costs_nothing(customer: Customer) -> None:
    customer.hybrid.platform.next(stage.BAD_REQUEST)
    assert (await customer.ask()).status == 400
    assert await customer.balance() == {"available": 100, "held": 0, "spent": 0, "paid_in": 100}


async def test_a_provider_that_counts_more_than_can_be_takes_no_more_than_was_held(customer: Customer) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 10**9, "total_tokens": 10**9 + 11}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    answer = {"id": "chatcmpl-1", "object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage}
    customer.hybrid.platform.next(stage.refusal(200, answer))
    reply = await customer.ask()
    assert reply.status == 200
    after = await customer.balance()
    assert 0 < after["spent"] < 1
    shown = await customer.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
    assert Decimal(shown["request"]["charge"]) == after["spent"], "the record and the books say the same"
    assert Decimal(shown["request"]["cost"]) > 1000
    assert (await customer.hybrid.gateway.admin("GET", "/trial-balance"))["agrees"]


async def test_a_model_without_a_price_is_not_sold(customer: Customer) -> None:
    reply = await customer.ask("gpt-nobody-knows")
    assert reply.status == 403, reply.body
    assert (await customer.balance())["available"] == 100


async def test_how_the_installation_is_is_told_to_the_operator_alone(customer: Customer) -> None:
    gateway = customer.hybrid.gateway
    for path in ("/metrics", "/admin/v1/doctor"):
        assert (await gateway.call("GET", path, key=customer.token)).status == 403
        assert (await gateway.call("GET", path, key=gateway.admin_token)).status == 200
