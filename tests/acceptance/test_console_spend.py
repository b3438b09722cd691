"""Spend in a real browser: a budget by the keyboard through the palette, the file, the look, the menu without scripts."""

import csv
import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from tests.acceptance import test_console as console
from tests.acceptance.test_console import chromium, stage  # noqa: F401 - the fixtures
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def context(
    chromium: Browser,  # noqa: F811 - the fixture
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> AsyncIterator[BrowserContext]:
    """A browser in which the administrator is signed in, of an organization that spent something."""
    gateway, fake = stage
    made = {"name": "research", "provider": "openai", "key": console.KEY, "origin": fake.origin}
    await gateway.admin("POST", "/credentials", made)
    body = {"model": "research/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
    assert (await gateway.call("POST", "/v1/chat/completions", body)).status == 200
    opened = await chromium.new_context()
    page = await opened.new_page()
    await page.goto(gateway.url + (await gateway.admin("POST", "/members/administrator/sign-in-link"))["path"])
    await page.get_by_label("E-mail address").fill(console.EMAIL)
    await page.get_by_label("Password").first.fill(console.PASSWORD)
    await page.get_by_role("button", name="Keep it and sign in").click()
    await page.get_by_role("heading", name="Overview").wait_for()
    await page.close()
    yield opened
    await opened.close()


async def opened(context: BrowserContext) -> tuple[Page, list[str]]:
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    return page, wrong


async def test_the_file_has_the_amount_of_the_page(
    context: BrowserContext,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    page, wrong = await opened(context)
    await page.goto(f"{stage[0].url}/console/spend?by=model")
    shown = await page.locator("tbody tr data").last.get_attribute("value")
    totals = await page.locator("tfoot data").all()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV").click()
    kept = await download.value
    assert kept.suggested_filename.startswith("spend-by-model-20")
    [line] = list(csv.DictReader(io.StringIO((await kept.path()).read_text())))
    assert {line["own cost"], line["own cost before"]} >= {shown}
    assert line["own cost"] in {await total.get_attribute("value") for total in totals}
    assert not wrong, wrong
    await page.close()


async def test_a_budget_is_made_by_the_keyboard_from_the_palette(
    context: BrowserContext,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    page, wrong = await opened(context)
    await page.goto(f"{stage[0].url}/console/audit")
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox", name="Go to").wait_for()
    await page.keyboard.type("make a bud")
    await page.get_by_role("option", name="Make a budget").wait_for()
    await page.locator("#found li").nth(1).wait_for(state="detached")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/budgets/new", wait_until="load")
    await page.get_by_label("Name").focus()
    await page.keyboard.type("Everything")
    await page.get_by_label("Counts").select_option("organization")
    await page.get_by_label("Limit").fill("12.5")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Who is stopped by it").wait_for()
    await page.keyboard.press("g")
    await page.keyboard.press("b")
    await page.wait_for_url("**/console/budgets", wait_until="load")
    assert "$12.50" in await page.locator("main").inner_text()
    await page.keyboard.press("?")
    await page.get_by_role("dialog", name="Keys").wait_for()
    await page.keyboard.press("Escape")
    assert not wrong, wrong
    await page.close()


async def test_the_menu_and_the_look_need_no_scripts_on_a_narrow_screen(
    chromium: Browser,  # noqa: F811 - the fixture
    context: BrowserContext,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    plain = await chromium.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 740}, storage_state=await context.storage_state()
    )
    page = await plain.new_page()
    await page.goto(f"{stage[0].url}/console/spend")
    assert not await page.get_by_role("link", name="Budgets").is_visible()
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("link", name="Budgets").click()
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("button", name="Dark").click()
    assert page.url.endswith("/console/budgets")
    assert await page.locator("html").get_attribute("data-look") == "dark"
    await plain.close()
