"""Who is there and who may use what, in a real browser: from an empty organization to a grant and its reason."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.acceptance.javascript import FOLDER
from tests.acceptance.test_console import (  # noqa: F401 - the fixtures
    EMAIL,
    KEY,
    PASSWORD,
    _fill_and_send,
    _page,
    _sign_in,
    _violations,
    chromium,
    stage,
)
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def organized(
    chromium: Browser,  # noqa: F811 - the fixture
    stage: tuple[Gateway, FakeProvider],  # noqa: F811
) -> dict[str, str]:
    """Two teams and a key that nobody may use; the administrator can sign in."""
    gateway, fake = stage
    for grant in (await gateway.admin("GET", "/grants"))["items"]:
        await gateway.admin("POST", f"/grants/{grant['id']}/revoke")
    labs = await gateway.admin("POST", "/teams", {"name": "Labs"})
    await gateway.admin("POST", "/teams", {"name": "Interns", "parent": "Labs"})
    added = await gateway.admin(
        "POST", "/credentials", {"name": "research", "provider": "openai", "key": KEY, "origin": fake.origin}
    )
    page, _ = await _page(await chromium.new_context())
    link = (await gateway.admin("POST", "/members/administrator/sign-in-link"))["path"]
    await page.goto(gateway.url + link)
    await _fill_and_send(page, {"E-mail address": EMAIL, "Password": PASSWORD}, "Keep it and sign in")
    await page.context.close()
    return {"team": labs["id"], "credential": added["credential"]["id"]}


async def test_a_team_is_granted_a_model_in_the_matrix_and_the_explainer_says_why(
    chromium: Browser,  # noqa: F811
    stage: tuple[Gateway, FakeProvider],  # noqa: F811
    organized: dict[str, str],
    node: str,
) -> None:
    gateway, _ = stage
    axe = (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
    context = await chromium.new_context()
    page, wrong = await _page(context)
    await page.goto(f"{gateway.url}/console/permissions")
    await _sign_in(page)
    cell = page.get_by_role("link", name=re.compile("Labs, research, none"))
    await cell.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await dialog.wait_for()
    assert not await _violations(page, axe)
    await dialog.get_by_role("textbox", name="Models").fill("gpt-4o*")
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("heading", name="Labs and research").wait_for()
    assert not await _violations(page, axe)
    await page.get_by_role("link", name="Permissions", exact=True).first.click()
    await page.get_by_role("link", name=re.compile("Interns, research, inherited: gpt-4o")).wait_for()

    await page.goto(f"{gateway.url}/console/explain?whose=team&name=Interns&model=research/gpt-5")
    assert await page.get_by_text("refused here").is_visible()
    assert not await _violations(page, axe)
    await page.get_by_label("Model", exact=True).fill("research/gpt-4o")
    await page.get_by_role("button", name="Decide").click()
    await page.get_by_text("Yes.").wait_for()
    assert not await _violations(page, axe)
    assert not wrong, wrong
    await context.close()


async def test_somebody_is_invited_without_a_script_on_a_narrow_screen(
    chromium: Browser,  # noqa: F811
    stage: tuple[Gateway, FakeProvider],  # noqa: F811
    organized: dict[str, str],
) -> None:
    gateway, _ = stage
    context = await chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page, _ = await _page(context)
    await page.goto(f"{gateway.url}/console/people/teams/{organized['team']}")
    await _sign_in(page)
    await page.goto(f"{gateway.url}/console/people/teams/{organized['team']}")
    await page.get_by_role("link", name="Invite somebody").first.click()
    await _fill_and_send(page, {"Name": "grace"}, "Invite")
    link = await page.locator("#link").inner_text()
    await _is_within(page)
    for path in (f"people/teams/{organized['team']}", "permissions"):
        await page.goto(f"{gateway.url}/console/{path}")
        await _is_within(page)
    await page.goto(f"{gateway.url}/console/permissions/cells/{organized['team']}/{organized['credential']}")
    await _is_within(page)
    assert await page.get_by_role("button", name="Save").is_visible(), "a cell is a page without a script"
    await context.close()

    theirs = await chromium.new_context()
    page, wrong = await _page(theirs)
    await page.goto(gateway.url + link)
    await _fill_and_send(page, {"E-mail address": "grace@example.com", "Password": PASSWORD}, "Keep it and sign in")
    assert await page.get_by_role("link", name="People").count() == 0, "a developer looks after nobody"
    assert not wrong, wrong
    await theirs.close()


async def _is_within(page: Page) -> None:
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, page.url
