"""The pages of saved prompts: read, renamed and deleted without a script, by whose they are."""

import html
import json
import re

from tests.integration.console.conftest import Browser
from tests.integration.console.test_playground import HOSTILE, make_key

PROMPTS = "/console/playground/prompts"
TRICKY = '\u202e</script> "quoted" it\'s \U0001f600\n' + HOSTILE
CONTENT = {"models": ["sandbox/echo"], "system": TRICKY, "questions": [{"text": TRICKY}]}


async def save(browser: Browser, name: str = "mine", prompt: str = "") -> dict[str, object]:
    form = {"name": name, "id": prompt, "content": json.dumps(CONTENT)}
    answer = await browser.submit("/console/account", PROMPTS, form, expect=200)
    return dict(json.loads(answer.body))


async def test_it_is_opened_as_it_was_typed_and_shown_inert(inside: Browser) -> None:
    await make_key(inside)
    saved = await save(inside, HOSTILE)
    for path in (f"/console/playground?prompt={saved['id']}", PROMPTS, f"{PROMPTS}/{saved['id']}"):
        page = await inside.get(path)
        assert "<img src=x" not in page
        assert "</script> " not in page
        assert "\u202e" not in page
    page = await inside.get(f"/console/playground?prompt={saved['id']}")
    kept = re.search(r'data-prompt="([^"]*)"', page)
    assert kept is not None
    assert json.loads(html.unescape(kept[1])) == CONTENT
    assert "Nothing is stored unless saved" in page


async def test_it_is_saved_again_renamed_and_deleted(inside: Browser) -> None:
    prompt = str((await save(inside))["id"])
    assert await save(inside, "newer", prompt) == {"id": prompt, "name": "newer"}
    assert "newer" in await inside.get(PROMPTS)
    page = f"{PROMPTS}/{prompt}"
    refused = await inside.submit(page, page, {"name": ""}, expect=400)
    assert 'role="alert"' in refused.body.decode()
    await inside.submit(page, page, {"name": "renamed"})
    assert "renamed" in await inside.get(page)
    await inside.submit(page, f"{page}/delete", {})
    await inside.get(page, expect=404)
    assert "Nothing is saved" in await inside.get(PROMPTS)


async def test_why_it_was_not_saved_is_told_to_the_page(inside: Browser) -> None:
    for form in ({"name": "", "content": "{}"}, {"name": "x", "content": "{"}, {"name": "x", "id": "prm_1"}):
        answer = await inside.submit("/console/account", PROMPTS, {"content": "{}"} | form, expect=200)
        assert json.loads(answer.body)["problem"]["message"]
    await inside.post(PROMPTS, {"name": "x", "content": "{}"}, expect=403)
    assert "Nothing is saved" in await inside.get(PROMPTS)


async def test_nobody_else_is_shown_it_and_an_auditor_keeps_none(inside: Browser) -> None:
    world, prompt = inside.world, str((await save(inside))["id"])
    for role in ("developer", "auditor"):
        person = {"name": role, "team": world.team_id, "roles": [{"role": role}]}
        await world.post("/members", person, expect=201)
    developer, auditor = inside.another(), inside.another()
    await developer.come_in("developer", email="dev@example.com")
    await developer.get(f"{PROMPTS}/{prompt}", expect=404)
    assert "Nothing is saved" in await developer.get(PROMPTS)
    await auditor.come_in("auditor", email="aud@example.com")
    await auditor.get(PROMPTS, expect=403)
