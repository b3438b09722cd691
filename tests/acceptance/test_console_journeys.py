"""What people come to the console for, in an organization with a past: each journey from the menu to its end."""

import csv
import io
import re
from decimal import Decimal

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from tests.acceptance.seeded import Seeded, Tab, fill

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "sk-proj-canary-JOURNEY-7f3b1c9d5e2a4860"


async def test_overview_by_each_measure_and_span(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at(""))
    await expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()
    await expect(page.get_by_text("xai-trial: the provider refused the key")).to_be_visible()
    await page.get_by_role("link", name="90 days").click()
    await page.get_by_role("link", name="Models", exact=True).last.click()
    assert {"span=90d", "by=model"} <= set(page.url.partition("?")[2].split("&"))
    await expect(page.get_by_text("Spend by model")).to_be_visible()
    assert await page.locator("svg .column").count() > 80


async def test_a_key_is_brought_rotated_by_hand_rolled_back_and_revoked(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at("vault"))
    await page.get_by_role("link", name="Add a key").click()
    await page.get_by_text("More", exact=True).click()
    await fill(page, {"Name": "journey", "Key": KEY, "Address": seeded.fake.origin})
    await page.get_by_role("button", name="Try and keep it").click()
    await expect(page.get_by_role("heading", name="journey")).to_be_visible()
    assert KEY not in await page.content()

    await fill(page, {"New key": f"{KEY}-two"})
    await page.get_by_label("Only keep it ready").check()
    await page.get_by_role("button", name="Rotate").click()
    versions = page.locator(".timeline > li")
    await expect(versions.first).to_have_class("staged")
    await page.get_by_role("button", name="Hand over to version 2").click()
    await expect(versions.first).to_have_class("active")
    await expect(versions.last).to_have_class("draining")
    await page.get_by_role("button", name="Roll back").click()
    await expect(versions.last).to_have_class("active")

    await expect(page.get_by_text("Nobody used it in the last 7 days.")).to_be_visible()
    await fill(page, {"Type journey to revoke it": "journy"})
    await page.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("nothing was revoked")).to_be_visible()
    await fill(page, {"Type journey to revoke it": "journey"})
    await page.get_by_role("button", name="Revoke").click()
    await expect(versions.first).to_have_class("revoked")
    assert await page.get_by_role("button", name="Rotate").count() == 0


async def test_the_page_of_a_key_in_use_says_whom_its_end_would_strike(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at("vault"))
    await page.get_by_role("link", name="openai-production").click()
    struck = page.locator(".danger p").filter(has_text="Whoever relies on it is refused")
    await expect(struck).to_contain_text(
        re.compile(r"that was \d+ teams? with \d+ virtual keys? and [\d,]+ requests?: \w")
    )
    assert await page.get_by_role("group", name="Who used it").locator("tbody tr").count() > 0


async def test_a_cell_of_the_matrix_is_changed_and_changed_back(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at("permissions?team=Marketing&credential=groq-experiments"))
    await page.get_by_role("link", name=re.compile("^Marketing, groq-experiments, none|· Marketing")).first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Models").fill("llama-*")
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("heading", name="Marketing and groq-experiments").wait_for()
    await page.goto(seeded.at("permissions?team=Marketing&credential=groq-experiments"))
    await expect(page.locator(".matrix .granted")).to_contain_text("llama-*")
    await page.locator(".matrix .granted").first.click()
    await dialog.get_by_role("link", name="End it").click()
    await page.locator("main form button").last.click()
    await page.goto(seeded.at("permissions?team=Marketing&credential=groq-experiments"))
    await expect(page.locator(".matrix .granted")).to_have_count(0)


async def test_a_virtual_key_is_shown_once(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at("keys"))
    await page.get_by_role("link", name="Make a key").click()
    await fill(page, {"Name": "journey-once"})
    await page.get_by_label("Team").select_option("Engineering")
    await page.get_by_role("button", name="Make the key").click()
    key = await page.locator("#key").inner_text()
    assert key.startswith("ks_")
    for path in ("keys", "audit", "connect"):
        await page.goto(seeded.at(path))
        assert key not in await page.content()


async def test_times_come_to_the_overview_by_themselves_and_without_scripts_behind_a_link(
    seeded: Seeded, tab: Tab, chromium: Browser
) -> None:
    page = tab.page
    await page.goto(seeded.at("?span=7d&by=model"))
    times = page.get_by_role("group", name="Times by model")
    await expect(times.locator("tbody tr")).not_to_have_count(0)
    told = await page.locator("#speed").inner_text()
    opened = await chromium.new_context(java_script_enabled=False, storage_state=seeded.state)
    scriptless = await opened.new_page()
    await scriptless.goto(seeded.at("?span=7d&by=model"))
    await scriptless.get_by_role("link", name="Show the times").click()
    assert await scriptless.locator("#speed").inner_text() == told
    await scriptless.get_by_role("link", name="Teams").click()
    await expect(scriptless.get_by_role("group", name="Times by team")).to_be_visible()
    await opened.close()


async def test_requests_are_narrowed_read_and_come_back_to(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at("requests"))
    await page.get_by_label("Credential").fill("openai-research")
    await page.get_by_label("State").select_option("settled")
    await page.get_by_role("button", name="Show").click()
    narrowed = page.url
    assert "credential=openai-research" in narrowed
    rows = page.locator("tbody tr")
    count = await rows.count()
    assert count > 0
    await expect(rows.filter(has_text="openai-research")).to_have_count(count)
    await rows.first.locator("a").first.click()
    await expect(page.get_by_role("heading", name="What was tried")).to_be_visible()
    await expect(page.get_by_role("heading", name="usage, cost and data").first).to_be_visible()
    await page.go_back()
    assert page.url == narrowed


async def test_spend_of_a_month_is_a_file_that_sums_up_to_the_page(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at("spend"))
    await page.locator(".stepper a").first.click()
    shown = await page.locator("tfoot data").first.get_attribute("value")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV").click()
    kept = await download.value
    lines = list(csv.DictReader(io.StringIO((await kept.path()).read_text())))
    assert len(lines) > 3
    sums = {name: sum((Decimal(line[name] or 0) for line in lines), Decimal(0)) for name in ("own cost", "credits")}
    assert Decimal(shown or "x") in sums.values()


async def test_the_playground_asks_and_the_budgets_stand(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    await page.goto(seeded.at("budgets"))
    await page.get_by_role("link", name="Engineering").click()
    await expect(page.get_by_role("heading", name="Who is stopped by it")).to_be_visible()

    await seeded.admin("POST", "/grants", {"team": "Default team", "credentials": ["sandbox"]})
    await page.goto(seeded.at("playground"))
    await page.get_by_role("button", name="Make it").click()
    await page.locator("#message").wait_for()
    await page.locator(".model").first.fill("sandbox/echo")
    await page.get_by_label("Message").fill("Hello from a journey")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".contender").first).to_contain_text("You said: Hello from a journey")
    await page.locator(".figures a").first.click()
    await expect(page.get_by_role("heading", name="What was tried")).to_be_visible()


async def test_connect_sees_the_first_request_arrive(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    body = {"name": "journey-connect", "team": "Default team"}
    issued = await seeded.admin("POST", "/virtual-keys", body)
    await page.goto(seeded.at(f"connect?key={issued['virtual_key']['id']}"))
    await expect(page.get_by_text("Waiting for")).to_be_visible()
    await seeded.gateway.chat("sandbox/echo", key=issued["key"])
    await expect(page.locator(".arrived")).to_be_visible()


async def test_audit_is_searched_and_settings_are_kept(seeded: Seeded, tab: Tab, inside: BrowserContext) -> None:
    page = tab.page
    await page.goto(seeded.at("audit"))
    await page.get_by_label("What was done").fill("credential.revoked")
    await page.get_by_label("What was done").press("Enter")
    await expect(page.locator("tbody tr").first).to_contain_text("credential.revoked")
    assert await page.locator("tbody tr").filter(has_text="created").count() == 0

    await page.get_by_role("link", name="Settings").click()
    zone = await page.get_by_label("Time zone").input_value()
    await page.get_by_label("Name").fill("Northwind, renamed")
    await page.get_by_role("button", name=re.compile("Keep|Save|Change")).first.click()
    await expect(page.get_by_label("Name")).to_have_value("Northwind, renamed")
    assert await page.get_by_label("Time zone").input_value() == zone
    await page.goto(seeded.at("audit?action=organization.changed"))
    await expect(page.locator("tbody tr").first).to_contain_text("organization.changed")
    assert len(inside.pages) == 1


SMALLEST_TICK_PX = 9.5
TICKS = """() => [...document.querySelectorAll("svg .tick")]
    .map((tick) => parseFloat(getComputedStyle(tick).fontSize) * tick.getScreenCTM().a)"""
FIRST_LINES = """() => [...document.querySelector("tbody tr").cells].slice(0, 2).map((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return range.getClientRects()[0].top;
})"""


async def test_axes_can_be_read_and_rows_begin_on_one_line_at_any_width(seeded: Seeded, tab: Tab) -> None:
    page = tab.page
    for width in (360, 800, 1280, 1920):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.goto(seeded.at("speed"))
        ticks = await page.evaluate(TICKS)
        await page.goto(seeded.at("spend"))
        ticks += await page.evaluate(TICKS)
        assert len(ticks) > 20
        assert min(ticks) >= SMALLEST_TICK_PX, width
        await page.goto(seeded.at("audit"))
        first, second = await page.evaluate(FIRST_LINES)
        assert abs(first - second) < 3, width
