"""A gateway, an account at each provider behind it, and the SDKs in front."""

import asyncio
from typing import Any

import anthropic
import openai

from tests.attacks.keys import issue
from tests.fakes.account import Account
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider


class House:
    """A gateway, an account at each provider behind it, and the SDKs in front."""

    def __init__(self, gateway: Gateway, fake: FakeProvider, account: Account) -> None:
        self.gateway = gateway
        self.fake = fake
        self.account = account
        self.clients: list[openai.AsyncOpenAI | anthropic.AsyncAnthropic] = []
        fake.always(self.account)

    def openai(self, key: str | None = None) -> openai.AsyncOpenAI:
        url = f"{self.gateway.url}/v1"
        client = openai.AsyncOpenAI(base_url=url, api_key=key or self.gateway.virtual_key, max_retries=0)
        self.clients.append(client)
        return client

    def anthropic(self, key: str | None = None) -> anthropic.AsyncAnthropic:
        client = anthropic.AsyncAnthropic(
            base_url=self.gateway.url, api_key=key or self.gateway.virtual_key, max_retries=0
        )
        self.clients.append(client)
        return client

    async def settled(self, request_id: str) -> dict[str, Any]:
        """Wait until a request has ended, and return its record."""
        async with asyncio.timeout(20):
            while True:
                shown: dict[str, Any] = await self.gateway.admin("GET", f"/requests/{request_id}")
                if shown["request"]["state"] != "intent":
                    return shown
                await asyncio.sleep(0.05)

    async def ended(self, batch_id: str) -> None:
        """End a batch, and wait until nobody asks after it any more."""
        self.account.end_batch(batch_id)
        await self.settled(await self.last_request("batches"))

    async def last_request(self, endpoint: str) -> str:
        page = await self.gateway.admin("GET", "/requests?limit=20")
        return str(next(item["id"] for item in page["items"] if item["endpoint"] == endpoint))


async def another_principal(house: House, name: str) -> str:
    """Return the virtual key of somebody else in the same organization, who may use the same credentials."""
    return str((await issue(house.gateway, name))["key"])
