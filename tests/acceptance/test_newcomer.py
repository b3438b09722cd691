"""Whoever has only what the first start prints: a key of their own, a team, a virtual key, a request and what it cost."""

import asyncio
import os
import re
import signal
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.seeded import EMAIL, PASSWORD, Tab, fill
from tests.fakes import forked
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "sk-proj-canary-NEWCOMER-7f3b1c9d5e2a4860"
LINK = re.compile(r"http://\S+/console/link/\S+")
MOST_STEPS = 30
"""Clicks and fields; at ten seconds each that is five minutes."""


class Newcomer(Tab):
    """Counts what it takes."""

    steps = 0

    async def follow(self, name: str) -> None:
        self.steps += 1
        await self.page.get_by_role("link", name=name, exact=True).first.click()

    async def press(self, name: str) -> None:
        self.steps += 1
        await self.page.get_by_role("button", name=name, exact=True).first.click()

    async def fill(self, fields: dict[str, str]) -> None:
        self.steps += len(fields)
        await fill(self.page, fields)


async def test_from_the_first_start_to_the_cost_of_a_request(tmp_path: Path, chromium: Browser) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KEYSTEAD_HOME": str(tmp_path / "home"),
        "KEYSTEAD_PORT": "0",
        "KEYSTEAD_EGRESS_ALLOW": "127.0.0.1",
    }
    async with FakeProvider() as fake:
        with (tmp_path / "log").open("ab") as log:
            process = await forked.start(["serve"], environment, stderr=log)
        try:
            said = ""
            async with asyncio.timeout(30):
                while not (link := LINK.search(said)):
                    line = await process.stdout.readline()
                    assert line, said
                    said += line.decode()
            opened = await chromium.new_context()
            newcomer = Newcomer(await opened.new_page())
            await journey(newcomer, link[0], fake)
            assert not newcomer.wrong, newcomer.wrong
            await opened.close()
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def journey(newcomer: Newcomer, link: str, fake: FakeProvider) -> None:
    page = newcomer.page
    await page.goto(link)
    await newcomer.fill({"E-mail address": EMAIL, "Password": PASSWORD})
    await newcomer.press("Keep it and sign in")

    await newcomer.follow("Add a provider key")
    await page.get_by_text("More", exact=True).click()
    await newcomer.fill({"Name": "my-openai", "Key": KEY, "Address": fake.origin})
    await newcomer.press("Try and keep it")
    await expect(page.get_by_role("heading", name="my-openai")).to_be_visible()

    await newcomer.follow("People")
    await newcomer.follow("New team")
    await newcomer.fill({"Name": "Research"})
    await newcomer.press("Make the team")
    await expect(page.get_by_role("heading", name="Research")).to_be_visible()

    await newcomer.follow("Virtual keys")
    await newcomer.follow("Make a key")
    await newcomer.fill({"Name": "nightly"})
    await page.get_by_label("Team").select_option("Research")
    await newcomer.press("Make the key")
    key = await page.locator("#key").inner_text()

    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}
    base = link.partition("/console/")[0]
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}) as client,
        client.post(f"{base}/v1/chat/completions", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()

    await newcomer.follow("Its requests")
    await page.locator("tbody a").first.click()
    seen = await page.locator("main").inner_text()
    assert "my-openai v1" in seen
    assert re.search(r"\$0\.0+\d", seen)
    assert newcomer.steps <= MOST_STEPS
