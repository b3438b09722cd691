"""The models' pages: found, filtered, paged, priced; and what is hostile in a name stays text, also in a shell."""

import html
import json
import re
import shlex

import pytest

from tests.integration.admin.world import World, provider_key
from tests.integration.console.conftest import Browser

HOSTILE = "evil'\"><img/src=x/onerror=alert(1)>$(reboot)"
PLACE = "provider=openai&model=gpt-tomorrow"


async def offering(world: World, *names: str, key: str = "main") -> None:
    body = {"object": "list", "data": [{"id": name} for name in names]}
    world.transport.answers[provider_key(key)] = (200, json.dumps(body).encode())
    await world.add_credential(key)
    await world.post(f"/credentials/{key}/models/refresh")


def listed(page: str) -> list[str]:
    """Return the models that a page lists, by the links to them."""
    return re.findall(r"/console/models/one\?provider=\w+&amp;model=([^\"]+)\"", page)


async def test_the_catalogue_is_searched_filtered_and_paged(inside: Browser) -> None:
    page = await inside.get("/console/models?provider=groq")
    assert 0 < len(listed(page)) <= 50
    first = await inside.get("/console/models?q=claude")
    following = re.search(r'rel="next" href="(/console/models[^"]+)"', first)
    assert following is not None
    second = await inside.get(html.unescape(following[1]))
    assert listed(second)
    assert not set(listed(first)) & set(listed(second))
    assert "No model is like that" in await inside.get("/console/models?q=never-heard-of-it")
    assert "There is no such choice" in await inside.get("/console/models?life=eternal", expect=400)
    assert "no capability" in await inside.get("/console/models?capability=telepathy", expect=400)


async def test_what_is_usable_names_its_credentials_and_an_unpriced_one_is_priced(inside: Browser) -> None:
    await offering(inside.world, "gpt-5", "gpt-tomorrow")
    page = await inside.get("/console/models?of=usable&provider=openai")
    assert set(listed(page)) == {"gpt-5", "gpt-tomorrow"}
    assert page.count('<a class="chip" href="/console/vault/') == 2
    shown = await inside.get(f"/console/models/one?{PLACE}")
    assert "Price it" in shown
    form = {"provider": "openai", "model": "gpt-tomorrow", "pattern": "gpt-tomorrow", "currency": "eur"}
    at = f"/console/models/price?{PLACE}"
    wrong = await inside.submit(at, "/console/models/price", form | {"price.input_tokens": "two"}, expect=400)
    assert 'aria-describedby="price.input_tokens-wrong"' in wrong.body.decode()
    assert 'value="two"' in wrong.body.decode()
    for bad, field in (({"currency": "euro"}, "currency"), ({"valid_from": "2001-01-01"}, "valid_from")):
        given = form | {"price.input_tokens": "2"} | bad
        told = (await inside.submit(at, "/console/models/price", given, expect=400)).body.decode()
        assert f'id="{field}-wrong"' in told
    empty = await inside.submit(at, "/console/models/price", form, expect=400)
    assert 'id="price.input_tokens-wrong"' in empty.body.decode()
    typed = form | {"price.input_tokens": "2.50", "price.output_tokens": "7"}
    kept = await inside.submit(at, "/console/models/price", typed)
    priced = await inside.get(kept.headers["location"])
    assert "€2.50" in priced
    assert "in force" in priced
    override = re.search(r'name="price_override" value="(\w+)"', priced)
    assert override is not None
    place = {"provider": "openai", "model": "gpt-tomorrow", "price_override": override[1]}
    await inside.submit(kept.headers["location"], "/console/models/price/end", place)
    assert "Price it" in await inside.get(kept.headers["location"])


async def test_a_models_page_tells_its_prices_over_time_and_what_leads_to_it(inside: Browser) -> None:
    await inside.world.add_credential()
    attempts = [{"model": "gpt-5", "credential": "main"}]
    await inside.world.post("/model-routes", {"name": "coding", "attempts": attempts}, expect=201)
    page = await inside.get("/console/models/one?provider=openai&model=gpt-5")
    assert ">coding</a>" in page
    assert "family:gpt" in page
    assert "main/gpt-5" in page
    dated = await inside.get("/console/models/one?provider=google&model=gemini-4-argon")
    assert "from 2026-12-01" in dated
    assert "until 2026-12-01" in dated
    assert "Add a key of" in dated


async def test_a_model_that_nobody_tells_of_says_what_to_do(inside: Browser) -> None:
    page = await inside.get("/console/models/one?provider=openai&model=gpt-99", expect=404)
    assert "Look for the name" in page
    assert "Price it" in page
    assert (
        (await inside.send("GET", "/console/models/one?model=gpt-5"))
        .headers["location"]
        .startswith("/console/models?q=gpt-5")
    )
    await inside.get("/console/models/one?provider=nobody&model=gpt-99", expect=404)


async def test_a_hostile_name_is_text_on_the_page_and_one_word_in_a_shell(inside: Browser) -> None:
    await offering(inside.world, HOSTILE)
    page = await inside.get("/console/models?of=usable&provider=openai")
    assert "<img" not in page.replace('<img src="/console/static', "")
    path = re.search(r'href="(/console/models/one\?provider=openai[^"]+)"', page)
    assert path is not None
    shown = await inside.get(html.unescape(path[1]))
    assert "<img" not in shown.replace('<img src="/console/static', "")
    command = re.search(r'<pre id="curl"><code>(.*?)</code>', shown, re.DOTALL)
    assert command is not None
    words = shlex.split(re.sub(r"</?span[^>]*>", "", html.unescape(command[1])))
    assert json.loads(words[-1])["model"] == f"main/{HOSTILE}"


@pytest.mark.parametrize(("role", "status"), [("developer", 200), ("auditor", 200), ("key_custodian", 403)])
async def test_who_may_not_change_prices_is_offered_nothing_and_refused(
    inside: Browser, role: str, status: int
) -> None:
    world = inside.world
    await offering(world, "gpt-tomorrow")
    await world.post("/members", {"name": "eve", "team": world.team_id, "roles": [{"role": role}]}, expect=201)
    eve = inside.another()
    await eve.come_in("eve", email="eve@example.com")
    page = await eve.get("/console/models?of=usable&provider=openai", expect=status)
    assert "price it" not in page
    assert ('href="/console/models" ' in page) is (status == 200)
    form = {"provider": "openai", "model": "m", "pattern": "m", "currency": "USD", "price.input_tokens": "1"}
    await eve.submit("/console/account", "/console/models/price", form, expect=403)
    assert (await world.get("/price-overrides"))["items"] == []
