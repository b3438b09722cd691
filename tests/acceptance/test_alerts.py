"""A refused key and a fallback, as those see them who have to do something about it: webhook, command line, digest."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from keystead.domain.clock import SystemClock
from keystead.domain.secret import Secret
from keystead.ledger.webhook import HEADER, verify
from tests.acceptance import hybrid as stage
from tests.fakes.command_line import answer, keystead

SECRET = "5f1d" * 16
PATIENCE_S = 60


class Receiver:
    """The operator's end of the webhook: takes what is genuine, as anybody's would."""

    def __init__(self) -> None:
        self.url = ""
        self._told: defaultdict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        verify(request.headers[HEADER], body, secrets=[Secret(SECRET)], now_us=SystemClock().now_us())
        told = msgspec.json.decode(body)
        self._told[told["event"]].put_nowait(told)
        return web.Response(status=204)

    async def next(self, event: str) -> Any:
        """Return the next notice of an event."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._told[event].get()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/keystead", receiver.take)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keystead"
        yield receiver
    finally:
        await runner.cleanup()


async def test_a_refused_key_is_told_once_until_it_works_and_a_digest_tells_of_the_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "alerts.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    async with receiving() as receiver:
        settings = {"alert_webhook_url": receiver.url, "alert_webhook_secret_file": str(secret)}
        async with stage.hybrid(tmp_path / "home", settings) as hybrid:
            gateway = hybrid.gateway
            monkeypatch.setenv("KEYSTEAD_HOME", str(gateway.home))
            monkeypatch.setenv("KEYSTEAD_URL", gateway.url)
            consent = await hybrid.consent()
            await hybrid.price("gpt-5*")

            hybrid.own.always(stage.WRONG_KEY)
            for _ in range(2):
                refused = await gateway.chat("own/gpt-5-mini")
                assert refused.status in {401, 502}, "a refused key is never papered over"
            opened = await receiver.next("alert.opened")
            alert = opened["alert"]
            assert (alert["kind"], alert["subject"], alert["state"]) == ("credential_refused", "own", "open")
            assert alert["detail"]["upstream_status"] == 401
            assert not hybrid.platform.calls
            listed = (await keystead("alert", "list", "--open")).stdout
            assert "credential refused" in listed
            assert "auth_failed (401)" in listed
            shown = (await keystead("alert", "acknowledge", alert["id"])).stdout
            assert "acknowledged" in shown

            hybrid.own.always(None)
            assert (await gateway.chat("own/gpt-5-mini")).status == 200
            resolved = await receiver.next("alert.resolved")
            assert (resolved["alert"]["id"], resolved["alert"]["state"]) == (alert["id"], "resolved")
            assert (await answer(keystead, "alert", "show", alert["id"]))["count"] == 2

            hybrid.own.always(stage.DOWN)
            assert (await gateway.chat("own/gpt-5-mini")).status == 200, "by consent"
            digest = await answer(keystead, "digest")
            [fallback] = digest["fallbacks"]
            assert (fallback["credential"], fallback["reason"], fallback["requests"]) == ("own", "down", 1)
            assert (fallback["consent_id"], fallback["platform_credential"]) == (consent, "pool")
            assert {"own", "platform"} <= {line["owner"] for line in digest["spend"]}
            assert digest["refused"] == [], "nobody could have consented to what followed the refused key"
            assert [one["id"] for one in digest["alerts"]] == [alert["id"]]
            assert "Fallbacks to platform credentials" in (await keystead("digest")).stdout

            weekly = await receiver.next("digest")
            assert weekly["digest"]["fallbacks"] == [], "the week that ended was before the first start"
            metrics = (await gateway.call("GET", "/metrics", key=gateway.admin_token)).body.decode()
            assert 'keystead_alerts_total{event="opened",kind="credential_refused"} 1.0' in metrics
            assert "alert_opened" in gateway.log.read_text()
