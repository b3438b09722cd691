"""Settings in a real browser: an identity provider is named there, and somebody signs in at it and out again."""

import re
import shutil
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.fakes.gateway import Gateway
from tests.fakes.identity_provider import CLIENT_ID, CLIENT_SECRET, FakeIdentityProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


def watched(page: Page) -> list[str]:
    """Return the list of what the page's browser will complain of."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
    return wrong


async def test_a_provider_is_named_in_the_settings_and_lets_its_people_in(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("settings") / "home"
    async with (
        FakeIdentityProvider(lambda: int(time.time())) as provider,
        Gateway.running(home, egress_allow="127.0.0.1") as gateway,
    ):
        owner = await chromium.new_page()
        wrong = watched(owner)
        await owner.goto(gateway.url + (await gateway.admin("POST", "/members/administrator/sign-in-link"))["path"])
        await owner.get_by_label("E-mail address").fill("ada@example.com")
        await owner.get_by_label("Password").fill("correct horse battery")
        await owner.get_by_role("button", name="Keep it and sign in").click()
        await owner.get_by_role("link", name="Settings").click()
        await owner.get_by_role("link", name="Sign-in", exact=True).click()
        back = await owner.locator("#return-address").inner_text()
        assert back == f"{gateway.url}/console/sign-in/back"
        await owner.get_by_label("Issuer").fill(provider.issuer)
        await owner.get_by_label("Client id").fill(CLIENT_ID)
        await owner.get_by_label("Client secret").fill(CLIENT_SECRET)
        await owner.get_by_label("Domains").fill("example.com")
        await owner.get_by_label("Who is unknown so far").select_option("Becomes a developer of Default team")
        await owner.get_by_role("button", name="Keep it").click()
        address = await owner.locator("#sign-in-address").inner_text()
        assert CLIENT_SECRET not in await owner.content()

        provider.person = {"sub": "grace-1", "email": "grace@example.com", "email_verified": True}
        context = await chromium.new_context()
        page = await context.new_page()
        wrong += watched(page)
        await page.goto(f"{gateway.url}/console/keys")  # led to sign in first, and then to where one wanted to go
        await page.get_by_label("Work e-mail address").fill("grace@example.com")
        await page.get_by_role("button", name="Go to your identity provider").click()
        await page.wait_for_url("**/console/keys")
        await expect(page.get_by_role("link", name="grace@example.com")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        await page.goto(f"{gateway.url}/console/keys")
        await page.wait_for_url(re.compile(r"/console/sign-in\?to="))

        await page.goto(address)
        await page.get_by_role("button", name="Go there").click()
        await expect(page.get_by_role("link", name="grace@example.com")).to_be_visible()
        await context.close()

        await owner.get_by_role("link", name="Remove …").click()
        await owner.get_by_role("button", name="Remove it").click()
        await expect(owner.get_by_text("Register Keystead there")).to_be_visible()
        assert not wrong, wrong
