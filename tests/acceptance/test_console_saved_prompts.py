"""A prompt is saved in a real browser, the page loaded anew, the prompt opened and run."""

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.acceptance.javascript import FOLDER
from tests.acceptance.test_console import chromium
from tests.acceptance.test_console_playground import HOSTILE, _violations, ask, context, gateway, page
from tests.fakes.gateway import Gateway

__all__ = ["chromium", "context", "gateway", "page"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYSTEM = "You are \u202ekind </script> \"'"
SCHEMA = '{"type": "object"}'


async def test_a_prompt_is_saved_opened_after_a_reload_and_run(page: Page, gateway: Gateway) -> None:
    await page.get_by_label("System prompt").fill(SYSTEM)
    await page.get_by_label("Temperature").fill("0.5")
    await ask(page, HOSTILE, "sandbox/echo", "sandbox/story")
    await page.get_by_text("Key used").first.wait_for()
    await page.locator("#send:enabled").wait_for()
    await page.get_by_label("Message").fill("And then?")
    await page.locator("#save-name").fill("<b>Two</b> questions")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_text("Saved.", exact=True).wait_for()
    await page.get_by_role("button", name="Save as another").click()
    await page.locator("#saved li").nth(1).wait_for()
    assert await page.locator("#saved b").count() == 0
    shown = await gateway.admin("GET", "/playground/prompts")
    assert [one["name"] for one in shown["items"]] == ["<b>Two</b> questions"] * 2

    await page.reload()
    assert await page.get_by_label("System prompt").input_value() == ""
    await page.get_by_role("link", name="<b>Two</b> questions").first.click()
    await page.wait_for_url("**prompt=prm_*")
    await page.locator(".model").nth(1).wait_for()
    models = [await page.locator(".model").nth(number).input_value() for number in (0, 1)]
    assert models == ["sandbox/echo", "sandbox/story"]
    assert await page.get_by_label("System prompt").input_value() == SYSTEM
    assert await page.get_by_label("Temperature").input_value() == "0.5"
    assert await page.get_by_label("Message").input_value() == HOSTILE
    assert await page.locator(".answered").count() == 0
    async with page.expect_request("**/playground/run") as sent:
        await page.get_by_role("button", name="Send").click()
    body = (await sent.value).post_data_json or {}
    assert body["messages"] == [{"role": "system", "content": SYSTEM}, {"role": "user", "content": HOSTILE}]
    await page.get_by_text("Key used").first.wait_for()
    assert await page.get_by_label("Message").input_value() == "And then?", "the next question waits"


async def test_it_is_changed_where_it_is_open_and_large_images_are_left_out(
    page: Page,
    gateway: Gateway,
    tmp_path: Path,
) -> None:
    made = {"name": "open", "content": {"models": ["sandbox/echo"], "system": "before"}}
    prompt = (await gateway.admin("POST", "/playground/prompts", made))["id"]
    await page.goto(f"{gateway.url}/console/playground?prompt={prompt}")
    await page.locator(".model").wait_for()
    for name, content in (("small.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40), ("large.png", b"0" * 30_000)):
        (tmp_path / name).write_bytes(content)
    await page.locator("#attach").set_input_files([tmp_path / "small.png", tmp_path / "large.png"])
    await page.locator("#images li").nth(1).wait_for()
    await page.get_by_text("Answer as JSON").click()
    await page.get_by_label("JSON schema of the answer").fill(SCHEMA)
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_text("Saved, but for 1 image").wait_for()
    kept = (await gateway.admin("GET", f"/playground/prompts/{prompt}"))["content"]
    assert (kept["system"], kept["json_schema"]) == ("before", SCHEMA)
    assert len(kept["questions"][0]["images"]) == 1
    await page.get_by_label("System prompt").fill("x" * 45_000)
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_text("at most 40000 characters").or_(page.get_by_text("larger than 40,000 bytes")).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_a_narrow_screen_holds_it(
    page: Page,
    gateway: Gateway,
    node: str,
    scheme: str,
) -> None:
    assert node
    axe = await asyncio.to_thread((FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text)
    content = {"models": ["sandbox/echo"], "system": HOSTILE, "tools": json.dumps([{}]), "questions": [{"text": "a"}]}
    made = await gateway.admin("POST", "/playground/prompts", {"name": HOSTILE[:8].strip(), "content": content})
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in ("playground/prompts", f"playground/prompts/{made['id']}", f"playground?prompt={made['id']}"):
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 740})
            await page.goto(f"{gateway.url}/console/{path}")
            assert await _violations(page, axe) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
