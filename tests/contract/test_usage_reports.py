"""Requests listed and shown, and usage reported from the roll-ups, on each engine, over what the journal wrote."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import insert, select

from keystead.domain.clock import HOUR_US
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.ids import new_id
from keystead.domain.money import MAX_PICO, to_text
from keystead.domain.records import FREE, AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, Fault, State
from keystead.domain.usage import NOTHING, Reading, Usage, UsageSource
from keystead.metering.request_log import MAX_PAGE, list_requests, show_request
from keystead.metering.usage import usage_by
from keystead.metering.usage_sums import DIMENSIONS
from keystead.metering.usage_views import RequestFilter, RequestRow, UsageKey, UsageLine
from keystead.storage import schema
from keystead.storage.database import Database
from keystead.storage.governance import team_cost_centers
from keystead.storage.sums import exact_sum, whole
from tests.fakes.clock import FakeClock

ALL: Final = RequestFilter()
NAMES: Final = {"organization_id": "org_1", "created_at": 0}
READING: Final = Reading(
    usage=Usage(input_tokens=1000, cache_read_tokens=20, output_tokens=100, units={"web_searches": "1"}),
    source=UsageSource.PROVIDER,
    raw=b'{"input_tokens": 1020, "output_tokens": 100}',
    model="gpt-5-2025-08-07",
    response_id="resp_1",
    service_tier="default",
    anomalies=("total_mismatch",),
)
COST: Final = Cost(
    state=CostState.PRICED,
    pico=12_252_500_000,
    price_version="list openai/gpt-5",
    lines=(("input_tokens", "1000", "0.00000125"), ("web_searches", "1", "0.01")),
)


def micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


class Writer:
    """Writes requests the way the gateway does."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock

    async def request(self, **changes: Any) -> RequestIntent:
        """Write one settled request with one attempt; `changes` go to whichever record has the field."""
        self.clock.advance(0.001)
        request, attempt = self.records(changes)
        await self.database.journal.intend(request, attempt)
        await self.settle(request, attempt, changes)
        return request

    async def refused(self, **changes: Any) -> RequestIntent:
        """Write a request that was refused before any attempt."""
        self.clock.advance(0.001)
        request, _ = self.records(changes)
        changes = {
            "state": State.REJECTED,
            "status_code": 403,
            "fault": Fault.POLICY,
            "error_code": "not_allowed",
            "reading": NOTHING,
            "cost": FREE,
            **changes,
        }
        await self.settle(request, None, changes)
        return request

    def records(self, changes: dict[str, Any]) -> tuple[RequestIntent, AttemptIntent]:
        now = self.clock.now_us()
        request = RequestIntent(
            id=new_id("req", now),
            organization_id="org_1",
            started_at=now,
            instance_id="ins_1",
            team_id="team_1",
            principal_kind="member",
            principal_id="mem_1",
            virtual_key_id="vk_1",
            dialect="openai",
            endpoint="chat",
            model_asked="gpt-5",
            stream=False,
            decision='{"rule": "only_credential"}',
            client="openai-python/3.54.0",
            data_class="internal",
            cost_center="4711",
        )
        return with_changes(request, changes), with_changes(attempt_of(now), changes)

    async def settle(self, request: RequestIntent, attempt: AttemptIntent | None, changes: dict[str, Any]) -> None:
        settlement = Settlement(
            request=request,
            attempt=attempt,
            state=State.SETTLED,
            finished_at=request.started_at + 1500,
            duration_us=1500,
            first_byte_us=300,
            status_code=200,
            upstream_status=200,
            reading=READING,
            cost=COST,
        )
        assert await self.database.journal.settle(with_changes(settlement, changes))


def attempt_of(now: int) -> AttemptIntent:
    return AttemptIntent(
        number=1,
        started_at=now,
        credential_id="cred_1",
        credential_version=3,
        owner="own",
        provider="openai",
        model_sent="gpt-5",
        destination="https://api.openai.com",
    )


def with_changes(record: Any, changes: dict[str, Any]) -> Any:
    own = {name: value for name, value in changes.items() if name in record.__struct_fields__}
    return msgspec.structs.replace(record, **own)


@pytest.fixture
async def writer(database: Database, clock: FakeClock) -> Writer:
    named = (
        (schema.teams, {"id": "team_1", "name": "Research", "data_class": ""}),
        (schema.members, {"id": "mem_1", "team_id": "team_1", "name": "Ada", "operator": False}),
        (
            schema.virtual_keys,
            {
                "id": "vk_1",
                "team_id": "team_1",
                "principal_kind": "member",
                "principal_id": "mem_1",
                "name": "laptop",
                "digest": b"",
                "created_by": "mem_1",
            },
        ),
        (
            schema.credentials,
            {
                "id": "cred_1",
                "name": "openai-main",
                "provider": "openai",
                "origin": "https://api.openai.com",
                "settings": "{}",
                "owner": "own",
                "region": "",
                "on_disconnect": "drain",
                "created_by": "mem_1",
            },
        ),
    )
    async with database.write() as conn:
        for table, values in named:
            await conn.execute(insert(table).values({**NAMES, **values}))
    return Writer(database, clock)


async def listed(database: Database, filters: RequestFilter = ALL, **options: Any) -> list[RequestRow[int]]:
    async with database.read() as conn:
        page = await list_requests(conn, organization_id="org_1", filters=filters, **options)
    return list(page.requests)


async def ids(database: Database, **filters: Any) -> list[str]:
    return [row.id for row in await listed(database, RequestFilter(**filters))]


# -- one request --------------------------------------------------------------------------------------------------


async def test_a_request_is_listed_with_the_names_people_know(database: Database, writer: Writer) -> None:
    request = await writer.request()
    (row,) = await listed(database)
    assert row == RequestRow(
        id=request.id,
        started_at=request.started_at,
        finished_at=request.started_at + 1500,
        duration_us=1500,
        state="settled",
        status_code=200,
        error_class=None,
        error_code=None,
        fault=None,
        team_id="team_1",
        team="Research",
        principal_kind="member",
        principal_id="mem_1",
        principal="Ada",
        virtual_key_id="vk_1",
        virtual_key="laptop",
        dialect="openai",
        endpoint="chat",
        model_asked="gpt-5",
        model="gpt-5-2025-08-07",
        stream=False,
        provider="openai",
        credential_id="cred_1",
        credential="openai-main",
        credential_version=3,
        owner="own",
        attempts=1,
        input_total=1020,
        output_total=100,
        usage_source="provider",
        cost_state="priced",
        cost="0.0122525",
        currency="USD",
        charge=None,
        data_class="internal",
        cost_center="4711",
    )


async def test_a_request_is_shown_with_its_arithmetic_and_the_providers_words(
    database: Database, writer: Writer
) -> None:
    request = await writer.request()
    async with database.read() as conn:
        detail = await show_request(conn, organization_id="org_1", request_id=request.id)
    assert detail.request == (await listed(database))[0]
    assert detail.decision == {"rule": "only_credential"}
    assert (detail.client, detail.instance_id) == ("openai-python/3.54.0", "ins_1")
    (attempt,) = detail.attempts
    assert attempt.usage == {"input_tokens": 1000, "cache_read_tokens": 20, "output_tokens": 100}
    assert attempt.units == {"web_searches": "1"}
    assert attempt.usage_raw == '{"input_tokens": 1020, "output_tokens": 100}'
    assert attempt.anomalies == ("total_mismatch",)
    assert (attempt.cost, attempt.computed_cost, attempt.price_version) == ("0.0122525", None, "list openai/gpt-5")
    assert [(line.unit, line.count, line.price, line.amount) for line in attempt.lines] == [
        ("input_tokens", "1000", "0.00000125", "0.00125"),
        ("web_searches", "1", "0.01", "0.01"),
    ]
    assert (attempt.credential, attempt.model_served, attempt.response_id) == (
        "openai-main",
        "gpt-5-2025-08-07",
        "resp_1",
    )
    assert msgspec.json.encode(detail)


async def test_a_part_without_a_price_is_shown_as_such(database: Database, writer: Writer) -> None:
    cost = Cost(state=CostState.UNPRICED, lines=(("input_audio_tokens", "5", ""),))
    request = await writer.request(cost=cost)
    async with database.read() as conn:
        detail = await show_request(conn, organization_id="org_1", request_id=request.id)
    (line,) = detail.attempts[0].lines
    assert (line.price, line.amount, detail.attempts[0].cost, detail.request.cost) == (None, None, None, None)


async def test_every_attempt_is_shown_in_order(database: Database, writer: Writer, clock: FakeClock) -> None:
    request, first = writer.records({})
    second = msgspec.structs.replace(attempt_of(clock.now_us()), number=2, provider="azure", credential_id="cred_gone")
    await database.journal.intend(request, first)
    failed = {"state": State.REJECTED, "error_class": "throttled", "reading": NOTHING, "cost": FREE}
    await writer.settle(request, first, failed | {"ends_request": False})
    await database.journal.intend(request, second)
    await writer.settle(request, second, {})
    async with database.read() as conn:
        detail = await show_request(conn, organization_id="org_1", request_id=request.id)
    assert [(attempt.number, attempt.provider, attempt.state) for attempt in detail.attempts] == [
        (1, "openai", "rejected"),
        (2, "azure", "settled"),
    ]
    assert (detail.request.provider, detail.request.credential_id, detail.request.credential) == (
        "azure",
        "cred_gone",
        None,
    )
    assert await ids(database, provider="openai") == await ids(database, provider="azure") == [request.id]


async def test_a_charge_stands_beside_the_cost_in_requests_and_in_sums(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    await writer.request()  # on an own credential
    request, first = writer.records({"owner": "platform"})
    second = msgspec.structs.replace(first, number=2)
    await database.journal.intend(request, first)
    await writer.settle(request, first, {"charge_pico": 1_000_000_000_000, "ends_request": False})
    await database.journal.intend(request, second)
    await writer.settle(request, second, {"charge_pico": 476_000_000_000})
    async with database.read() as conn:
        detail = await show_request(conn, organization_id="org_1", request_id=request.id)
        report = await usage_by(
            conn, organization_id="org_1", dimensions=["owner"], from_at=0, to_at=clock.now_us() + HOUR_US
        )
    assert [attempt.charge for attempt in detail.attempts] == ["1", "0.476"]
    assert (detail.request.charge, detail.request.cost) == ("1.476", "0.024505")
    charged = {line.keys[0].id: (line.charge, line.cost) for line in report.lines}
    assert charged == {"own": ("0", "0.0122525"), "platform": ("1.476", "0.024505")}
    assert report.totals[0].charge == "1.476"


async def test_a_request_refused_before_any_attempt_has_none(database: Database, writer: Writer) -> None:
    request = await writer.refused()
    async with database.read() as conn:
        detail = await show_request(conn, organization_id="org_1", request_id=request.id)
    assert detail.attempts == ()
    assert (detail.request.provider, detail.request.model, detail.request.attempts) == (None, None, 0)
    assert (detail.request.status_code, detail.request.fault, detail.request.error_code) == (
        403,
        "policy",
        "not_allowed",
    )


async def test_a_request_under_way_is_shown_as_an_intent(database: Database, writer: Writer) -> None:
    request, attempt = writer.records({})
    await database.journal.intend(request, attempt)
    (row,) = await listed(database, RequestFilter(state="intent"))
    assert (row.id, row.finished_at, row.cost, row.cost_state, row.provider) == (request.id, None, None, None, "openai")


async def test_another_organizations_request_is_not_found_like_one_that_never_was(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    foreign = await writer.request(organization_id="org_2")
    messages = set()
    for request_id in (foreign.id, new_id("req", clock.now_us()), "req_1", "", "' OR 1=1 --"):
        async with database.read() as conn:
            with pytest.raises(NotFoundError) as missing:
                await show_request(conn, organization_id="org_1", request_id=request_id)
        messages.add((missing.value.message, missing.value.code, missing.value.next_step))
    assert len(messages) == 1
    assert await listed(database) == []


# -- lists --------------------------------------------------------------------------------------------------------


async def test_pages_hold_every_request_once_newest_first(database: Database, writer: Writer) -> None:
    written = [await writer.request() for _ in range(7)]
    instant = writer.clock.now_us()
    # Three in the same microsecond: their ids decide.
    written += [await writer.request(started_at=instant, id=f"req_{name}") for name in "abc"]
    seen, cursor = [], None
    async with database.read() as conn:
        while True:
            page = await list_requests(conn, organization_id="org_1", filters=ALL, limit=3, cursor=cursor)
            assert len(page.requests) <= 3
            seen += [row.id for row in page.requests]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert seen == [request.id for request in sorted(written, key=lambda r: (r.started_at, r.id), reverse=True)]


async def test_a_request_written_between_pages_moves_nothing(database: Database, writer: Writer) -> None:
    written = [await writer.request() for _ in range(4)]
    async with database.read() as conn:
        first = await list_requests(conn, organization_id="org_1", filters=ALL, limit=2)
    await writer.request()
    async with database.read() as conn:
        second = await list_requests(conn, organization_id="org_1", filters=ALL, limit=2, cursor=first.next_cursor)
    assert [row.id for row in (*first.requests, *second.requests)] == [request.id for request in written[::-1]]
    assert second.next_cursor is None


async def test_a_cursor_that_is_not_ours_is_refused(database: Database, subtests: pytest.Subtests) -> None:
    for cursor in ("", "x", "e30", "WzEsMl0", "WyJhIiwiYiJd", "Wy0xLCJiIl0", "é", "W" * 9999):
        with subtests.test(cursor=cursor):
            with pytest.raises(InvalidRequestError) as refused:
                await listed(database, cursor=cursor)
            assert refused.value.param == "cursor"


async def test_a_limit_out_of_bounds_is_refused(database: Database, subtests: pytest.Subtests) -> None:
    for limit in (0, -1, MAX_PAGE + 1):
        with subtests.test(limit=limit):
            with pytest.raises(InvalidRequestError) as refused:
                await listed(database, limit=limit)
            assert refused.value.param == "limit"


async def test_filters_narrow(database: Database, writer: Writer) -> None:
    plain = await writer.request()
    other = await writer.request(
        team_id="team_2",
        virtual_key_id="vk_2",
        credential_id="cred_2",
        provider="google",
        model_asked="fast",
        model_sent="gemini-3.8-flash",
        reading=msgspec.structs.replace(READING, model="gemini-3.8-flash-001"),
        state=State.FAILED_BILLED,
        error_class="timeout",
        cost=Cost(state=CostState.UNKNOWN),
    )
    for filters in (
        {"team": "team_2"},
        {"virtual_key": "vk_2"},
        {"credential": "cred_2"},
        {"provider": "google"},
        {"model": "fast"},
        {"model": "gemini-3.8-flash"},
        {"model": "gemini-3.8-flash-001"},
        {"state": "failed_billed"},
        {"error_class": "timeout"},
        {"cost_state": "unknown"},
        {"from_at": other.started_at},
        {"provider": "google", "cost_state": "unknown"},
    ):
        assert await ids(database, **filters) == [other.id], filters
    for filters in (
        {"team": "Research"},
        {"virtual_key": "laptop"},
        {"credential": "openai-main"},
        {"model": "gpt-5"},
        {"to_at": other.started_at},
    ):
        assert await ids(database, **filters) == [plain.id], filters
    for filters in (
        {"team": "nobody"},
        {"model": "%"},
        {"state": "' OR 1=1 --"},
        {"provider": "google", "model": "gpt-5"},
    ):
        assert await ids(database, **filters) == [], filters


# -- reports ------------------------------------------------------------------------------------------------------


async def report(
    database: Database, *dimensions: str, hours: int = 48, organization_id: str = "org_1", **narrowed: Any
) -> Any:
    async with database.read() as conn:
        start = FakeClock().now_us()
        return await usage_by(
            conn,
            organization_id=organization_id,
            dimensions=dimensions,
            from_at=start,
            to_at=start + hours * HOUR_US,
            **narrowed,
        )


async def test_usage_adds_up_by_each_dimension_with_names(database: Database, writer: Writer) -> None:
    await writer.request()
    await writer.request()
    await writer.request(
        team_id="team_2", provider="google", credential_id="cred_2", model_sent="m", cost=Cost(state=CostState.UNKNOWN)
    )
    await writer.refused()
    by_team = await report(database, "team")
    assert [
        (line.keys[0].id, line.keys[0].name, line.requests, line.attempts, line.cost) for line in by_team.lines
    ] == [
        ("team_1", "Research", 3, 2, "0.024505"),
        ("team_2", "team_2", 1, 1, "0"),
    ]
    first, second = by_team.lines
    assert first.tokens == {"input_tokens": 2000, "cache_read_tokens": 40, "output_tokens": 200}
    assert (first.input_total, first.output_total, first.duration_us) == (2040, 200, 4500)
    assert (first.priced, first.estimated, first.unpriced, first.unknown) == (2, 0, 0, 0)
    assert (second.priced, second.unknown) == (0, 1)
    named = {
        "principal": {("mem_1", "Ada")},
        "virtual_key": {("vk_1", "laptop")},
        "credential": {("cred_1", "openai-main"), ("cred_2", "cred_2"), ("", "")},
        "provider": {("openai", "openai"), ("google", "google"), ("", "")},
        "owner": {("own", "own"), ("", "")},
        "outcome": {("settled", "settled"), ("rejected", "rejected")},
    }
    for dimension, expected in named.items():
        assert {(line.keys[0].id, line.keys[0].name) for line in (await report(database, dimension)).lines} == expected


async def test_totals_are_the_sum_of_the_lines_whatever_the_dimensions(database: Database, writer: Writer) -> None:
    await writer.request()
    await writer.request(cost=Cost(state=CostState.ESTIMATED, pico=5), provider="google")
    await writer.request(cost=Cost(state=CostState.UNPRICED), model_sent="m")
    everything = await report(database)
    assert everything.lines == everything.totals
    (total,) = everything.totals
    assert (total.requests, total.cost) == (3, "0.012252500005")
    assert (total.priced, total.estimated, total.unpriced, total.unknown) == (1, 1, 1, 0)
    for dimension in DIMENSIONS:
        assert (await report(database, dimension)).totals == everything.totals
    whole_report = await report(database, *DIMENSIONS)
    assert whole_report.totals == everything.totals
    assert [key.dimension for key in whole_report.lines[0].keys] == list(DIMENSIONS)
    assert msgspec.json.encode(whole_report)


async def test_currencies_are_never_added_up(database: Database, writer: Writer) -> None:
    await writer.request()
    await writer.request(cost=Cost(state=CostState.PRICED, pico=3_000_000_000_000, currency="EUR"))
    by_team = await report(database, "team")
    assert [(line.currency, line.cost) for line in by_team.lines] == [("EUR", "3"), ("USD", "0.0122525")]
    assert [(line.currency, line.cost, line.keys) for line in by_team.totals] == [
        ("EUR", "3", ()),
        ("USD", "0.0122525", ()),
    ]


async def test_hours_and_days_are_in_order_and_bounded_by_the_span(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    for hours in (0, 1, 23, 24):
        clock.jump((FakeClock().now_us() + hours * HOUR_US - clock.now_us()) / 1_000_000)
        await writer.request()
    by_hour = await report(database, "hour", hours=24)
    assert [line.keys[0].name for line in by_hour.lines] == [
        "2026-01-01T00:00Z",
        "2026-01-01T01:00Z",
        "2026-01-01T23:00Z",
    ]
    by_day = await report(database, "day")
    assert [(line.keys[0], line.requests) for line in by_day.lines] == [
        (UsageKey(dimension="day", id="2026-01-01T00:00:00Z", name="2026-01-01"), 3),
        (UsageKey(dimension="day", id="2026-01-02T00:00:00Z", name="2026-01-02"), 1),
    ]


async def test_days_begin_at_the_midnight_of_the_time_zone_also_where_clocks_change(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    wanted = {
        "2026-03-28": (datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 28, 22, tzinfo=UTC)),
        "2026-03-29": (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 21, tzinfo=UTC)),
        "2026-03-30": (datetime(2026, 3, 29, 22, tzinfo=UTC),),
    }
    for begins in wanted.values():
        for at in begins:
            clock.jump(at.timestamp() - clock.now_us() / 1_000_000)
            await writer.request()
    async with database.read() as conn:
        found = await usage_by(
            conn,
            organization_id="org_1",
            dimensions=("day",),
            from_at=micros(datetime(2026, 3, 27, 23, tzinfo=UTC)),
            to_at=micros(datetime(2026, 3, 30, 22, tzinfo=UTC)),
            time_zone="Europe/Berlin",
        )
    assert [(line.keys[0].name, datetime.fromisoformat(line.keys[0].id), line.requests) for line in found.lines] == [
        (day, begins[0], len(begins)) for day, begins in wanted.items()
    ]


async def test_what_is_narrowed_is_what_the_whole_report_says_of_these_values(
    database: Database, writer: Writer
) -> None:
    for number, model in enumerate(("gpt-5", "gpt-5", "o9", "sonar"), start=1):
        await writer.request(team_id=f"team_{number % 2}", credential_id=f"cred_{number}", model_sent=model)
    whole = await report(database, "team", "credential", "model")
    narrowed: tuple[dict[str, set[str]], ...] = (
        {"model": {"gpt-5"}},
        {"model": {"gpt-5", "sonar"}, "team": {"team_0"}},
        {"credential": {"cred_1", "cred_nobody"}},
        {"team": set()},
    )
    for only in narrowed:
        asked = {name: frozenset(values) for name, values in only.items()}
        found = await report(database, "team", "credential", "model", only=asked)
        kept = [line for line in whole.lines if all(key.id in only.get(key.dimension, {key.id}) for key in line.keys)]
        assert list(found.lines) == kept
        assert sum(line.requests for line in found.totals) == sum(line.requests for line in kept)


async def test_there_are_no_values_of_a_time_to_choose_from(database: Database, subtests: pytest.Subtests) -> None:
    for name in ("day", "hour", "colour", "tag:", "currency"):
        with subtests.test(name), pytest.raises(InvalidRequestError, match="no values"):
            await report(database, "model", only={name: frozenset({"x"})})


async def test_an_unknown_time_zone_is_refused(database: Database, subtests: pytest.Subtests) -> None:
    for name in ("Europe/Nowhere", "../etc/passwd", "/etc/passwd", "\x00"):
        with subtests.test(name), pytest.raises(InvalidRequestError, match="time zone"):
            async with database.read() as conn:
                await usage_by(conn, organization_id="org_1", dimensions=(), from_at=0, to_at=HOUR_US, time_zone=name)


async def test_usage_goes_to_the_cost_centre_that_the_team_had_when_the_hour_began(
    database: Database, writer: Writer, clock: FakeClock
) -> None:
    start = clock.now_us()
    centers = (("4711", start + HOUR_US // 2), ("4712", start + HOUR_US * 3 // 2))
    async with database.write() as conn:
        for name, at in centers:
            await conn.execute(
                insert(team_cost_centers).values(
                    team_id="team_1", valid_from=at, organization_id="org_1", cost_center=name
                )
            )
    for hour in range(4):
        clock.jump((start + hour * HOUR_US - clock.now_us()) / 1_000_000)
        await writer.request()
    await writer.request(team_id="team_2")
    by_center = await report(database, "cost_center")
    assert {line.keys[0].name: line.requests for line in by_center.lines} == {"4711": 2, "4712": 2, "default": 1}
    assert by_center.totals[0].requests == 5


async def test_a_span_is_widened_to_whole_hours(database: Database, writer: Writer) -> None:
    await writer.request()
    start = FakeClock().now_us()
    async with database.read() as conn:
        found = await usage_by(
            conn, organization_id="org_1", dimensions=(), from_at=start + 10 * 60_000_000, to_at=start + 20 * 60_000_000
        )
    assert (found.from_at, found.to_at) == (start, start + HOUR_US)
    assert found.totals[0].requests == 1


async def test_another_organizations_usage_is_not_counted(database: Database, writer: Writer) -> None:
    await writer.request(organization_id="org_2")
    assert (await report(database, "team")).lines == ()
    assert (await report(database)).totals == ()
    assert len((await report(database, "team", organization_id="org_2")).lines) == 1


async def test_an_unknown_or_repeated_dimension_is_refused(database: Database, subtests: pytest.Subtests) -> None:
    for dimensions in (("color",), ("team", "team"), ("hour_at",), ("team; DROP TABLE rollups",)):
        with subtests.test(dimensions=dimensions):
            with pytest.raises(InvalidRequestError) as refused:
                await report(database, *dimensions)
            assert refused.value.param == "by"


async def test_an_empty_span_is_refused(database: Database) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await report(database, hours=0)
    assert refused.value.param == "to"


async def test_sums_beyond_sixty_four_bits_are_exact(database: Database, writer: Writer) -> None:
    # Each is a row of its own, near the largest amount a column holds
    amounts = [MAX_PICO, MAX_PICO - 1, 1, MAX_PICO - 123_456_789]
    for number, pico in enumerate(amounts):
        await writer.request(team_id=f"team_{number}", cost=Cost(state=CostState.PRICED, pico=pico))
    (total,) = (await report(database)).totals
    assert isinstance(total, UsageLine)
    assert total.cost == to_text(sum(amounts))


async def test_exact_sums_hold_for_negative_numbers_and_for_none(database: Database) -> None:
    # An instant is a 64-bit column like any other
    numbers = [-(2**63), -1, 5, 2**63 - 1, -(2**63)]
    column = schema.instances.c.started_at
    async with database.write() as conn:
        assert whole(*(await conn.execute(select(*exact_sum(column)))).one()) == 0
        for number, value in enumerate(numbers):
            row = {"id": f"ins_{number}", "host": "h", "pid": 1, "started_at": value, "heartbeat_at": 0}
            await conn.execute(insert(schema.instances).values(row))
        assert whole(*(await conn.execute(select(*exact_sum(column)))).one()) == sum(numbers)
    assert whole(Decimal(3), Decimal(4)) == 3 * 2**31 + 4
