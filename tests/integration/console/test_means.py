"""Budgets, rate limits, credits and alerts in the console."""

import csv
import io
import re
from typing import Any

import pytest

from keystead.alerts import store
from keystead.alerts.views import AlertKind, Cause, Left
from tests.integration.console.conftest import Browser

HOSTILE = '"><img src=x onerror=alert(1)>'
BUDGET = {
    "name": "Research, monthly",
    "scope_kind": "organization",
    "limit": "500",
    "currency": "USD",
    "period": "month",
    "kind": "hard",
    "alert_percent": "80",
    "unpriced": "refuse",
}


async def made(browser: Browser, **changes: str) -> str:
    """Make a budget, and return its page."""
    answer = await browser.submit("/console/budgets/new", "/console/budgets/new", BUDGET | changes)
    return answer.headers["location"]


async def signed_in(browser: Browser, role: str) -> Browser:
    world = browser.world
    await world.post("/members", {"name": role, "team": world.team_id, "roles": [{"role": role}]}, expect=201)
    other = browser.another()
    await other.come_in(role, email=f"{role}@example.com")
    return other


async def test_a_budget_is_made_seen_changed_and_ended(inside: Browser) -> None:
    page = await made(inside, ends_on="2026-03-01", unpriced="hold", unpriced_hold="0.5")
    shown = await inside.get(page)
    assert 'value="500"' in shown
    assert 'value="2026-03-01"' in shown
    await inside.submit(page, page, {"limit": "12.5", "kind": "soft", "alert_percent": "50", "unpriced": "allow"})
    [budget] = (await inside.world.get("/budgets"))["items"]
    assert (budget["limit"], budget["hard"], budget["alert_percent"], budget["ends_at"]) == ("12.5", False, 50, None)
    assert "at once and for good" in await inside.get(f"{page}/end")
    await inside.submit(f"{page}/end", f"{page}/end", {})
    assert "No budgets" in await inside.get("/console/budgets")
    await made(inside, name="Those that go on")
    ended = await inside.get("/console/budgets?state=ended")
    assert "Research, monthly" in ended
    assert "Those that go on" not in ended
    assert "Keep the changes" not in await inside.get(page)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limit": "lots"}, "is not an amount"),
        ({"scope_kind": "team"}, "Say which one is counted"),
        ({"scope_kind": "team", "scope": "none"}, "There is no team"),
        ({"scope_kind": "planet"}, "Say what is counted"),
        ({"ends_on": "soon"}, "This is not a day"),
        ({"period": "rolling"}, "rolling_hours"),
        ({"alert_percent": "101"}, "alert_percent"),
    ],
)
async def test_what_is_wrong_is_said_on_the_form_with_what_was_typed(
    inside: Browser, changes: dict[str, str], said: str
) -> None:
    answer = await inside.submit(
        "/console/budgets/new", "/console/budgets/new", BUDGET | changes, expect=404 if changes.get("scope") else 400
    )
    page = answer.body.decode()
    assert said in page
    assert 'value="Research, monthly"' in page


async def test_a_rate_limit_is_made_and_deleted_after_a_page_that_says_what_that_does(inside: Browser) -> None:
    form = {"name": HOSTILE, "scope_kind": "model", "scope": "gpt-5*", "measure": "requests_per_minute", "most": "60"}
    await inside.submit("/console/rate-limits/new", "/console/rate-limits/new", form)
    listed = await inside.get("/console/rate-limits")
    assert "<img src=x" not in listed
    [path] = re.findall(r'href="(/console/rate-limits/lim_\w+/delete)"', listed)
    assert "From then on nothing is slowed" in await inside.get(path)
    await inside.submit(path, path, {})
    assert "No rate limits" in await inside.get("/console/rate-limits")
    await inside.get(path, expect=404)
    wrong = await inside.submit(
        "/console/rate-limits/new", "/console/rate-limits/new", form | {"most": "0"}, expect=400
    )
    assert 'value="gpt-5*"' in wrong.body.decode()


async def test_who_only_reads_sees_no_button_and_is_refused(inside: Browser) -> None:
    page = await made(inside)
    auditor = await signed_in(inside, "auditor")
    assert "Make a budget" not in await auditor.get("/console/budgets")
    assert "Keep the changes" not in await auditor.get(page)
    assert "End it for good" not in await auditor.get(f"{page}/end")
    for path in ("/console/budgets/new", "/console/rate-limits/new", "/console/credits/book"):
        await auditor.get(path, expect=403)
    for path in ("/console/budgets/new", page, f"{page}/end", "/console/credits/top-up", "/console/rate-limits/new"):
        await auditor.submit("/console/account", path, BUDGET, expect=403)


async def test_credits_are_paid_in_put_right_and_stated(inside: Browser) -> None:
    before = (await inside.world.get("/credits"))["available"]
    inside.world.clock.advance(60)
    paid = {"credits": "500.000000000001", "reference": "INV-1", "note": "=1+1"}
    await inside.submit("/console/credits/book", "/console/credits/top-up", paid)
    inside.world.clock.advance(60)
    await inside.submit("/console/credits/book", "/console/credits/adjust", {"credits": "-12.5", "reason": "put right"})
    wrong = await inside.submit("/console/credits/book", "/console/credits/top-up", {"credits": "x"}, expect=400)
    assert 'value="x"' in wrong.body.decode()
    page = await inside.get("/console/credits")
    assert 'value="500.000000000001"' in page
    assert "put right" in page
    answer = await inside.send("GET", "/console/credits.csv?month=2026-01")
    lines: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [line["credits"] for line in lines[-2:]] == ["500.000000000001", "-12.5"]
    assert lines[-2]["note"] == "'=1+1"
    assert lines[-1]["balance"] == (await inside.world.get("/credits"))["available"]
    assert lines[-1]["balance"] != before
    assert "Nothing was booked" in await inside.get("/console/credits?month=2025-06")


async def test_finance_sees_credits_and_cannot_book(inside: Browser) -> None:
    finance = await signed_in(inside, "finance")
    assert "Payments and books" not in await finance.get("/console/credits")
    await finance.get("/console/credits/book", expect=403)


async def test_an_alert_is_seen_and_stays_until_its_cause_is_gone(inside: Browser) -> None:
    world = inside.world
    assert "Nothing is open" in await inside.get("/console/alerts")
    now = world.clock.now_us()
    cause = Cause(
        organization_id=world.organization_id,
        kind=AlertKind.CREDITS_LOW,
        subject_id="acc_1",
        subject=HOSTILE,
        first_at=now,
        last_at=now,
        detail=Left(left="3", paid_in="100"),
    )
    async with world.database.write() as conn:
        await store.record(conn, cause, now=now)
    page = await inside.get("/console/alerts")
    assert "<img src=x" not in page
    assert "3.00 credits of the last 100.00 credits" in page
    assert "few credits are left" in await inside.get("/console/")
    auditor = await signed_in(inside, "auditor")
    assert "I have seen it" not in await auditor.get("/console/alerts")
    [path] = re.findall(r'action="(/console/alerts/\w+/acknowledge)"', page)
    await auditor.submit("/console/account", path, {}, expect=403)
    await inside.submit("/console/alerts", path, {})
    seen = await inside.get("/console/alerts")
    assert "acknowledged" in seen
    assert "I have seen it" not in seen
