"""Every page of an organization with a past: what axe finds, what the browser complains of, how wide it is, and how much."""

import pytest
from playwright.async_api import Browser

from tests.acceptance.javascript import FOLDER
from tests.acceptance.seeded import Seeded, Tab, pages_of
from tests.acceptance.test_console import PAGES

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATORS_ALONE = {"credits/book", "settings/health"}
"""For who runs the platform; the owner of one organization does not."""
FIRST_LOAD_BYTES = 250_000
AXE = """(rules) => axe.run(
  {include: [["html"]], exclude: [["tbody tr:nth-child(n+9)"], [".column:nth-of-type(n+5)"], ["option:nth-child(n+9)"]]},
  {resultTypes: ["violations"], ...(rules && {runOnly: rules})},
)"""
"""Of rows that are all alike, the first eight are looked at."""
RULES = {"light": None, "dark": ["color-contrast"]}
"""In the dark everything is where it is in the light; only its colours are others."""


async def every(seeded: Seeded) -> tuple[str, ...]:
    return (*(path for path in PAGES if path not in OPERATORS_ALONE), *await pages_of(seeded))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_in_order_wide_and_narrow(
    scheme: str,
    chromium: Browser,
    seeded: Seeded,
    node: str,
) -> None:
    assert node
    axe = (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
    opened = await chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light", storage_state=seeded.state
    )
    tab = Tab(await opened.new_page())
    found: list[str] = []
    for path in await every(seeded):
        response = await tab.page.goto(seeded.at(path))
        assert response is not None
        assert response.status == 200, path
        await tab.page.locator("[data-later]").wait_for(state="detached")
        await tab.page.evaluate(axe)
        for width in (1280, 360):
            await tab.page.set_viewport_size({"width": width, "height": 800})
            violations = (await tab.page.evaluate(AXE, RULES[scheme]))["violations"]
            found += [f"{path} at {width}: {one['id']}: {one['nodes'][0]['html'][:160]}" for one in violations]
            is_wide = await tab.page.evaluate("document.documentElement.scrollWidth")
            if is_wide > width:
                found.append(f"{path} is {is_wide} wide at {width}")
    await opened.close()
    assert not found, "\n".join(found)
    assert not tab.wrong, tab.wrong


async def test_every_page_can_be_read_without_scripts(
    chromium: Browser,
    seeded: Seeded,
) -> None:
    opened = await chromium.new_context(java_script_enabled=False, storage_state=seeded.state)
    page = await opened.new_page()
    for path in await every(seeded):
        await page.goto(seeded.at(path))
        text = await page.locator("main").inner_text()
        assert await page.locator("h1").first.is_visible(), path
        assert len(text) > 20, path
        assert "undefined" not in text, path
    await opened.close()


async def test_no_first_load_is_heavy(
    chromium: Browser,
    seeded: Seeded,
) -> None:
    heavy: dict[str, int] = {}
    for path in ("", "requests", "permissions", "models", "audit", "playground"):
        opened = await chromium.new_context(storage_state=seeded.state)
        page = await opened.new_page()
        await page.goto(seeded.at(path), wait_until="networkidle")
        bytes_of = "performance.getEntries().reduce((sum, one) => sum + (one.transferSize ?? 0), 0)"
        transferred = await page.evaluate(bytes_of)
        assert transferred > 0
        if transferred > FIRST_LOAD_BYTES:
            heavy[path] = transferred
        await opened.close()
    assert not heavy
