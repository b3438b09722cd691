"""The playground and Connect in a real browser, against the running gateway: the trip of a request, told in place."""

import ast
import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from tests.acceptance.javascript import FOLDER
from tests.acceptance.test_console import EMAIL, PASSWORD, chromium
from tests.fakes.gateway import Gateway

__all__ = ["chromium"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = """# Title
**bold** and `code` <img src=x onerror=alert(1)> \u202egpj.exe
[good](https://example.com/a) [bad](javascript:alert(1)) [plain](http://example.com) ![seen](https://example.com/i.png)

```html
<script>alert(1)</script>
```
- one
- two"""
TRICKY = "it's \"quoted\" $HOME `id` \\n %s \U0001f600 \u2028 \u202e ${1} </script> '''"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"__proto__": {"type": "object"}}}}
BODY: dict[str, Any] = {
    "model": "sandbox/echo",
    "messages": [{"role": "user", "content": TRICKY}, {"role": "assistant", "content": None}],
    "temperature": 0.5,
    "tools": [TOOL],
    "stop": [],
    "parallel_tool_calls": True,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with Gateway.running(tmp_path_factory.mktemp("playground") / "home") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def context(chromium: Browser, gateway: Gateway) -> AsyncIterator[BrowserContext]:
    """A browser in which the administrator is signed in, and has a key of their own for the playground."""
    made = await chromium.new_context()
    await made.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await made.new_page()
    await page.goto(gateway.url + (await gateway.admin("POST", "/members/administrator/sign-in-link"))["path"])
    await page.get_by_label("E-mail address").fill(EMAIL)
    await page.get_by_label("Password").first.fill(PASSWORD)
    await page.get_by_role("button", name="Keep it and sign in").click()
    await page.get_by_role("link", name="Playground").click()
    await page.get_by_role("button", name="Make it").click()
    await page.locator("#message").wait_for()
    await page.close()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext, gateway: Gateway) -> AsyncIterator[Page]:
    """The playground, empty. What the browser complains of fails the test, but for refusals that were asked for."""
    made = await context.new_page()
    made.set_default_timeout(10_000)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
    await made.goto(f"{gateway.url}/console/playground")
    await made.locator(".model").wait_for()
    yield made
    await made.close()
    assert [text for text in wrong if "the server responded with a status of" not in text] == []


async def ask(page: Page, text: str, *models: str) -> None:
    """Send `text` to `models` with the keyboard."""
    for number, model in enumerate(models):
        if number:
            await page.get_by_role("button", name="Compare with another model").click()
        await page.locator(".model").nth(number).fill(model)
    await page.get_by_label("Message").fill(text)
    await page.keyboard.press("Control+Enter")


async def test_four_models_answer_beside_each_other_each_with_its_figures_or_its_error(
    page: Page, gateway: Gateway
) -> None:
    await ask(page, "Hello", "sandbox/echo", "sandbox/story", "sandbox/error-429", "nobody/model")
    assert await page.get_by_role("button", name="Compare with another model").is_hidden()
    columns = page.locator(".contender")
    for number in (0, 1):
        figures = columns.nth(number).locator(".figures")
        await figures.get_by_text("Key used").wait_for()
        text = await figures.inner_text()
        assert re.search(r"First token\s+\d+ ms", text), text
        assert re.search(r"Tokens in\s+\d", text), text
        assert re.search(r"Cost\s+\$0", text), text
    throttled, unknown = columns.nth(2).get_by_role("alert"), columns.nth(3).get_by_role("alert")
    assert "ask another model" in await throttled.inner_text()
    await unknown.get_by_role("button", name="Try again").wait_for()
    request = await columns.nth(0).locator(".figures a").inner_text()
    shown = await gateway.admin("GET", f"/requests/{request}")
    assert shown["request"]["state"] == "settled"
    assert shown["request"]["principal_kind"] == "member"
    assert shown["client"].startswith("Keystead playground/")
    refused = await gateway.admin("GET", f"/requests/{await columns.nth(3).locator('.figures a').inner_text()}")
    assert (refused["request"]["state"], refused["request"]["model_asked"]) == ("rejected", "nobody/model")
    await columns.nth(0).locator(".figures a").click()
    await page.get_by_text("What was tried").wait_for()


async def test_grants_and_limits_hold_here_as_anywhere_and_say_why_in_place(page: Page, gateway: Gateway) -> None:
    limit = {"name": "slowly", "organization": True, "measure": "requests_per_minute", "most": 1}
    rate = await gateway.admin("POST", "/rate-limits", limit)
    deny = {"effect": "deny", "everyone": True, "models": ["sandbox/story"], "note": "Stories are for the evening."}
    grant = await gateway.admin("POST", "/grants", deny)
    try:
        await ask(page, "Hello", "sandbox/story")
        assert "Stories are for the evening." in await page.get_by_role("alert").inner_text()
        await page.locator(".model").fill("sandbox/echo")
        for _ in range(2):
            await ask(page, "Hello")
            await page.locator("#send:enabled").wait_for()
        assert "slowly" in await page.get_by_role("alert").last.inner_text()
    finally:
        await gateway.admin("POST", f"/rate-limits/{rate['id']}/delete")
        await gateway.admin("POST", f"/grants/{grant['id']}/revoke")


async def test_what_a_model_says_is_text_and_nothing_else(page: Page) -> None:
    await ask(page, HOSTILE, "sandbox/echo")
    await page.get_by_text("Key used").wait_for()
    answer = page.locator(".answered > .text").last
    assert await answer.locator("img, script, iframe").count() == 0
    links = await answer.locator("a").evaluate_all("all => all.map((a) => [a.getAttribute('href'), a.rel])")
    assert links == [["https://example.com/a", "noopener noreferrer nofollow"]]
    said = await answer.inner_text()
    for text in (
        "<img src=x onerror=alert(1)>",
        "⟨U+202E⟩",
        "[bad](javascript:alert(1))",
        "![seen]",
        "<script>alert(1)",
    ):
        assert text in said
    assert await answer.locator("pre code").inner_text() == "<script>alert(1)</script>"
    assert await answer.locator("li").count() == 2
    await answer.get_by_role("button", name="Copy").click()
    assert await page.evaluate("navigator.clipboard.readText()") == "<script>alert(1)</script>"


async def test_escape_stops_an_answer_and_the_record_says_so(page: Page, gateway: Gateway) -> None:
    await ask(page, "one two three four five six seven eight nine ten " * 2, "sandbox/slow")
    await page.locator(".answered > .text p").wait_for()
    await page.keyboard.press("Escape")
    await page.get_by_text("Stopped.").wait_for()
    request = await page.locator(".figures a").inner_text()
    async with asyncio.timeout(20):
        while (found := (await gateway.admin("GET", f"/requests/{request}")))["request"]["finished_at"] is None:
            await page.wait_for_timeout(100)
    assert found["attempts"][0]["on_disconnect"] in {"drained", "cancelled"}
    assert await page.get_by_role("button", name="Send").is_enabled()


async def test_a_tool_is_called_and_answered_by_hand_and_a_schema_is_kept_to(page: Page) -> None:
    await page.get_by_text("Tools", exact=True).click()
    await page.get_by_label("Tools, as JSON").fill("[")
    await ask(page, "What is the weather?", "sandbox/tools")
    await page.get_by_text("cannot be read as JSON").wait_for()
    assert await page.get_by_label("Tools, as JSON").get_attribute("aria-invalid") == "true"
    await page.get_by_label("Tools, as JSON").fill(json.dumps([TOOL]))
    await page.get_by_label("Message").focus()
    await page.keyboard.press("Control+Enter")
    await page.get_by_label("Result of weather, call 1").fill("Sunny, 21 degrees")
    await page.get_by_role("button", name="Give the results").click()
    await page.get_by_text("Sunny, 21 degrees").last.wait_for()
    await page.get_by_label("Tools, as JSON").fill("")
    await page.get_by_role("button", name="Begin anew").click()
    await page.get_by_text("Answer as JSON").click()
    await page.get_by_label("JSON schema of the answer").fill(
        '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
    )
    await ask(page, "A city", "sandbox/json")
    await page.get_by_text("Key used").wait_for()
    assert "city" in json.loads(await page.locator(".answered > .text").inner_text())


async def test_an_image_is_attached_bounded_and_sent(page: Page, tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    (tmp_path / "big.png").write_bytes(b"0" * (4 * 1024 * 1024 + 1))
    (tmp_path / "act.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    await page.locator("#attach").set_input_files([tmp_path / name for name in ("big.png", "act.svg", "dot.png")])
    await page.locator("#images li").wait_for()
    assert await page.locator("#images li").count() == 1
    assert "act.svg" in await page.locator("#said").inner_text()
    async with page.expect_request("**/playground/run") as sent:
        await ask(page, "What is it?", "sandbox/echo")
    body = (await sent.value).post_data_json or {}
    assert [part["type"] for part in body["messages"][0]["content"]] == ["text", "image_url"]
    assert body["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    await page.get_by_text("Key used").wait_for()


async def test_signing_out_elsewhere_stops_an_answer(page: Page, context: BrowserContext, gateway: Gateway) -> None:
    await ask(page, "one two three four five six seven eight nine ten " * 2, "sandbox/slow")
    await page.locator(".answered > .text p").wait_for()
    cookies = await context.cookies()
    other = await context.new_page()
    await other.goto(f"{gateway.url}/console/account")
    await other.get_by_role("button", name="Sign out").click()
    await page.get_by_role("link", name="Sign in again").wait_for()
    assert "Your session has ended." in await page.get_by_role("alert").inner_text()
    await other.get_by_label("E-mail address").fill(EMAIL)
    await other.get_by_label("Password").fill(PASSWORD)
    await other.get_by_role("button", name="Sign in").click()
    await other.wait_for_url("**/console/")
    assert await context.cookies() != cookies
    await other.close()


async def test_the_code_of_a_request_says_what_was_typed_in_each_language(page: Page, node: str) -> None:
    address = await page.evaluate(
        "performance.getEntriesByType('resource').map((one) => one.name).find((name) => name.endsWith('snippets.js'))"
    )
    programs = await page.evaluate(
        "async ([address, body]) => { const { program } = await import(address); const value = JSON.parse(body);"
        " return ['curl', 'python', 'javascript'].map((one) => program(one, 'http://h', value)); }",
        [address, json.dumps(BODY)],
    )
    assert all("\u202e" not in text and "\u2028" not in text for text in programs)
    curl, python, javascript = programs
    shell = await _output("sh", "-c", f'KEYSTEAD_KEY=k; curl() {{ printf "%s\\0" "$@"; }}\n{curl}')
    assert shell.split("\0")[:3] == ["-sS", "http://h/v1/chat/completions", "-H"]
    assert json.loads(shell.split("\0")[-2]) == BODY
    [call] = [one for one in ast.walk(ast.parse(python)) if isinstance(one, ast.Call) and len(one.keywords) > 2]
    assert {one.arg: ast.literal_eval(one.value) for one in call.keywords} == BODY
    stub = (
        "class OpenAI { constructor() { this.chat = { completions: { create: (body) => {"
        " console.log(JSON.stringify(body)); return { choices: [{ message: {} }] }; } } }; } }"
    )
    program = javascript.replace('import OpenAI from "openai";', stub)
    assert json.loads((await _output(node, "--input-type=module", "-e", program)).split("\n")[0]) == BODY


async def test_the_code_is_shown_and_copied(page: Page) -> None:
    await page.locator(".model").fill("sandbox/echo")
    await page.get_by_label("Message").fill("it's me")
    await page.get_by_role("button", name="Code").click()
    await page.get_by_role("button", name="Python").click()
    await page.get_by_role("dialog").get_by_role("button", name="Copy").click()
    assert "it's me" in await page.evaluate("navigator.clipboard.readText()")
    await page.keyboard.press("Escape")
    assert await page.get_by_role("dialog").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_a_narrow_screen_holds_it(
    page: Page, gateway: Gateway, node: str, scheme: str
) -> None:
    assert node
    axe = (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await ask(page, HOSTILE, "sandbox/echo", "sandbox/error-500")
    await page.get_by_text("Key used").first.wait_for()
    await page.get_by_role("alert").wait_for()
    assert await _violations(page, axe) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.get_by_role("button", name="Code").first.click()
    assert await _violations(page, axe) == []
    await page.goto(f"{gateway.url}/console/connect?client=claude-code")
    assert await _violations(page, axe) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_the_first_request_of_a_new_key_is_seen_as_it_comes(page: Page, gateway: Gateway) -> None:
    await page.goto(f"{gateway.url}/console/keys/new")
    await page.get_by_label("Name").first.fill("newcomer")
    await page.get_by_role("button", name="Make the key").click()
    await page.get_by_text("Waiting for the first request").wait_for()
    key = await page.locator("#key").inner_text()
    assert key in await page.locator("#curl-environment").inner_text()
    message = [{"role": "user", "content": "Hello"}]
    await gateway.call("POST", "/v1/chat/completions", {"model": "sandbox/echo", "messages": message}, key=key)
    await page.get_by_text("Received.").wait_for()
    await page.locator("#received a").click()
    await page.get_by_text("What was tried").wait_for()


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def _violations(page: Page, axe: str) -> list[str]:
    await page.evaluate(axe)
    found = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{one['id']}: {[place['html'][:160] for place in one['nodes']]}" for one in found["violations"]]
