"""A gateway with credentials of several kinds of provider, all bound to one fake. The engine makes no difference here."""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Call

CREDENTIALS: Final[dict[str, dict[str, Any]]] = {
    "my-openai": {"provider": "openai"},
    "my-anthropic": {"provider": "anthropic"},
    "my-google": {"provider": "google"},
    "my-azure": {"provider": "azure"},
    "old-azure": {"provider": "azure", "settings": {"api_version": "2024-10-21"}},
    "my-mistral": {"provider": "mistral"},
    "my-vllm": {"provider": "vllm"},
    "my-router": {"provider": "openrouter"},
}


class Plane(msgspec.Struct, frozen=True):
    """The gateway, its fake provider, and the keys the fake is shown."""

    gateway: Gateway
    fake: FakeProvider
    secrets: Mapping[str, str]

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> tuple[Reply, Call]:
        """Make a call that must reach the provider; return the answer and what the provider got."""
        before = len(self.fake.calls)
        reply = await self.gateway.call(method, path, body, headers=headers, key=key)
        assert reply.status == 200, reply.body
        [call] = self.fake.calls[before:]
        return reply, call

    async def record(self, reply: Reply) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the record of a request and of its one attempt."""
        detail = await self.gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
        [attempt] = detail["attempts"]
        return detail["request"], attempt

    async def narrowed_key(self, **narrowing: Any) -> str:
        """Issue a virtual key."""
        [team, *_] = (await self.gateway.admin("GET", "/teams"))["items"]
        wanted = {"name": f"key-{secrets.token_hex(4)}", "team": team["id"], **narrowing}
        issued: str = (await self.gateway.admin("POST", "/virtual-keys", wanted))["key"]
        return issued


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    home = tmp_path_factory.mktemp("dataplane") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        shown = {}
        for name, more in CREDENTIALS.items():
            shown[name] = secrets.token_hex(20)
            await gateway.add_credential(name, secret=shown[name], origin=fake.origin, **more)
        fake.calls.clear()
        yield Plane(gateway, fake, shown)
