"""Those who use a gateway until it dies, and what each was told: callers, a key custodian, a payment system."""

import itertools
import json
import os
import time
from typing import Final

import aiohttp

from keystead.domain.secret import Secret
from keystead.domain.traffic import State
from keystead.ledger.webhook import HEADER, signature_of
from tests.acceptance.hybrid import TOKEN_PRICES
from tests.chaos.aftermath import Found
from tests.fakes.gateway import Gateway

KEY: Final = "sk-proj-canary-version-{:04d}"
WEBHOOK_SECRET: Final = "5f1d" * 16
CREDENTIALS: Final = ("own", "own", "pool", "broken")
"""What callers ask of, in turn. `broken` never works, and a consent lets the platform's `pool` step in."""
GONE: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What a caller sees of a gateway that dies."""


async def give_means(gateway: Gateway, origin: str, *, pool_key: str) -> None:
    """Let everything count in a budget, and what is asked of `pool` be paid with credits."""
    await gateway.admin("POST", "/price-overrides", {"provider": "openai", "model": "gpt-*", "prices": TOKEN_PRICES})
    [team, *_] = (await gateway.admin("GET", "/teams"))["items"]
    budget = {"name": "all", "team": team["id"], "limit": "100000", "period": "month"}
    await gateway.admin("POST", "/budgets", budget)
    await gateway.add_credential("pool", "openai", pool_key, origin=origin, platform=True, margin_ppm=1000)
    [pool] = (await gateway.admin("GET", "/platform-credentials"))["items"]
    await gateway.admin("POST", "/grants", {"everyone": True, "credentials": [pool["id"]]})
    await gateway.admin("POST", "/credit-top-ups", {"credits": "1000000", "reference": "chaos"})


class Users:
    """Use one gateway, life after life. What they do ends quietly when it is gone."""

    def __init__(self, gateway: Gateway) -> None:
        self.ahead_us = 0
        """How far the gateway's clock is ahead of ours."""
        self.organization = ""
        self._gateway = gateway
        self._answered: set[str] = set()
        """The models of which somebody got a whole answer."""
        self._keys = itertools.count(2)
        self._kept_key = 1
        """The newest key that the custodian was told is kept."""
        self._payments = itertools.count(1)
        self._told: dict[str, bool] = {"chaos": True}
        """Payments by reference, and whether the payment system was told that it is booked."""

    async def call(self, number: int) -> None:
        """Ask again and again, plain or as a stream, of what works and of what does not."""
        for turn in itertools.count(number):
            model = f"gpt-{os.urandom(8).hex()}-stream-4-5"
            body = {
                "model": f"{CREDENTIALS[turn % len(CREDENTIALS)]}/{model}",
                "messages": [{"role": "user", "content": "Hello"}],
                "stream": turn // len(CREDENTIALS) % 2 == 0,
                "max_tokens": 50,
            }
            try:
                reply = await self._gateway.call("POST", "/v1/chat/completions", body)
            except GONE:
                return
            assert reply.status == 200, reply.body
            self._answered.add(model)

    async def rotate(self) -> None:
        """Change the key of `own` again and again."""
        for number in self._keys:
            try:
                await self._gateway.admin("POST", "/credentials/own/rotate", {"key": KEY.format(number), "force": True})
            except GONE:
                return
            self._kept_key = number

    async def pay(self) -> None:
        """Pay again and again."""
        for number in self._payments:
            try:
                await self._pay(f"payment-{number}")
            except GONE:
                return

    async def pay_again(self) -> None:
        """Tell of every payment again for which there was no answer, as payment systems do."""
        for reference, told in list(self._told.items()):
            if not told:
                await self._pay(reference)

    async def _pay(self, reference: str) -> None:
        self._told[reference] = False
        notice = json.dumps({"organization": self.organization, "credits": "5", "reference": reference}).encode()
        stamp = str(int(time.time() + self.ahead_us / 1_000_000))
        headers = {HEADER: f"t={stamp},v1={signature_of(notice, stamp=stamp, secret=Secret(WEBHOOK_SECRET))}"}
        reply = await self._gateway.call("POST", "/hooks/top-ups", notice, key="", headers=headers)
        assert reply.status == 200, reply.body
        self._told[reference] = True

    def check(self, found: Found) -> None:
        """Check that what they were told is so."""
        for model in self._answered:
            assert found.requests[model].state == State.SETTLED, "a whole answer whose record says otherwise"
        booked = {reference for reference, told in self._told.items() if told}
        assert booked <= found.top_ups.keys() <= self._told.keys()
        assert set(found.top_ups.values()) == {1}, "a payment is booked once"
        [active] = found.active_keys["own"]
        assert int(active) >= self._kept_key, "a key that was kept serves, or one that was tried after it"
