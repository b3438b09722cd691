"""Models and routes in a real browser: from a model to a route that is drawn while it is written, and kept."""

import re
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk-proj-canary-ROUTES-7f3b1c9d5e2a4860"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def test_a_model_is_found_and_a_route_to_it_drawn_while_it_is_written(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("routes") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        body = {"name": "research", "provider": "openai", "origin": fake.origin, "key": KEY}
        await gateway.admin("POST", "/credentials", body)
        page = await chromium.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
        await page.goto(gateway.url + (await gateway.admin("POST", "/members/administrator/sign-in-link"))["path"])
        await page.get_by_label("E-mail address").fill("ada@example.com")
        await page.get_by_label("Password").fill("correct horse battery")
        await page.get_by_role("button", name="Keep it and sign in").click()

        await page.get_by_role("link", name="Models").click()
        await page.get_by_label("Search").fill("gpt-4o-mini")
        await page.get_by_label("Provider").select_option("OpenAI")
        await page.get_by_label("Search").press("Enter")
        await page.locator("td a[href$='model=gpt-4o-mini']").click()
        await expect(page.get_by_text("research/gpt-4o-mini", exact=True).first).to_be_visible()
        await page.get_by_role("link", name="Make a route").click()

        drawn = page.locator("figure.route")
        await page.get_by_label("Name").fill("coding")
        await expect(drawn.locator("svg text").first).to_have_text("coding")
        await page.get_by_role("button", name="Add an attempt").click()
        second = page.locator("#model-1")
        await expect(second).to_be_focused()
        await second.press_sequentially("gpt-4o")
        await expect(second).to_be_focused()
        await page.locator("#on-1").select_option("OpenAI")
        await expect(drawn.locator("li").last).to_have_text("gpt-4o on any key of OpenAI")
        await page.get_by_role("button", name="Attempt 2 up").click()
        await expect(page.locator("#model-0")).to_have_value("gpt-4o")
        await page.get_by_label("What is tried first").select_option("drawn by weight")
        await page.locator("#weight-0").fill("3")
        await expect(drawn).to_contain_text("75 %")
        assert (await gateway.admin("GET", "/model-routes"))["items"] == []

        await page.locator("#weight-1").press("Enter")  # as a form does it: it is kept
        await page.wait_for_url(re.compile(r"/routes/route_\w+$"))
        [route] = (await gateway.admin("GET", "/model-routes"))["items"]
        assert [(each["model"], each["weight"]) for each in route["attempts"]] == [("gpt-4o", 3), ("gpt-4o-mini", 1)]
        assert not wrong, wrong

        await page.get_by_role("link", name="Delete").click()
        await page.get_by_role("button", name="Delete coding").click()
        await expect(page.get_by_text("No routes yet")).to_be_visible()
        assert not wrong, wrong
        await page.close()
