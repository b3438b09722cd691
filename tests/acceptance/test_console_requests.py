"""The log in a real browser: it follows by itself and says so, goes by the keyboard, and gives its file."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

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


async def test_new_requests_come_on_top_and_nothing_else_of_the_page_moves(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    gateway = stage[0]
    for _ in range(8):
        await _asked(gateway)
    await page.set_viewport_size({"width": 1280, "height": 300})
    await page.goto(f"{gateway.url}/console/requests?provider=openai")
    rows = page.locator("#log tbody tr")
    before = await rows.count()
    oldest = await rows.last.get_attribute("id")
    await rows.last.locator("a").first.focus()
    await page.evaluate(_AT_THE_END)
    place = await rows.last.evaluate("row => row.getBoundingClientRect().top")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.locator("#live").evaluate("box => { box.dataset.every = '0.2'; box.click(); }")
    await _asked(gateway)
    await gateway.chat("sandbox/echo")
    await rows.nth(before).wait_for()
    assert await page.locator("#log-says").inner_text() == "1 new request"
    assert await page.evaluate("document.activeElement.closest('tr').id") == oldest
    assert await page.evaluate("String(getSelection())") == await page.evaluate(_SELECTED)
    assert abs(await rows.last.evaluate("row => row.getBoundingClientRect().top") - place) < 1
    ids = await rows.evaluate_all("all => all.map((row) => row.id)")
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == before + 1
    assert "UTC" not in await rows.first.locator("time").inner_text()
    assert {urlsplit(url).path for url in asked} == {"/console/requests/newer"}
    await page.locator("#live").evaluate("box => box.click()")


async def test_an_open_request_is_shown_as_it_ends_and_a_hidden_page_asks_for_nothing(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    gateway = stage[0]
    await page.goto(f"{gateway.url}/console/requests")
    await page.locator("#live").evaluate("box => { box.dataset.every = '0.2'; box.click(); }")
    async with asyncio.TaskGroup() as group:
        group.create_task(gateway.chat("research/stream-30-100", stream=True))
        await page.locator("#log tr[data-open]").wait_for()
    await page.locator("#log tbody tr").first.get_by_text("settled").wait_for()
    assert await page.locator("#log tr[data-open]").count() == 0
    await page.evaluate(_HIDE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before = await page.locator("#log tbody tr").count()
    await _asked(gateway)
    await page.evaluate(_LOOK)
    assert asked == []
    await page.evaluate(_SHOW)
    await page.locator("#log tbody tr").nth(before).wait_for()


async def test_the_first_request_that_filters_want_takes_the_place_of_the_words_that_there_is_none(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    await page.goto(f"{stage[0].url}/console/requests?model=sandbox/story")
    await page.get_by_text("No request is like that").wait_for()
    await page.locator("#live").evaluate("box => { box.dataset.every = '0.2'; box.click(); }")
    assert (await stage[0].chat("sandbox/story")).status == 200
    await page.locator("#log tbody tr").wait_for()
    assert await page.get_by_text("No request is like that").count() == 0


async def _asked(gateway: Gateway) -> None:
    """Ask, and wait until the log has it."""
    reply = await gateway.chat("research/gpt-4o-mini")
    assert reply.status == 200
    asked = f"/requests?state=settled&request={reply.headers['x-keystead-request-id']}"
    async with asyncio.timeout(20):
        while not (await gateway.admin("GET", asked))["items"]:
            await asyncio.sleep(0.05)


_AT_THE_END = """(() => {
  scrollTo(0, document.documentElement.scrollHeight);
  getSelection().selectAllChildren(document.querySelector("#log tbody tr:last-child td:nth-child(2)"));
})()"""
_SELECTED = "document.querySelector('#log tbody tr:last-child td:nth-child(2)').innerText"
_HIDE = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"
_LOOK = "document.dispatchEvent(new Event('visibilitychange'))"
_SHOW = f"delete document.hidden; {_LOOK}"


async def test_a_request_is_reached_by_j_and_enter_and_its_picture_is_told_in_words(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    await page.goto(f"{stage[0].url}/console/requests?provider=openai")
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


async def test_who_follows_only_what_is_under_way_sees_each_come_and_go(
    page: Page,
    stage: tuple[Gateway, FakeProvider],  # noqa: F811 - the fixture
) -> None:
    gateway = stage[0]
    await page.goto(f"{gateway.url}/console/requests?state=intent")
    nothing, under_way = page.get_by_text("No request is like that"), page.locator("#log tr[data-open]")
    await nothing.wait_for()
    await page.locator("#live").evaluate("box => { box.dataset.every = '0.2'; box.click(); }")
    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            group.create_task(gateway.chat("research/stream-15-100", stream=True))
            await under_way.wait_for()
        await nothing.wait_for()
        assert await under_way.count() == 0
