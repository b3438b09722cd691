"""Saved prompts on the command line, against a gateway that really runs."""

import json
from pathlib import Path

import pytest

from tests.fakes.command_line import Run, answer, row

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_prompt_is_saved_listed_shown_replaced_and_deleted(run: Run, tmp_path: Path) -> None:
    assert "You have saved no prompt." in (await run("prompt", "list")).output
    said = ("--model", "sandbox/echo", "--system", "Be brief.", "--question", "Hello?", "--question", "And then?")
    await run("prompt", "save", "greeting", *said)
    shown = await answer(run, "prompt", "show", "greeting")
    assert shown["content"] == {
        "models": ["sandbox/echo"],
        "system": "Be brief.",
        "questions": [{"text": "Hello?"}, {"text": "And then?"}],
    }
    told = (await run("prompt", "show", shown["id"])).stdout
    assert row(told, "And then?") == ["question", "And", "then?"]
    content = shown["content"] | {"temperature": 0.5}
    (tmp_path / "prompt.json").write_text(json.dumps(shown | {"content": content}))
    await run("prompt", "save", "other", "--file", str(tmp_path / "prompt.json"), "--replace", "greeting")
    [kept] = await answer(run, "prompt", "list")
    assert (kept["id"], kept["name"]) == (shown["id"], "other")
    assert (await answer(run, "prompt", "show", "other"))["content"] == content
    await run("prompt", "delete", "other", "--yes")
    assert await answer(run, "prompt", "list") == []


async def test_which_prompt_is_meant_must_be_clear_and_a_file_must_hold_one(run: Run) -> None:
    for _ in range(2):
        await run("prompt", "save", "twice", "--system", "x")
    assert "Several of your prompts are named 'twice'" in (await run("prompt", "show", "twice", expect=1)).output
    assert "None of your prompts is named 'never'" in (await run("prompt", "delete", "never", "-y", expect=1)).output
    assert "Say what to save" in (await run("prompt", "save", "x", expect=2)).output
    assert "is not JSON" in (await run("prompt", "save", "x", "--file", "-", stdin="{", expect=1)).output
    assert "holds no prompt" in (await run("prompt", "save", "x", "--file", "-", stdin="[]", expect=1)).output
    assert "nonsense" in (await run("prompt", "save", "x", "--file", "-", stdin='{"nonsense": 1}', expect=1)).output
    assert "There is no" in (await run("prompt", "show", "prm_01m15d1t000v0vzyevwmjeq3wz", expect=1)).output
