"""Nothing malformed, privileged or absurd gets past the door (T12, T26, T44)."""

from typing import Any

import msgspec
import pytest

from keystead.domain.errors import GatewayError
from keystead.web.admin.route import MAX_BODY_BYTES, Route
from keystead.web.admin.routes import ROUTES
from tests.integration.admin.asgi import call
from tests.integration.admin.world import World

KEY = {"name": "k", "team": "Default team"}
PRICE = {"provider": "openai", "model": "gpt-5"}


def path_of(route: Route) -> str:
    """Return the route's path with something in place of its parameters."""
    return "/".join("x" if part.startswith("{") else part for part in route.path.split("/"))


async def test_unknown_and_privileged_fields_are_refused_on_every_route(light_world: World) -> None:
    for route in ROUTES:
        for field in ("role", "organization_id", "id", "owner", "created_by", "allowed_routes", "__proto__"):
            if field in {f.encode_name for f in msgspec.structs.fields(route.body)}:
                continue
            if route.method == "POST":
                body = b'{"%s":"administrator"}' % field.encode()
                answer = await light_world.call("POST", path_of(route), body)
            else:
                answer = await light_world.call("GET", f"{path_of(route)}?{field}=administrator")
            assert answer.status == 400, (route.path, field)
            assert field in answer.json()["detail"]


async def test_absurd_values_are_refused_and_nothing_is_written(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[str, Any], ...] = (
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "-0.1"}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "NaN"}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "Infinity"}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "1e309"}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "9999999999"}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "\u0661"}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "1\n"}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": 0.1}}),
        ("/price-overrides", PRICE | {"prices": {}}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "1"}, "currency": "usd"}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "1"}, "provider": "nobody"}),
        ("/price-overrides", PRICE | {"prices": {"input_tokens": "1"}, "valid_from": "2025-01-01T00:00:00Z"}),
        ("/credentials/x/retire", {"version": 0}),
        ("/credentials/x/retire", {"version": -1}),
        ("/credentials/x/retire", {"version": 1.5}),
        ("/credentials/x/retire", {"version": "1"}),
        ("/credentials/x/retire", {"version": True}),
        ("/credentials/x/retire", b'{"version":1e309}'),
        ("/credentials/x/retire", b'{"version":%d}' % 10**400),
        ("/credentials/x/retire", b'{"version":NaN}'),
        ("/virtual-keys", KEY | {"expires_at": "2025-12-31T23:59:59Z"}),
        ("/virtual-keys", KEY | {"expires_at": "2027-01-01T00:00:00"}),
        ("/virtual-keys", KEY | {"expires_at": 1e20}),
        ("/virtual-keys", KEY | {"models": []}),
        ("/virtual-keys", KEY | {"models": ["a b"]}),
        ("/virtual-keys", KEY | {"models": ["a\n"]}),
        ("/virtual-keys", KEY | {"credentials": []}),
        ("/virtual-keys", KEY | {"name": "vk_01hf7yat002js5kpthz4dbqfx6"}),
        ("/virtual-keys", KEY | {"name": "\u001b[31mred"}),
        ("/members", {"name": "a", "team": "Default team", "roles": []}),
        ("/teams", {"name": "a", "cost_center": "a\nb"}),
        ("/teams", b'{"name":"a"'),
        ("/teams", b'{"name":"\xff"}'),
        ("/teams", b'{"name":"\\ud800"}'),
        ("/teams", b"[]"),
        ("/teams", b"null"),
        ("/teams", b'{"name":' * 100_000),
        ("/teams", b"[" * 60_000),
    )
    before = await light_world.get("/audit-events")
    for path, body in cases:
        with subtests.test(path=path, body=body):
            answer = await light_world.call("POST", path, body)
            assert answer.status in {400, 413}
            assert answer.json()["fault"] == "caller"
            assert await light_world.get("/audit-events") == before


async def test_a_body_must_be_json_and_say_so(light_world: World) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; boundary=x"):
        answer = await light_world.call("POST", "/teams", b'{"name":"x"}', headers={"Content-Type": content_type})
        assert answer.status == 415, content_type
    answer = await light_world.call(
        "POST", "/teams", b'{"name":"x"}', headers={"Content-Type": "Application/JSON; charset=utf-8"}
    )
    assert answer.status == 201


async def test_a_large_body_is_refused_before_it_is_all_there(light_world: World) -> None:
    chunks = [b" " * 1024] * (MAX_BODY_BYTES // 1024 + 1)
    headers = [("Authorization", f"Bearer {light_world.token}"), ("Content-Type", "application/json")]
    answer = await call(light_world.app, "POST", "/admin/v1/teams", headers=headers, chunks=chunks)
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


async def test_a_query_that_cannot_be_read_is_refused(light_world: World) -> None:
    for query in ("limit=1&limit=2", "limit=%ff", "&".join(f"a{n}=1" for n in range(100)), "cursor=%00", "cursor=é"):
        assert (await light_world.call("GET", f"/teams?{query}")).status == 400, query


async def test_a_cursor_of_nobodys_making_finds_nothing_and_breaks_nothing(light_world: World) -> None:
    for cursor in ("JyBPUiAxPTEgLS0", "JSUlJQ", "AAAA"):
        answer = await light_world.call("GET", f"/teams?cursor={cursor}")
        assert answer.status in {200, 400}
        assert answer.status == 400 or answer.json()["items"] == []


async def test_names_in_paths_are_only_ever_names(light_world: World) -> None:
    for name in ("' OR 1=1 --", "%", "_", "..", "%2e%2e", "\x00", "a" * 10_000, "é", "{{7*7}}"):
        answer = await light_world.call("GET", f"/credentials/{name}")
        assert answer.status == 404, name


async def test_a_nul_is_refused_wherever_it_comes_on_every_engine(world: World) -> None:
    for path in ("/teams?cursor=YQBi", "/requests?team=a%00b", "/requests?model=%00", "/audit-events?action=%00"):
        assert (await world.call("GET", path)).status == 400, path
    assert (await world.call("GET", "/requests/req_\x00")).status == 404
    assert (await world.call("POST", "/virtual-keys/a\x00/revoke")).status == 404
    for body in ({"name": "k", "team": "a\x00"}, KEY | {"member": "\x00"}, KEY | {"credentials": ["\x00"]}):
        assert (await world.call("POST", "/virtual-keys", body)).status == 400


@pytest.mark.parametrize(
    "path", ["/usage?only=model:%00", "/latency?only=team:a%00b", "/stored-objects?credential=%00"]
)
async def test_a_nul_in_a_filter_is_refused_on_every_engine(world: World, path: str) -> None:
    assert (await world.call("GET", path)).status == 400


async def test_times_at_the_ends_of_the_calendar_are_answered_or_refused_by_every_report(light_world: World) -> None:
    asked = 0
    for route in (route for route in ROUTES if route.method == "GET"):
        if not {"since", "until"} <= {field.encode_name for field in msgspec.structs.fields(route.query)}:
            continue
        asked += 1
        for since, until in (
            ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00%2B14:00", "0001-01-02T00:00:00Z"),  # in UTC these have a year 0, or 10000
            ("9999-12-31T23:00:00-14:00", "9999-12-31T23:59:59-14:00"),
            ("9999-12-31T22:00:00Z", "9999-12-31T23:59:59Z"),
            ("1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"),
        ):
            answer = await light_world.call("GET", f"{path_of(route)}?since={since}&until={until}")
            assert answer.status in {200, 400}, (route.path, since, until)
    assert asked > 5


async def test_a_report_is_of_ten_years_at_most(light_world: World) -> None:
    for path in ("/usage", "/latency", "/usage/focus", "/digest", "/credit-statement"):
        for since, status in (("2016-01-02", 200), ("2015-12-01", 400)):
            query = f"since={since}T00:00:00Z&until=2026-01-01T00:00:00Z"
            assert (await light_world.call("GET", f"{path}?{query}")).status == status, path


async def test_a_defect_is_told_without_its_internals(light_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("at 10.0.0.7")

    monkeypatch.setattr(light_world.directory, "organization", broken)
    answer = await light_world.call("GET", "/organization")
    assert (answer.status, answer.json()["code"], answer.json()["fault"]) == (500, "internal_error", "gateway")
    assert b"10.0.0.7" not in answer.body
    assert b"ZeroDivision" not in answer.body


async def test_a_database_that_is_away_is_told_as_the_gateways_fault(
    light_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise GatewayError("The database did not answer.", code="storage_unavailable") from OSError("at 10.0.0.7")

    monkeypatch.setattr(light_world.directory, "organization", away)
    answer = await light_world.call("GET", "/organization")
    assert (answer.status, answer.json()["code"], answer.json()["fault"]) == (503, "storage_unavailable", "gateway")
    assert b"10.0.0.7" not in answer.body


async def test_a_change_counts_even_if_the_snapshot_cannot_be_compiled_now(
    light_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise ConnectionError

    rooms = msgspec.structs.replace(light_world.app.rooms, refresh_snapshot=broken)
    app = type(light_world.app)(rooms)
    headers = [("Authorization", f"Bearer {light_world.token}"), ("Content-Type", "application/json")]
    answer = await call(app, "POST", "/admin/v1/teams", headers=headers, chunks=[b'{"name":"Research"}'])
    assert answer.status == 201
    assert [team["name"] for team in (await light_world.get("/teams?limit=2"))["items"]].count("Research") == 1
