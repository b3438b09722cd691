"""The log's page and one request: filters as chips, the file, the picture, the bill, and hostile names inert."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from keystead.domain.records import Cost
from keystead.domain.traffic import CostState
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
    assert "Format: choose one of those that there are." in refused


async def test_the_log_says_of_each_request_who_with_which_key_and_what_it_cost(inside: Browser) -> None:
    await inside.world.add_credential()
    known = await settled(inside.world)
    unknown = await settled(inside.world, cost=Cost(state=CostState.UNKNOWN))
    page = await inside.get("/console/requests")
    rows = dict(re.findall(r'<tr id="(req_\w+)">(.*?)</tr>', page, re.DOTALL))
    assert set(rows) == {known, unknown}
    for said in ("first key", "gpt-5", "main", "v1", "settled", ">100<", ">20<", ">1.50 s<"):
        assert said in rows[known]
        assert said in rows[unknown]
    assert 'value="0.000325"' in rows[known]
    assert "<data" not in rows[unknown]
    assert ">unknown<" in rows[unknown]


async def test_who_follows_the_log_is_told_what_began_since_and_a_little_before(inside: Browser) -> None:
    async def followed(begun: str, query: str = "") -> tuple[list[str], str]:
        page = await inside.get(f"/console/requests/newer?begun={quote(begun)}{query}")
        [since] = re.findall(r'<tbody data-begun="([^"]*)"', page)
        return re.findall(r'<tr id="(req_\w+)">', page), since

    clock = inside.world.clock
    await inside.world.add_credential()
    older = await settled(inside.world, model="gpt-4o")
    clock.advance(60)
    newest = await settled(inside.world)
    at = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    [begun] = re.findall(r'<tbody data-begun="([^"]*)"', await inside.get("/console/requests"))
    assert datetime.fromisoformat(begun) == at - timedelta(seconds=15)  # who came late into the log is not missed
    clock.advance(14)
    another = await settled(inside.world)
    assert (await followed(begun))[0] == [another, newest]
    assert older not in (await followed(begun))[0]
    assert (await followed(begun, "&model=gpt-4o")) == ([], "")
    clock.advance(14)
    assert (await followed((await followed(begun))[1]))[0] == [another, newest]
    clock.advance(60)
    last = await settled(inside.world)
    assert (await followed((await followed(begun))[1]))[0] == [last]


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
