"""Spend: months in the organization's time zone, own cost and credits apart, unknown never as zero, and the file."""

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert

from keystead.domain.money import PICO_PER_UNIT
from keystead.storage.usage_tables import ROLLUP_SUMS, rollups
from tests.integration.console.conftest import Browser

FORMULA = '=HYPERLINK("x","y")'


async def used(browser: Browser, at: datetime, **changes: Any) -> None:
    """Write one hour of use, by the first team unless said otherwise."""
    row: dict[str, Any] = dict.fromkeys(ROLLUP_SUMS, 0) | {
        "hour_at": int(at.timestamp()) * 1_000_000,
        "organization_id": browser.world.organization_id,
        "team_id": browser.world.team_id,
        "principal_id": "mem_1",
        "virtual_key_id": "vk_1",
        "credential_id": "cred_1",
        "provider": "openai",
        "model": "gpt-5",
        "owner": "own",
        "outcome": "settled",
        "currency": "USD",
        "requests": 1,
        "attempts": 1,
        "priced": 1,
        "cost_pico": PICO_PER_UNIT,
    }
    async with browser.world.database.write() as conn:
        await conn.execute(insert(rollups).values(row | changes))


async def kept(browser: Browser, query: str) -> list[dict[str, str]]:
    answer = await browser.send("GET", f"/console/spend.csv?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''spend-by-")
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


async def test_a_month_is_the_organizations_and_every_hour_counts_to_one_month(inside: Browser) -> None:
    await inside.world.post("/organization/change", {"time_zone": "Asia/Kolkata"})
    for hour in (17, 18, 19):  # Midnight there is at half past: 18:30 UTC.
        await used(inside, datetime(2026, 1, 31, hour, tzinfo=UTC))
    [january], [february] = await kept(inside, "month=2026-01"), await kept(inside, "month=2026-02")
    assert (january["own cost"], february["own cost"]) == ("1", "2")
    assert (february["own cost before"], january["own cost before"]) == ("1", "0")
    page = await inside.get("/console/spend?month=2026-02")
    assert "+100 %" in page
    assert "Asia/Kolkata" in page


async def test_own_cost_and_credits_are_apart_and_the_platforms_cost_is_not_the_organizations(inside: Browser) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await used(inside, at, cost_pico=1_500_000_000_001)
    await used(inside, at, owner="platform", cost_pico=9 * PICO_PER_UNIT, charge_pico=12_500_000_000_000)
    [line] = await kept(inside, "month=2026-01")
    assert (line["own cost"], line["credits"], line["requests"]) == ("1.500000000001", "12.5", "2")
    page = await inside.get("/console/spend?month=2026-01")
    assert 'value="1.500000000001"' in page
    assert 'value="12.5"' in page
    assert 'value="10.500000000001"' not in page


def figures(row: str) -> list[Decimal]:
    """Return the numbers of a table's row, exact ones where there are; what is not there is nothing."""
    cells = re.findall(r'<td class="num[^"]*">(.*?)</td>', row)
    found = [re.search(r'<data value="([^"]*)"', cell) or re.search(r">([\d,]+)<", f">{cell}<") for cell in cells]
    return [Decimal(one[1].replace(",", "")) if one else Decimal(0) for one in found]


async def test_the_last_line_is_the_sum_of_each_column(inside: Browser) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await used(inside, at, model="a", cost_pico=3_000_000_000_001, input_tokens=1_100, output_tokens=20, unpriced=1)
    await used(inside, at, model="b", requests=4, input_tokens=7, reasoning_tokens=5, unknown=2)
    await used(inside, at, model="c", owner="platform", charge_pico=7 * PICO_PER_UNIT)
    await used(inside, at, model="d", owner="platform", charge_pico=PICO_PER_UNIT // 8)
    await used(inside, datetime(2025, 12, 31, tzinfo=UTC), model="a", cost_pico=2 * PICO_PER_UNIT)
    page = await inside.get("/console/spend?month=2026-01&by=model")
    body, _, foot = page.partition("<tbody>")[2].rpartition("<tbody>")[2].partition("<tfoot>")
    rows = [figures(row) for row in re.findall(r"<tr>.*?</tr>", body)]
    sums = [sum(column, Decimal(0)) for column in zip(*rows, strict=True)][:7]
    assert len(rows) == 4
    assert sums == [7, 1_107, 25, 3, Decimal("7.125"), Decimal("4.000000000001"), 2]
    assert figures(foot)[:7] == sums


async def test_what_nobody_knows_is_unknown_and_not_zero(inside: Browser) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await used(inside, at, model="new", cost_pico=0, priced=0, unpriced=2, unknown=1)
    await used(inside, at, model="old", unknown=1)
    lines = {line["name"]: line for line in await kept(inside, "month=2026-01&by=model")}
    assert (lines["new"]["own cost"], lines["new"]["attempts without a price"]) == ("", "2")
    assert (lines["old"]["own cost"], lines["old"]["attempts of unknown cost"]) == ("1", "1")
    page = await inside.get("/console/spend?month=2026-01&by=model")
    assert '<span class="none">unknown</span>' in page
    assert "2 without a price, 1 of unknown cost" in page


async def test_the_file_holds_the_lines_of_the_page_and_no_formula(inside: Browser) -> None:
    team = await inside.world.post("/teams", {"name": FORMULA}, expect=201)
    await used(inside, datetime(2026, 1, 1, tzinfo=UTC), team_id=team["id"])
    [line] = await kept(inside, "month=2026-01")
    assert line["name"] == f"'{FORMULA}"
    assert FORMULA.replace('"', "&#34;") in await inside.get("/console/spend?month=2026-01")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("month=2026-13", "not a month"),
        ("from=2026-01-05", "first and its last day"),
        ("from=2026-01-05&to=2026-01-04", "before the first"),
        ("from=2026-01-01&to=2027-06-01", "at most 366 days"),
        ("from=x&to=y", "Write days as"),
    ],
)
async def test_days_that_there_are_not_are_said_and_this_month_is_shown(inside: Browser, query: str, said: str) -> None:
    page = await inside.get(f"/console/spend?{query}", expect=400)
    assert said in page
    assert "January 2026" in page
    await inside.get(f"/console/spend.csv?{query}", expect=400)


async def test_a_range_is_compared_with_as_many_days_before(inside: Browser) -> None:
    await used(inside, datetime(2026, 1, 10, 5, tzinfo=UTC), cost_pico=3 * PICO_PER_UNIT)
    await used(inside, datetime(2026, 1, 7, 5, tzinfo=UTC))
    await used(inside, datetime(2026, 1, 6, 5, tzinfo=UTC))
    [line] = await kept(inside, "from=2026-01-10&to=2026-01-12")
    assert (line["own cost"], line["own cost before"]) == ("3", "1")


async def test_each_dimension_has_a_page_and_adds_up_to_the_same(inside: Browser) -> None:
    await used(inside, datetime(2026, 1, 1, tzinfo=UTC))
    for by in ("cost_center", "team", "principal", "virtual_key", "model", "credential", "provider", "nonsense"):
        [line] = await kept(inside, f"month=2026-01&by={by}")
        assert line["own cost"] == "1"
        assert 'value="1"' in await inside.get(f"/console/spend?month=2026-01&by={by}")


async def test_the_days_that_are_shown_are_given_as_a_focus_file(inside: Browser) -> None:
    await used(inside, datetime(2026, 1, 10, 5, tzinfo=UTC), cost_pico=3 * PICO_PER_UNIT)
    await used(inside, datetime(2026, 1, 7, 5, tzinfo=UTC))
    page = await inside.get("/console/spend?from=2026-01-10&to=2026-01-12")
    [path] = re.findall(r'href="(/console/spend-focus[^"]*)" download', page)
    answer = await inside.send("GET", path.replace("&amp;", "&"))
    assert answer.headers["content-disposition"].endswith("focus-2026-01-10_2026-01-12.csv")
    [line] = csv.DictReader(io.StringIO(answer.body.decode()))
    assert line["BilledCost"] == "3"
    await inside.get("/console/spend-focus.csv?from=x&to=y", expect=400)


async def test_whoever_may_not_read_usage_gets_no_file(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "dev", "team": world.team_id, "roles": [{"role": "developer"}]}, expect=201)
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    await developer.get("/console/spend.csv", expect=403)
    await developer.get("/console/spend-focus.csv", expect=403)


async def test_spend_by_a_tag_has_what_is_untagged_beside_it_as_a_page_and_a_file(inside: Browser) -> None:
    await inside.get("/console/spend")
    assert "By tag" not in await inside.get("/console/spend?month=2026-01"), "there is none"
    body = {"name": "tagged", "team": inside.world.team_id, "tags": {"project": FORMULA}}
    key = (await inside.world.post("/virtual-keys", body, expect=201))["virtual_key"]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await used(inside, at, virtual_key_id=key["id"], cost_pico=3 * PICO_PER_UNIT)
    await used(inside, at)
    lines = await kept(inside, "month=2026-01&by=tag:project")
    assert [(line["id"], line["name"], line["own cost"]) for line in lines] == [
        (f"'{FORMULA}", f"'{FORMULA}", "3"),
        ("", "untagged", "1"),
    ]
    page = await inside.get("/console/spend?month=2026-01&by=tag:project")
    assert '<option value="tag:project" selected>' in page
    assert "Chargeback by tag project" in page
    assert '<span class="none">untagged</span>' in page
    assert "Team" in await inside.get("/console/spend?by=tag:%27--")
