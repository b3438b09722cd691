"""The overview, and how long answers took, which it puts in its place once its figures stand."""

import html
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from keystead.domain.money import PICO_PER_UNIT
from tests.integration.console.conftest import Browser
from tests.integration.console.test_spend import used

HOSTILE = '<b onload="x">\u202emodel'


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def later(page: str) -> str:
    """Return where the times are: for the script, and as a link for whoever has none."""
    [address] = re.findall(r'data-later="([^"]*)"', page)
    assert f'<a href="{address}">' in page
    return html.unescape(address)


async def test_answers_are_timed_by_what_one_chooses_beside_the_span_before(inside: Browser) -> None:
    now = datetime.fromtimestamp(inside.world.clock.now_us() / 1_000_000, UTC).replace(minute=0)
    slow = {"attempts": 100, "requests": 100, "took_to_1600ms": 100, "first_to_400ms": 100}
    await used(inside, now - timedelta(hours=30), model="gpt-5", **slow)
    await used(inside, now - timedelta(days=9), model="gpt-5", attempts=50, took_to_800ms=50)
    await used(inside, now - timedelta(hours=3), model=HOSTILE, attempts=3, took_beyond=3)
    page = await inside.get(later(await inside.get("/console/?span=7d&by=model")))
    assert HOSTILE not in page
    assert 'title="between 800 ms and 1.60 s"' in page
    said = text(page)
    assert "gpt-5 100 1.2 s 1.6 s +99 % 300 ms 390 ms" in said
    assert "> 102 s of few" in said.replace("&gt;", ">")
    assert "Whole answer p50 1.2 s +103 % to the 7 days before" in said
    assert "p50 1.2 s, p95 1.6 s, of 100" in said


async def test_what_is_counted_at_the_top_is_the_organizations_and_beside_the_span_before(inside: Browser) -> None:
    now = datetime.fromtimestamp(inside.world.clock.now_us() / 1_000_000, UTC).replace(minute=0)
    at = now - timedelta(hours=3)
    await used(inside, at, requests=5, cost_pico=3 * PICO_PER_UNIT, input_tokens=100, output_tokens=20)
    await used(inside, at, outcome="failed_billed", requests=2, cost_pico=0, cache_read_tokens=3)
    await used(inside, at, outcome="rejected", requests=4, cost_pico=0)
    await used(inside, at, owner="platform", cost_pico=40 * PICO_PER_UNIT, charge_pico=6 * PICO_PER_UNIT)
    await used(inside, now - timedelta(days=8), requests=6, cost_pico=2 * PICO_PER_UNIT)
    said = text((await inside.get("/console/?span=7d")).partition('<dl class="numbers">')[2])
    assert "Own cost $3.00 +50 % to the 7 days before" in said
    assert "Credits 6.00 nothing before to compare" in said
    assert "Requests 12 +100 % to the 7 days before" in said
    assert "Tokens 123 nothing" in said
    assert "Failed 2 nothing" in said


async def test_what_needs_attention_stands_first_and_leads_to_its_place(inside: Browser) -> None:
    now = datetime.fromtimestamp(inside.world.clock.now_us() / 1_000_000, UTC).replace(minute=0)
    assert "Needs attention" not in await inside.get("/console/")
    await used(inside, now - timedelta(hours=3), unpriced=2, unknown=1)
    await used(inside, now - timedelta(hours=2), owner="platform", charge_pico=6 * PICO_PER_UNIT)
    page = (await inside.get("/console/")).partition("Needs attention")[2].partition('<dl class="numbers">')[0]
    for to, said in (
        (
            "/console/requests?cost_state=unpriced",
            "2 attempts have no price yet: not every model is in the price list.",
        ),
        ("/console/requests?cost_state=unknown", "1 attempt has an unknown cost"),
        ("/console/spend?by=credential", "1 attempt ran on the platform&#39;s keys, for 6.00 credits."),
    ):
        assert f'<a href="{to}">{said}' in page


async def test_what_was_never_measured_says_so(inside: Browser) -> None:
    now = datetime.fromtimestamp(inside.world.clock.now_us() / 1_000_000, UTC).replace(minute=0)
    await used(inside, now - timedelta(hours=3), cost_pico=PICO_PER_UNIT)
    said = text(await inside.get(later(await inside.get("/console/?by=provider"))))
    assert "Whole answer p50 not measured nothing before to compare" in said
    assert "openai 0 not measured not measured" in said


async def test_a_day_is_one_of_the_organizations_time_zone(inside: Browser) -> None:
    await inside.world.post("/organization/change", {"time_zone": "Asia/Tokyo"})
    today = datetime.fromtimestamp(inside.world.clock.now_us() / 1_000_000, ZoneInfo("Asia/Tokyo")).replace(hour=0)
    late = today.replace(minute=0, second=0, microsecond=0) - timedelta(days=2)  # still the day before in UTC
    await used(inside, late, requests=7)
    assert f"{late:%a %d %b}: 7 (answered 7)" in text(await inside.get("/console/?span=7d"))


async def test_the_largest_have_a_colour_each_and_the_others_one_together(inside: Browser) -> None:
    now = datetime.fromtimestamp(inside.world.clock.now_us() / 1_000_000, UTC).replace(minute=0)
    month = f"{now - timedelta(days=1):%Y-%m}"
    for number in range(1, 8):
        at = now - timedelta(hours=number)
        await used(inside, at, model=f"model-{number}", cost_pico=number * PICO_PER_UNIT)
        await used(inside, at, model=f"model-{number}", owner="platform", cost_pico=PICO_PER_UNIT)
    for path in ("/console/?span=24h&by=model", f"/console/spend?by=model&month={month}"):
        page = await inside.get(path)
        assert re.findall(r'<li class="s(\d)">([^<]*)', page)[:5] == [
            ("0", "model-7"),
            ("1", "model-6"),
            ("2", "model-5"),
            ("3", "model-4"),
            ("4", "others"),
        ]
    assert "others $6.00" in text(await inside.get(f"/console/spend?by=model&month={month}"))


async def test_a_key_that_is_unused_for_long_needs_attention_by_whatever_one_looks(inside: Browser) -> None:
    await inside.world.add_credential("spare")
    assert "not used" not in await inside.get("/console/")
    inside.world.clock.jump(31 * 86_400)
    await inside.come_in()
    for by in ("team", "credential"):
        assert "spare was not used in 30 days." in text(await inside.get(f"/console/?by={by}"))


async def test_where_nothing_was_asked_the_next_step_is_one_that_the_reader_may_take(inside: Browser) -> None:
    await inside.world.post(
        "/members", {"name": "fin", "team": inside.world.team_id, "roles": [{"role": "finance"}]}, expect=201
    )
    finance = inside.another()
    await finance.come_in("fin", email="fin@example.com")
    for path in ("/console/", "/console/requests", "/console/speed"):
        for browser, sees in ((inside, True), (finance, False)):
            page = await browser.get(path)
            assert re.search(r"No requests yet|Nothing was (asked|answered) in this time", page)
            main = page.partition("<main")[2]
            assert sees == ("/console/keys/new" in main or "/console/connect" in main)
            assert sees or "/console/vault/new" not in main


async def test_paper_says_of_when_the_figures_are(inside: Browser) -> None:
    for path in ("/console/?span=7d&by=model", "/console/speed?span=7d&by=model"):
        said = text(await inside.get(path))
        assert re.search(r"The 7 days up to 20\d\d-\d\d-\d\d \d\d:\d\d UTC , by model, days of UTC\.", said), said
