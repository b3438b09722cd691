"""What the playground and the page Connect give to copy is taken from the page and run, as it is, against the gateway."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from keystead.connect.render import PLACEHOLDER
from tests.acceptance.javascript import FOLDER
from tests.acceptance.test_console import EMAIL, KEY, PASSWORD
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="session")

LANGUAGES = ("curl", "Python", "JavaScript")
SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
TOOLS = '[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]'
RUN_S = 60


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(fake: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    home = tmp_path_factory.mktemp("snippets") / "home"
    async with Gateway.running(home, egress_allow="127.0.0.1") as started:
        await started.add_credential("research", "openai", KEY, origin=fake.origin)
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def context(chromium: Browser, gateway: Gateway) -> AsyncIterator[BrowserContext]:
    """A browser in which the administrator is signed in, with a key of their own for the playground."""
    made = await chromium.new_context()
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


class Copied(msgspec.Struct, frozen=True):
    """The playground in a browser, and what its programs are run against."""

    page: Page
    gateway: Gateway
    fake: FakeProvider
    node: str

    async def code(self, language: str, *, streamed: bool = False) -> str:
        """Return the program that stands in the page."""
        await self.page.get_by_role("button", name="Code").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_role("button", name=language, exact=True).click()
        await dialog.get_by_label("Streamed").set_checked(streamed)
        program = await self.page.locator("#code-text").text_content()
        await self.page.keyboard.press("Escape")
        assert program is not None
        return program

    async def run(self, language: str, program: str, *, key: str = "") -> str:
        """Run a program to its end; return what it prints."""
        commands = {
            "curl": ("bash", "-eu"),
            "Python": (sys.executable, "-"),
            "JavaScript": (self.node, "--input-type=module", "-"),
        }
        process = await asyncio.create_subprocess_exec(
            *commands[language],
            cwd=FOLDER,
            env={"PATH": os.environ["PATH"], "KEYSTEAD_KEY": key or self.gateway.virtual_key},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(RUN_S):
                out, err = await process.communicate(program.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def answered(self, language: str, says: str, *, streamed: bool = False) -> dict[str, Any]:
        """Copy a program and run it; return what came to the provider, once the log has the request."""
        program = await self.code(language, streamed=streamed)
        before = await self.logged()
        assert says in await self.run(language, program)
        body: dict[str, Any] = json.loads(self.fake.calls[-1].body)
        async with asyncio.timeout(RUN_S):
            while await self.logged() <= before:
                await asyncio.sleep(0.05)
        return body

    async def logged(self) -> set[str]:
        """Return the requests that ended well."""
        found = await self.gateway.admin("GET", "/requests?state=settled&limit=200")
        return {one["id"] for one in found["items"]}


@pytest_asyncio.fixture(loop_scope="session")
async def copied(context: BrowserContext, gateway: Gateway, fake: FakeProvider, node: str) -> AsyncIterator[Copied]:
    """The playground, empty, in which a model of the fake provider is chosen."""
    page = await context.new_page()
    page.set_default_timeout(10_000)
    await page.goto(f"{gateway.url}/console/playground")
    await page.locator(".model").fill("research/gpt-4o-mini")
    yield Copied(page, gateway, fake, node)
    await page.close()


async def test_a_question_with_its_parameters_is_copied_and_run(copied: Copied) -> None:
    await copied.page.get_by_label("System prompt").fill('Be "brief", don\'t $HOME `id`.')
    await copied.page.get_by_label("Temperature").fill("0.5")
    await copied.page.get_by_label("Most tokens").fill("50")
    await copied.page.get_by_label("Message").fill("It's marker-plain, \\ and so on")
    for language in LANGUAGES:
        body = await copied.answered(language, "pong plain")
        assert body["messages"][0] == {"role": "system", "content": 'Be "brief", don\'t $HOME `id`.'}
        assert (body["temperature"], body["max_completion_tokens"]) == (0.5, 50)


async def test_a_stream_is_copied_and_run(copied: Copied) -> None:
    await copied.page.get_by_label("Message").fill("marker-stream")
    for language in LANGUAGES:
        body = await copied.answered(language, "pong" if language == "curl" else "pong stream", streamed=True)
        assert body["stream"] is True


async def test_an_image_that_is_longer_than_an_argument_may_be_is_copied_and_run(
    copied: Copied, tmp_path: Path
) -> None:
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 150_000)
    await copied.page.locator("#attach").set_input_files(tmp_path / "dot.png")
    await copied.page.locator("#images li").wait_for()
    await copied.page.get_by_label("Message").fill("marker-image")
    for language in LANGUAGES:
        body = await copied.answered(language, "pong image")
        [_, image] = body["messages"][0]["content"]
        sent = base64.b64decode(image["image_url"]["url"].partition(",")[2])
        assert sent == (tmp_path / "dot.png").read_bytes()


async def test_a_schema_is_copied_and_run(copied: Copied) -> None:
    await copied.page.get_by_text("Answer as JSON").click()
    await copied.page.get_by_label("JSON schema of the answer").fill(SCHEMA)
    await copied.page.get_by_label("Message").fill("marker-schema")
    for language in LANGUAGES:
        body = await copied.answered(language, "pong schema")
        assert body["response_format"]["json_schema"]["schema"] == json.loads(SCHEMA)


async def test_a_tool_call_is_copied_run_and_seen(copied: Copied) -> None:
    await copied.page.locator(".model").fill("sandbox/tools")
    await copied.page.get_by_text("Tools", exact=True).click()
    await copied.page.get_by_label("Tools, as JSON").fill(TOOLS)
    await copied.page.get_by_label("Message").fill("What is the weather?")
    for language in LANGUAGES:
        for streamed in (False, True):
            program = await copied.code(language, streamed=streamed)
            assert "weather" in await copied.run(language, program)
    await copied.page.locator("#send").click()
    await copied.page.get_by_label("Result of weather, call 1").fill("Sunny")
    await copied.page.get_by_role("button", name="Give the results").click()
    await copied.page.get_by_text("Key used").nth(1).wait_for()
    program = await copied.code("curl")
    assert "Sunny" in program
    assert json.loads(await copied.run("curl", program))["choices"]


async def test_what_was_asked_is_what_is_copied_and_not_its_answer(copied: Copied) -> None:
    await copied.page.get_by_role("button", name="Code").click()
    assert await copied.page.locator("#said").inner_text() == "Write something first."
    await copied.page.get_by_label("Message").fill("marker-asked")
    await copied.page.locator("#send").click()
    await copied.page.get_by_text("Key used").wait_for()
    body = await copied.answered("curl", "pong asked")
    assert [one["role"] for one in body["messages"]] == ["user"]


async def test_what_connect_gives_is_copied_run_and_received(copied: Copied) -> None:
    made = await copied.gateway.admin("POST", "/virtual-keys", {"name": "copied", "team": "Default team"})
    awaited = "first"
    for client, language in (("curl", "curl"), ("openai-python", "Python"), ("openai-js", "JavaScript")):
        await copied.page.goto(
            f"{copied.gateway.url}/console/connect?client={client}&key={made['virtual_key']['id']}&model=research/gpt-4o-mini"
        )
        await copied.page.get_by_text(f"Waiting for the {awaited} request").wait_for()
        code = await copied.page.locator(f"#{client}-code").inner_text()
        program = code
        if language == "curl":
            environment = await copied.page.locator("#curl-environment").inner_text()
            program = f"{environment.replace(PLACEHOLDER, made['key'])}\n{code}"
        assert "pong" in await copied.run(language, program, key=made["key"])
        await copied.page.get_by_text("Received.").wait_for()
        awaited = "next"
