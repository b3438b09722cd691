"""Going anywhere by name, the look, and the parts page."""

import json
import re

from keystead.web.console.rendering import environment
from tests.integration.admin.settled import settled
from tests.integration.console.conftest import Browser


async def found(browser: Browser, words: str) -> list[dict[str, str]]:
    answer = await browser.send("GET", f"/console/find.json?q={words}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    told: list[dict[str, str]] = json.loads(answer.body)
    return told


async def test_pages_and_names_are_found_with_and_without_scripts(inside: Browser) -> None:
    await inside.world.add_credential("research")
    await inside.world.post("/virtual-keys", {"name": "nightly report", "team": inside.world.team_id}, expect=201)
    prompt = await inside.world.post("/playground/prompts", {"name": "minutes of a meeting", "content": {}}, expect=201)
    request = await settled(inside.world)
    [mine] = await found(inside, "minutes")
    assert mine["to"] == f"/console/playground?prompt={prompt['id']}"
    assert {"title": "Spend", "kind": "page", "to": "/console/spend"} in await found(inside, "spen")
    [key] = await found(inside, "report%20NIGHT")
    assert key["kind"] == "virtual key"
    assert {one["kind"] for one in await found(inside, "research")} >= {"credential"}
    [one] = await found(inside, request)
    assert one["to"] == f"/console/requests/{request}"
    assert f'href="/console/requests/{request}"' in await inside.get(f"/console/find?q={request}")
    assert "Nothing is called that" in await inside.get("/console/find?q=zzzzzz")
    assert await found(inside, f"{request[:-1]}0") == []


async def test_what_is_found_is_inert(inside: Browser) -> None:
    await inside.world.add_credential("x<img src=x onerror=alert(1)>")
    assert "<img src=x" not in await inside.get("/console/find?q=onerror&x=")
    assert "<img src=x" not in await inside.get('/console/find?q="><img src=x>')


async def test_a_developer_finds_only_what_is_theirs(inside: Browser) -> None:
    world = inside.world
    await world.add_credential("research")
    request = await settled(world)
    await world.post("/members", {"name": "dev", "team": world.team_id, "roles": [{"role": "developer"}]}, expect=201)
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    assert {one["kind"] for one in await found(developer, "research")} == {"model"}  # none of them a credential
    assert await found(developer, request) == []
    assert await found(developer, "first%20key") == []
    assert {one["to"] for one in await found(developer, "")} == {
        "/console/models",
        "/console/routes",
        "/console/playground",
        "/console/playground/prompts",
        "/console/connect",
        "/console/requests",
        "/console/keys",
        "/console/keys/new",
        "/console/account",
        "/console/parts",
    }


async def test_a_look_is_kept_in_the_browser_and_shown_from_the_first_byte(inside: Browser) -> None:
    session = dict(inside.cookies)
    assert "data-look" not in await inside.get("/console/spend")
    chosen = await inside.submit("/console/spend", "/console/look", {"look": "dark", "to": "/console/spend"})
    assert chosen.headers["location"] == "/console/spend"
    assert "keystead_look=dark" in chosen.headers["set-cookie"]
    inside.cookies = {**session, "keystead_look": "dark"}
    assert '<html lang="en" data-look="dark">' in await inside.get("/console/spend")
    inside.cookies = {**session, "keystead_look": '"><script>'}
    assert "data-look" not in await inside.get("/console/spend")
    inside.cookies = session
    for elsewhere in ("//evil.example", "https://evil.example", "/console/\\evil"):
        sent = await inside.submit("/console/spend", "/console/look", {"look": "system", "to": elsewhere})
        inside.cookies = dict(session)
        assert sent.headers["location"] == "/console/"
        assert "Max-Age=0" in sent.headers["set-cookie"]


async def test_every_part_is_on_the_parts_page(inside: Browser) -> None:
    page = await inside.get("/console/parts")
    source = environment().loader.get_source(environment(), "parts_page.html")[0]  # type: ignore[union-attr]
    shown = set(re.findall(r"parts\.(\w+)\(", source))
    macros = set(re.findall(r"{% macro (\w+)\(", environment().loader.get_source(environment(), "parts.html")[0]))  # type: ignore[union-attr]
    assert macros - {"token"} <= shown
    assert "Almost nothing" in page
