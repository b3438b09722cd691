"""A gateway between an organization's own providers and the platform's, for tests of what happens when one fails."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

TOKEN_PRICES = {"input_tokens": "0.000001", "output_tokens": "0.000002"}


def refusal(status: int, body: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    """Return a provider's refusal."""
    return Answer(
        status=status, headers=(("content-type", "application/json"), *headers), steps=(json.dumps(body).encode(),)
    )


def openai_error(status: int, code: str, kind: str = "error", message: str = "No.") -> Answer:
    """Return a refusal in OpenAI's words."""
    return refusal(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


THROTTLED = openai_error(429, "rate_limit_exceeded", "requests", "Rate limit reached for requests.")
OUT_OF_FUNDS = openai_error(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota.")
DOWN = openai_error(503, "overloaded", "server_error", "The engine is currently overloaded.")
WRONG_KEY = openai_error(401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided.")
NO_SUCH_MODEL = openai_error(404, "model_not_found", "invalid_request_error", "The model does not exist.")
BAD_REQUEST = openai_error(400, "invalid_value", "invalid_request_error", "Invalid value.")


class Hybrid:
    """The gateway, the own provider, the platform's, and what a test needs of the admin API."""

    def __init__(self, gateway: Gateway, own: FakeProvider, platform: FakeProvider) -> None:
        self.gateway = gateway
        self.own = own
        self.platform = platform

    async def consent(self, **changes: Any) -> str:
        """Give a consent for everything it can cover, but for `changes`; return its id."""
        body = {
            "data_classes": ["public", "internal"],
            "reasons": ["throttled", "down", "out_of_funds"],
            "daily_cap": "50",
            "monthly_cap": "80",
            "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
            **changes,
        }
        return str((await self.gateway.admin("POST", "/consents", body))["id"])

    async def price(self, model: str, provider: str = "openai", **prices: str) -> None:
        """Give a model a price."""
        body = {"provider": provider, "model": model, "prices": prices or TOKEN_PRICES}
        await self.gateway.admin("POST", "/price-overrides", body)

    async def team_key(self, name: str, **more: Any) -> str:
        """Make a team of that name and return a virtual key in it."""
        team = {key: more.pop(key) for key in ("data_class", "parent") if key in more}
        await self.gateway.admin("POST", "/teams", {"name": name, **team})
        return str((await self.gateway.admin("POST", "/virtual-keys", {"name": name, "team": name, **more}))["key"])

    async def record(self, reply: Reply) -> Any:
        """Return what was recorded of a request."""
        return await self.gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")

    async def available(self) -> str:
        """Return the credits that are neither spent nor held."""
        return str((await self.gateway.admin("GET", "/credits"))["available"])


@asynccontextmanager
async def hybrid(home: Path, settings: dict[str, str]) -> AsyncIterator[Hybrid]:
    """Start one gateway with an own credential `own` and a platform credential `pool`, both for OpenAI's API."""
    async with AsyncExitStack() as stack:
        own, platform = await stack.enter_async_context(FakeProvider()), await stack.enter_async_context(FakeProvider())
        gateway = await stack.enter_async_context(Gateway.running(home, egress_allow="127.0.0.1", **settings))
        await _until_alive(gateway)
        await gateway.add_credential("own", "openai", "sk-proj-own-0123456789abcdef0123", origin=own.origin)
        await gateway.add_credential(
            "pool",
            "openai",
            "sk-proj-pool-0123456789abcdef012",
            origin=platform.origin,
            platform=True,
            margin_ppm=200_000,
        )
        own.calls.clear()
        platform.calls.clear()
        yield Hybrid(gateway, own, platform)


async def _until_alive(gateway: Gateway) -> None:
    """Wait until a worker listens: with several, the parent says so before they do."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                await gateway.call("GET", "/livez", key="")
                return
            await asyncio.sleep(0.05)
