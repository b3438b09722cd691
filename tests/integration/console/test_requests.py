"""The log's page and one request: filters as chips, the file, the picture, the bill, and hostile names inert."""

import csv
import io
import re

from tests.integration.admin.settled import settled
from tests.integration.console.conftest import Browser

HOSTILE = '"><img src=x onerror=alert(1)>'


async def test_filters_are_chips_that_lead_to_the_list_without_them(inside: Browser) -> None:
    page = await inside.get("/console/requests?provider=openai&min_cost=0.5")
    assert 'href="/console/requests?min_cost=0.5" aria-label="Take away the filter provider openai"' in page
    assert 'href="/console/requests?provider=openai" aria-label="Take away the filter costs at least 0.5"' in page
    assert "Filters in force" not in await inside.get("/console/requests")
    assert HOSTILE not in await inside.get(f"/console/requests?model={HOSTILE}")


async def test_the_buttons_give_what_the_filters_leave(inside: Browser) -> None:
    await inside.world.add_credential()
    kept = await settled(inside.world, model="gpt-4o")
    await settled(inside.world)
    page = await inside.get("/console/requests?model=gpt-4o&until=2026-02-01T00:00")
    [path] = re.findall(r'href="(/console/requests/export[^"]*format=csv)"', page)
    answer = await inside.send("GET", path.replace("&amp;", "&"))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "content-security-policy" in answer.headers
    assert [row["id"] for row in csv.DictReader(io.StringIO(answer.body.decode()))] == [kept]
    refused = await inside.get("/console/requests/export?format=xlsx", expect=400)
    assert "csv" in refused or "format" in refused


async def test_a_request_is_drawn_billed_and_explained(inside: Browser) -> None:
    added = await inside.world.add_credential()
    body = {"regions": ["eu"], "retention_days": 0, "no_training": True, "dpa_reference": HOSTILE}
    await inside.world.post(f"/credentials/{added['id']}/terms", body)
    page = await inside.get(f"/console/requests/{await settled(inside.world, asked=HOSTILE)}")
    assert '<svg viewBox="0 0 900 150" role="img" aria-labelledby="chain-title chain-desc">' in page
    assert "Attempt 1: main v1, own key at openai, gpt-5; began after 0.0 ms; settled · HTTP 200; 1.50 s" in page
    assert re.search(r"input tokens</td><td class=\"num\">100</td><td class=\"num\">0.00000125</td>", page)
    assert "no training, no retention, eu, DPA" in page
    assert HOSTILE not in page
    assert "style=" not in page
    assert page.count("Allowed by grant") <= 1


async def test_who_may_not_see_credentials_sees_no_terms(inside: Browser) -> None:
    await inside.world.add_credential()
    person = {
        "name": "dev",
        "team": inside.world.team_id,
        "roles": [{"role": "developer", "team": inside.world.team_id}],
    }
    await inside.world.post("/members", person, expect=201)
    await inside.world.post(
        "/virtual-keys", {"name": "devs", "member": "dev", "team": inside.world.team_id}, expect=201
    )
    mine = await settled(inside.world, key_name="devs")
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    page = await developer.get(f"/console/requests/{mine}")
    assert "What was tried" in page
    assert "no training" not in page
    assert "training not excluded" not in page
    rows = (await developer.send("GET", "/console/requests/export")).body.decode().splitlines()
    assert [mine in row for row in rows] == [False, True]
