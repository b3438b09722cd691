"""A made-up organization with months of requests, behind one running gateway, and a browser in which its owner is in.

All is made once for all tests that ask for it.
"""

import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.fakes import forked
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"
REQUESTS = 3_000
NAME = "Northwind Demo"


class Seeded(msgspec.Struct, frozen=True):
    """The running gateway, the provider that keys may be added for, and the organization's owner."""

    gateway: Gateway
    fake: FakeProvider
    token: str
    """The owner's admin token."""
    state: Any
    """The cookies of a browser in which the owner is signed in."""

    def at(self, path: str) -> str:
        """Return the address of a page."""
        return f"{self.gateway.url}/console/{path}"

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Make an admin call as the owner."""
        reply = await self.gateway.call(method, f"/admin/v1{path}", body, key=self.token)
        assert reply.status < 400, reply.body.decode()
        return reply.json() if reply.body else None

    async def first(self, path: str, **having: str) -> str:
        """Return the id of the first of a list, of those that have what is asked."""
        items = (await self.admin("GET", path))["items"]
        return str(next(one["id"] for one in items if all(one[name] == value for name, value in having.items())))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def seeded(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seeded]:
    home = tmp_path_factory.mktemp("seeded") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        made = await seed(home)
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(gateway.url + made["sign_in_path"])
        await fill(page, {"E-mail address": EMAIL, "Password": PASSWORD})
        await page.get_by_role("button", name="Keep it and sign in").click()
        await page.get_by_role("heading", name="Overview").wait_for()
        state = await context.storage_state()
        await context.close()
        yield Seeded(gateway, fake, made["admin_token"], state)


class Tab:
    """A page of a browser in which the owner is signed in, and what its browser complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in {"error", "warning"} else None)

    async def tab_to(self, said: str | re.Pattern[str], *, backwards: bool = False, most: int = 120) -> None:
        """Press Tab until what has the focus says so, and see that the focus can be seen."""
        for _ in range(most):
            await self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
            if re.search(said, await self.page.evaluate(_FOCUSED)):
                assert await self.page.evaluate(_OUTLINED), f"the focus on {said!r} cannot be seen"
                return
        raise AssertionError(f"Tab never came to {said!r}")


_FOCUSED = """(() => {
  const one = document.activeElement;
  return (one.labels?.[0]?.innerText ?? one.ariaLabel ?? one.innerText ?? "").trim();
})()"""
_OUTLINED = """(() => {
  const style = getComputedStyle(document.activeElement);
  return document.activeElement.matches(":focus-visible")
    && ((style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none");
})()"""


async def seed(home: Path) -> dict[str, str]:
    """Run `keystead demo seed` beside the gateway whose data is in `home`; return what it tells."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home.parent), "KEYSTEAD_HOME": str(home)}
    arguments = ["demo", "seed", "--organization", NAME, "--requests", str(REQUESTS), "--output", "json"]
    with (home.parent / "seed.log").open("ab") as log:
        process = await forked.start(arguments, environment, stderr=log)
    said = await process.stdout.read()
    assert await process.wait() == 0, (home.parent / "seed.log").read_text()
    made: dict[str, str] = json.loads(said)
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def inside(chromium: Browser, seeded: Seeded) -> AsyncIterator[BrowserContext]:
    """A browser of its own for each test, in which the owner is signed in."""
    made = await chromium.new_context(storage_state=seeded.state, viewport={"width": 1280, "height": 900})
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(inside: BrowserContext) -> AsyncIterator[Tab]:
    """A page of that browser. Whatever the browser complains of fails the test."""
    made = Tab(await inside.new_page())
    yield made
    assert not made.wrong, made.wrong


async def fill(page: Page, fields: dict[str, str]) -> None:
    """Fill in fields by their labels."""
    for label, text in fields.items():
        await page.get_by_label(label).first.fill(text)


async def pages_of(seeded: Seeded) -> tuple[str, ...]:
    """Return every page that shows one thing, for one such thing of the organization."""
    credential = await seeded.first("/credentials", name="openai-research")
    team = await seeded.first("/teams", name="Engineering")
    route = await seeded.first("/model-routes")
    key = await seeded.first("/virtual-keys", state="active")
    return (
        f"vault/{credential}",
        f"keys/{key}",
        f"keys/{key}/revoke",
        f"people/teams/{team}",
        f"people/teams/{team}/move",
        f"people/members/{await seeded.first('/members', name='Yara Haddad')}",
        f"people/members/{await seeded.first('/members', name='Yara Haddad')}/disable",
        f"people/programs/{await seeded.first('/service-accounts')}",
        f"permissions/cells/{team}/{credential}",
        f"permissions/grants/{await seeded.first('/grants')}/revoke",
        f"budgets/{await seeded.first('/budgets')}",
        f"budgets/{await seeded.first('/budgets')}/end",
        f"routes/{route}",
        f"routes/{route}/delete",
        f"requests/{await seeded.first('/requests?limit=200', state='settled')}",
    )
