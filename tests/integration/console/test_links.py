"""Links: whoever is shown one may go there."""

import html
import re
from urllib.parse import urljoin, urlsplit

import pytest

from tests.integration.admin.matrix import objects_of
from tests.integration.console.conftest import Browser

ENOUGH = 200


async def followed(browser: Browser) -> dict[str, str]:
    """Follow links as far as they lead; return those that led nowhere, with the page that they are on."""
    todo = [("/console/", ""), ("/console/parts", "")]
    seen: set[str] = set()
    dead: dict[str, str] = {}
    while todo and len(seen) < ENOUGH:
        address, page = todo.pop(0)
        if address in seen:
            continue
        seen.add(address)
        answer = await browser.send("GET", address)
        if answer.status == 303:
            todo.append((answer.headers["location"], address))
        elif answer.status != 200 and b"Look for the name" not in answer.body:  # a model that no catalogue knows
            dead[address] = page
        if answer.headers.get("content-type", "").startswith("text/html"):
            todo += [(to, address) for to in _links(address, answer.body.decode()) if to not in seen]
    assert len(seen) > 20
    return dead


def _links(address: str, page: str) -> list[str]:
    found = (urlsplit(urljoin(address, html.unescape(to))) for to in re.findall(r'<a [^>]*?href="([^"]*)"', page))
    # Cursors and spans of time lead to more of the same.
    return [one._replace(fragment="").geturl() for one in found if not one.netloc and "span=" not in one.query]


@pytest.mark.parametrize("role", ["auditor", "finance", "key_custodian", "developer", "administrator"])
async def test_a_link_that_is_shown_leads_somewhere(role: str, inside: Browser) -> None:
    world = inside.world
    await objects_of(world)
    await world.post("/teams", {"name": "Labs", "parent": world.team_id}, expect=201)
    within = {"team": "Labs"} if role == "administrator" else {}
    person = {"name": "reader", "team": "Labs", "roles": [{"role": role, **within}]}
    await world.post("/members", person, expect=201)
    reader = inside.another()
    await reader.come_in("reader", email="reader@example.com")
    assert await followed(reader) == {}
