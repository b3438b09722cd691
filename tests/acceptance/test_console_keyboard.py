"""Three journeys with the keyboard alone. No mouse is touched, and wherever the focus is, it can be seen."""

import re

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from tests.acceptance.seeded import EMAIL, PASSWORD, Seeded, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "sk-proj-canary-KEYBOARD-7f3b1c9d5e2a4860"


async def test_signing_in_and_adding_a_key(seeded: Seeded, chromium: Browser) -> None:
    opened = await chromium.new_context()
    tab = Tab(await opened.new_page())
    page, press = tab.page, tab.page.keyboard
    await page.goto(seeded.at(""))
    await tab.tab_to("E-mail address")
    await press.type(EMAIL)
    await tab.tab_to("Password")
    await press.type(PASSWORD)
    await press.press("Enter")
    await page.get_by_role("heading", name="Overview").wait_for()
    await page.wait_for_load_state()

    await tab.tab_to("^Vault$")
    await press.press("Enter")
    await page.wait_for_url("**/console/vault", wait_until="load")
    await tab.tab_to("^Add a key$")
    await press.press("Enter")
    await page.wait_for_url("**/console/vault/new", wait_until="load")
    await tab.tab_to("^Name")
    await press.type("by-keyboard")
    await tab.tab_to("^Provider")
    await press.type("OpenAI")
    await tab.tab_to("^Key")
    await press.type(KEY)
    await tab.tab_to("^More")
    await press.press("Enter")
    await tab.tab_to("^Address")
    await press.type(seeded.fake.origin)
    await tab.tab_to("^Try and keep it$")
    await press.press("Space")
    await page.get_by_role("heading", name="by-keyboard").wait_for()
    await expect(page.locator(".timeline > li").first).to_have_class("active")
    assert seeded.fake.calls[-1].header("authorization") == f"Bearer {KEY}"
    assert not tab.wrong
    await opened.close()


async def test_making_a_virtual_key_and_copying_it(seeded: Seeded, tab: Tab, inside: BrowserContext) -> None:
    await inside.grant_permissions(["clipboard-read", "clipboard-write"])
    page, press = tab.page, tab.page.keyboard
    await page.goto(seeded.at("audit"))
    await tab.tab_to("^What was done")
    await press.press("Control+k")
    await page.get_by_role("combobox", name="Go to").wait_for()
    await press.type("somewhere else")
    await press.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_label("What was done")).to_be_focused()
    await press.press("Control+k")
    await page.get_by_role("combobox", name="Go to").wait_for()
    await press.type("make a vir")
    await page.get_by_role("option", name="Make a virtual key").wait_for()
    await page.locator("#found li").nth(1).wait_for(state="detached")
    await press.press("Enter")
    await page.wait_for_url("**/console/keys/new", wait_until="load")
    await tab.tab_to("^Name")
    await press.type("typed")
    await tab.tab_to("^Team")
    await press.type("Sea")
    await expect(page.locator("#team option:checked")).to_have_text("Search")
    await tab.tab_to("A program")
    await press.press("ArrowDown")
    await expect(page.get_by_label("Me", exact=True)).to_be_checked()
    await press.press("ArrowUp")
    await tab.tab_to("^Make the key$")
    await press.press("Enter")
    await page.get_by_role("heading", name="typed").wait_for()
    await page.wait_for_load_state()
    await tab.tab_to("^Copy$")
    await press.press("Enter")
    await expect(page.get_by_role("button", name="Copied").first).to_be_visible()
    key = await page.evaluate("navigator.clipboard.readText()")
    assert key == await page.locator("#key").inner_text()
    assert re.fullmatch(r"ks_\w{26}_[\w-]{43}_\w{6}", key)


async def test_finding_a_request_and_reading_its_attempts(seeded: Seeded, tab: Tab) -> None:
    page, press = tab.page, tab.page.keyboard
    await page.goto(seeded.at(""))
    await press.press("g")
    await press.press("r")
    await page.wait_for_url("**/console/requests", wait_until="load")
    await tab.tab_to("^Credential")
    await press.type("openai-production")
    await press.press("Enter")
    await page.wait_for_url("**credential=openai-production**", wait_until="load")
    await tab.tab_to(r"^\w+ \d+, 20\d\d")
    await press.press("Enter")
    await page.get_by_role("heading", name="What was tried").wait_for()
    await page.wait_for_load_state()
    await tab.tab_to("The provider's own words on usage")
    lines = page.locator("details pre").first
    was_open = await lines.is_visible()
    await press.press("Space")
    assert await lines.is_visible() is not was_open
    await press.press("Space")
    assert await lines.is_visible() is was_open
