"""Keys in every condition, for the tests of who gets in."""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from keystead.domain.clock import SystemClock
from keystead.domain.ids import new_id
from keystead.identity.virtual_keys import checksum, mint
from tests.fakes.gateway import Gateway

EXPIRES_IN_S = 0.8


def unknown_key() -> str:
    """Return a well-formed key that was never issued."""
    return mint("virtual_key", new_id("vk", SystemClock().now_us())).reveal()


def with_other_secret(key: str) -> str:
    """Return `key` with another secret and the checksum that belongs to it."""
    head = f"{key[: key.index('_', 3) + 1]}{secrets.token_urlsafe(32)}"
    return f"{head}_{checksum(head)}"


async def issue(gateway: Gateway, name: str, **more: Any) -> Mapping[str, Any]:
    """Create a virtual key, with the key's text under `key`."""
    body = {"name": f"{name}-{secrets.token_hex(4)}", "team": "Default team", **more}
    issued: Mapping[str, Any] = await gateway.admin("POST", "/virtual-keys", body)
    return {**issued["virtual_key"], "key": issued["key"]}


async def keys_that_do_not_work(gateway: Gateway) -> dict[str, str]:
    """Return one key for every reason why a key is refused."""
    expires_at = datetime.now(UTC) + timedelta(seconds=EXPIRES_IN_S)
    expired = await issue(gateway, "expired", expires_at=expires_at.isoformat())
    revoked = await issue(gateway, "revoked")
    await gateway.admin("POST", f"/virtual-keys/{revoked['id']}/revoke")
    name = f"gone-{secrets.token_hex(4)}"
    await gateway.admin("POST", "/members", {"name": name, "team": "Default team", "roles": [{"role": "developer"}]})
    token = await gateway.admin("POST", "/admin-tokens", {"name": name, "member": name})
    disabled = await issue(gateway, "disabled", member=name)
    await gateway.admin("POST", f"/members/{name}/disable")
    async with asyncio.timeout(10):
        while (await gateway.chat("sandbox/echo", key=expired["key"])).status == 200:
            pass
    known = (await issue(gateway, "known"))["key"]
    return {
        "never issued": unknown_key(),
        "another secret": with_other_secret(known),
        "expired": expired["key"],
        "revoked": revoked["key"],
        "of a disabled member": disabled["key"],
        "an admin token": token["token"],
        "a wrong checksum": known[:-1] + ("0" if known[-1] != "0" else "1"),
        "cut short": known[:-7],
        "too long": known + "a",
        "in capitals": known.upper(),
        "the id alone": known[: known.index("_", 3)],
        "not ours": f"sk-proj-{secrets.token_hex(12)}",
    }
