"""The log in a real browser: it follows by itself and says so, goes by the keyboard, and gives its file."""

import csv
import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page

from tests.acceptance import test_console_spend as spend
from tests.acceptance.test_console import chromium, stage  # noqa: F401 - the fixtures
from tests.acceptance.test_console_spend import context  # noqa: F401 - the fixture
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext) -> AsyncIterator[Page]:  # noqa: F811 - the fixture
    opened, wrong = await spend.opened(context)
    yield opened
    assert not wrong, wrong
    await opened.close()


async def test_new_requests_appear_by_themselves_and_are_announced(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    await page.goto(f"{stage[0].url}/console/requests")
    rows = page.locator("[data-rows] tbody tr")
    before = await rows.count()
    await page.locator("[data-live]").evaluate("box => { box.dataset.live = '0.2'; }")
    await page.get_by_label("Live").check()
    body = {"model": "research/gpt-4o-mini", "messages": [{"role": "user", "content": "Again"}]}
    assert (await stage[0].call("POST", "/v1/chat/completions", body)).status == 200
    await rows.nth(before).wait_for()
    assert await page.locator("[data-said]").inner_text() == "1 new request"
    await page.get_by_label("Live").uncheck()


async def test_a_request_is_reached_by_j_and_enter_and_its_picture_is_told_in_words(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    await page.goto(f"{stage[0].url}/console/requests")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="What was tried").wait_for()
    said = await page.locator("svg desc").text_content()
    assert said is not None
    assert "Attempt 1: research v1, own key at openai, gpt-4o-mini" in said


async def test_the_file_is_what_the_filters_leave(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    await page.goto(f"{stage[0].url}/console/requests?provider=openai")
    shown = await page.locator("[data-rows] tbody tr").count()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export CSV").click()
    kept = await download.value
    assert kept.suggested_filename.startswith("requests-20")
    rows = list(csv.DictReader(io.StringIO((await kept.path()).read_text())))
    assert [row["provider"] for row in rows] == ["openai"] * shown
    await page.get_by_role("link", name="Take away the filter provider openai").click()
    await page.wait_for_url("**/console/requests")
