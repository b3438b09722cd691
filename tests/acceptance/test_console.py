"""The console in a real browser: a newcomer's first minutes, the keyboard alone, no script at all, and what axe finds.

The browser is the distribution's Chromium (Debian: `apt-get install chromium`).
"""

import re
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.acceptance.javascript import FOLDER
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"
KEY = "sk-proj-canary-CONSOLE-7f3b1c9d5e2a4860"
PAGES = (
    "",
    "vault",
    "vault/new",
    "people",
    "people/roles",
    "people/teams/new",
    "people/members/new",
    "permissions",
    "permissions/grants/new",
    "explain",
    "consents",
    "consents/new",
    "keys",
    "keys/new",
    "requests",
    "requests?provider=openai&state=settled",
    "speed",
    "spend",
    "spend?by=tag:project",
    "budgets",
    "budgets/new",
    "rate-limits",
    "rate-limits/new",
    "credits",
    "credits/book",
    "models",
    "models?of=usable&sort=released",
    "models/one?provider=openai&model=gpt-4o-mini",
    "models/price?provider=openai&model=gpt-4o-mini",
    "routes",
    "routes/new",
    "routes/families",
    "playground",
    "playground/prompts",
    "connect",
    "audit",
    "alerts",
    "find",
    "parts",
    "settings",
    "settings/sign-in",
    "settings/data",
    "settings/retention",
    "settings/retention/set?days=90",
    "settings/data/classes/set",
    "settings/data/classes/set?name=internal",
    "settings/data/recognizers/new",
    "settings/prices",
    "settings/health",
    "account",
    "account/password",
    "account/second-factor",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Gateway, FakeProvider]]:
    home = tmp_path_factory.mktemp("console") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        yield gateway, fake


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def journey(chromium: Browser, stage: tuple[Gateway, FakeProvider]) -> dict[str, str]:
    """A newcomer's first minutes; returns what was seen on the way."""
    gateway, fake = stage
    page, wrong = await _page(await chromium.new_context())
    link = (await gateway.admin("POST", "/members/administrator/sign-in-link"))["path"]
    await page.goto(gateway.url + link)
    await _fill_and_send(page, {"E-mail address": EMAIL, "Password": PASSWORD}, "Keep it and sign in")
    assert await page.get_by_role("heading", name="Overview").is_visible()

    await page.get_by_role("link", name="Add a provider key").click()
    await page.get_by_text("More", exact=True).click()
    await _fill_and_send(page, {"Name": "research", "Key": KEY, "Address": fake.origin}, "Try and keep it")
    assert await page.get_by_role("heading", name="research").is_visible()
    credential = page.url

    await page.get_by_role("link", name="Virtual keys").click()
    await page.get_by_role("link", name="Make a key").click()
    await _fill_and_send(page, {"Name": "nightly"}, "Make the key")
    key = await page.locator("#key").inner_text()
    answer = await gateway.call(
        "POST",
        "/v1/chat/completions",
        {"model": "research/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]},
        key=key,
    )
    assert answer.status == 200, answer.body

    await page.get_by_role("link", name="Its requests").click()
    await page.locator("tbody a").first.click()
    seen = await page.locator("main").inner_text()
    assert not wrong, wrong
    attempts = [{"model": "gpt-4o", "credential": "research"}, {"model": "family:gpt-mini", "provider": "openai"}]
    recognizer = await gateway.admin(
        "POST", "/recognizers", {"name": "apollo", "kind": "pattern", "pattern": "APOLLO-[0-9]+", "action": "block"}
    )
    own = {"provider": "openai", "model": "gpt-4o*", "prices": {"input_tokens": "0.000001"}, "note": "contract"}
    price = await gateway.admin("POST", "/price-overrides", own)
    route = await gateway.admin(
        "POST", "/model-routes", {"name": "coding", "strategy": "weighted", "attempts": attempts}
    )
    return {
        "credential": credential,
        "key": key,
        "request": page.url,
        "route": f"{gateway.url}/console/routes/{route['id']}",
        "recognizer": f"{gateway.url}/console/settings/data/recognizers/{recognizer['id']}/remove",
        "price": f"{gateway.url}/console/settings/prices/{price['id']}/end",
        "seen": seen,
    }


async def test_a_newcomer_adds_a_key_makes_one_and_sees_a_request_and_its_cost(
    journey: dict[str, str], stage: tuple[Gateway, FakeProvider]
) -> None:
    assert stage[1].calls[-1].header("authorization") == f"Bearer {KEY}"
    assert "research v1" in journey["seen"]
    assert re.search(r"\$0\.0+\d", journey["seen"]) is not None
    assert "nightly" in journey["seen"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_the_browser_complains_of_nothing(
    scheme: str,
    chromium: Browser,
    stage: tuple[Gateway, FakeProvider],
    journey: dict[str, str],
    node: str,
) -> None:
    gateway, _ = stage
    axe = (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
    context = await chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page, wrong = await _page(context)
    for path in (f"{gateway.url}/console/sign-in", *(f"{gateway.url}/console/{each}" for each in PAGES)):
        await page.goto(path)
        await page.locator("[data-later]").wait_for(state="detached")
        found = await _violations(page, axe)
        assert not found, (path, found)
        if path.endswith("/console/sign-in"):
            await _sign_in(page)
    single = [journey[name] for name in ("credential", "request", "route", "recognizer", "price")]
    for path in (*single, f"{journey['route']}/delete"):
        await page.goto(path)
        found = await _violations(page, axe)
        assert not found, (path, found)
    assert not wrong, wrong
    await context.close()


async def test_the_keyboard_is_enough(
    chromium: Browser, stage: tuple[Gateway, FakeProvider], journey: dict[str, str]
) -> None:
    gateway, _ = stage
    context = await chromium.new_context()
    page, wrong = await _page(context)
    await page.goto(f"{gateway.url}/console/")
    await page.keyboard.press("Tab")
    await page.keyboard.type(EMAIL)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Overview").wait_for()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # skip to the page
    await page.locator("#main:focus").wait_for()
    await _tab_to(page, "Requests", backwards=True)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/requests", wait_until="load")
    await _tab_to(page, re.compile(r"^\w+ \d+, 20\d\d"))
    await page.keyboard.press("Enter")
    await page.wait_for_url(journey["request"])
    assert not wrong, wrong
    await context.close()


async def test_everything_can_be_read_without_scripts_on_a_narrow_screen(
    chromium: Browser, stage: tuple[Gateway, FakeProvider], journey: dict[str, str]
) -> None:
    gateway, _ = stage
    context = await chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page, _ = await _page(context)
    await page.goto(f"{gateway.url}/console/requests")
    await _sign_in(page)
    await page.goto(journey["request"])
    assert await page.get_by_text("Price of one").is_visible()
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", await page.locator("main").inner_text()) is not None
    for path in PAGES:
        answer = await page.goto(f"{gateway.url}/console/{path}")
        assert answer is not None
        assert answer.status == 200, path
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert not await page.locator("[data-copy], [type=checkbox]:not([name])").filter(visible=True).count(), path
    await context.close()


async def test_the_list_looks_again_by_itself(
    chromium: Browser, stage: tuple[Gateway, FakeProvider], journey: dict[str, str]
) -> None:
    gateway, _ = stage
    context = await chromium.new_context()
    page, wrong = await _page(context)
    await page.goto(f"{gateway.url}/console/requests")
    await _sign_in(page)
    before = await page.locator("tbody tr").count()
    body = {"model": "research/gpt-4o-mini", "messages": [{"role": "user", "content": "Again"}]}
    await gateway.call("POST", "/v1/chat/completions", body, key=journey["key"])
    await page.get_by_label("Live").check()
    await page.locator("tbody tr").nth(before).wait_for()
    assert not wrong, wrong
    await context.close()


async def test_a_first_page_is_light(
    chromium: Browser, stage: tuple[Gateway, FakeProvider], journey: dict[str, str]
) -> None:
    gateway, _ = stage
    assert journey
    context = await chromium.new_context()
    page, _ = await _page(context)
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.url.count("/console")))
    await page.goto(f"{gateway.url}/console/requests")
    await _sign_in(page)
    transferred = await page.evaluate(
        "performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0)"
    )
    assert 0 < transferred <= 250_000
    await context.close()


async def _page(context: BrowserContext) -> tuple[Page, list[str]]:
    """Return a page, and the list of what its browser will complain of."""
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    return page, wrong


async def _sign_in(page: Page) -> None:
    await _fill_and_send(page, {"E-mail address": EMAIL, "Password": PASSWORD}, "Sign in")


async def _fill_and_send(page: Page, fields: dict[str, str], button: str) -> None:
    for label, text in fields.items():
        await page.get_by_label(label).first.fill(text)
    await page.get_by_role("button", name=button).click()
    await page.wait_for_load_state()


async def _tab_to(page: Page, text: str | re.Pattern[str], *, backwards: bool = False) -> None:
    """Press Tab until what has the focus says `text`."""
    for _ in range(60):
        await page.keyboard.press("Shift+Tab" if backwards else "Tab")
        said = await page.evaluate("document.activeElement.innerText ?? ''")
        if re.search(text, said):
            return
    raise AssertionError(f"Tab never came to {text!r}")


async def _violations(page: Page, axe: str) -> list[str]:
    await page.evaluate(axe)
    found = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{one['id']}: {[place['html'][:160] for place in one['nodes']]}" for one in found["violations"]]
