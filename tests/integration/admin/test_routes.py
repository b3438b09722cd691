"""Routes through the API: written with names, shown with names, recorded whole, and in force at once."""

from typing import Any

import pytest

from keystead.domain.access import Role
from tests.integration.admin.world import World

ATTEMPTS = [
    {"credential": "main", "model": "gpt-5", "weight": 3, "first_byte_timeout_s": 2.5},
    {"provider": "anthropic", "model": "claude-sonnet-4-5"},
]


async def create(world: World, **changes: Any) -> Any:
    body = {"name": "coding", "attempts": ATTEMPTS, "strategy": "weighted", "sticky": True}
    return await world.post("/model-routes", body | changes, expect=201)


async def test_a_route_lives_from_its_creation_to_its_end(world: World) -> None:
    credential = await world.add_credential()
    created = await create(world)
    assert created == {
        "id": created["id"],
        "name": "coding",
        "strategy": "weighted",
        "sticky": True,
        "unsupported": "refuse",
        "attempts": [
            {
                "model": "gpt-5",
                "credential_id": credential["id"],
                "credential": "main",
                "provider": None,
                "weight": 3,
                "first_byte_timeout_s": 2.5,
            },
            {
                "model": "claude-sonnet-4-5",
                "credential_id": None,
                "credential": None,
                "provider": "anthropic",
                "weight": 1,
                "first_byte_timeout_s": None,
            },
        ],
        "created_at": "2026-01-01T00:00:00Z",
        "created_by": world.member_id,
    }
    assert await world.get("/model-routes/coding") == created
    assert await world.get(f"/model-routes/{created['id']}") == created
    body = {"attempts": [ATTEMPTS[1]], "strategy": "ordered", "sticky": False, "unsupported": "drop"}
    changed = await world.post("/model-routes/coding/change", body)
    assert changed == created | body | {"attempts": [created["attempts"][1]]}
    assert (await world.get("/model-routes"))["items"] == [changed]
    assert await world.post("/model-routes/coding/delete") == changed
    assert (await world.get("/model-routes"))["items"] == []
    assert (await world.call("GET", "/model-routes/coding")).status == 404


async def test_every_change_counts_at_once_and_is_recorded_whole(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    created = await create(world)

    def in_force() -> dict[str, str]:
        return {
            name: route.strategy for name, route in world.snapshots.current.rules[world.organization_id].routes.items()
        }

    assert in_force() == {"coding": "weighted"}
    world.clock.advance(1)
    world.clock.advance(1)
    await world.post("/model-routes/coding/change", {"sticky": False, "strategy": "fastest", "unsupported": "drop"})
    assert in_force() == {"coding": "fastest"}
    assert world.snapshots.current.rules[world.organization_id].routes["coding"].unsupported == "drop"
    world.clock.advance(1)
    await world.post("/model-routes/coding/delete")
    assert in_force() == {}
    events = (await world.get(f"/audit-events?object={created['id']}"))["items"][::-1]
    assert [event["action"] for event in events] == [
        "model_route.created",
        "model_route.changed",
        "model_route.deleted",
    ]
    assert {event["object_kind"] for event in events} == {"model_route"}
    assert events[0]["details"]["attempts"] == created["attempts"]
    assert [event["details"]["strategy"] for event in events] == ["weighted", "fastest", "fastest"]
    assert [event["details"]["unsupported"] for event in events] == ["refuse", "drop", "drop"]


async def test_routes_come_in_pages(light_world: World) -> None:
    world = light_world
    for number in range(5):
        world.clock.advance(1)
        await create(world, name=f"route-{number}", attempts=[ATTEMPTS[1]])
    first = await world.get("/model-routes?limit=3")
    second = await world.get(f"/model-routes?limit=3&cursor={first['next_cursor']}")
    names = [route["name"] for route in (*first["items"], *second["items"])]
    assert names == ["route-4", "route-3", "route-2", "route-1", "route-0"]
    assert second["next_cursor"] is None


async def test_another_organization_sees_none_of_it(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    created = await create(world)
    stranger = await world.other_organization()
    for reference in (created["id"], "coding"):
        for method, path, body in (
            ("GET", f"/model-routes/{reference}", None),
            ("POST", f"/model-routes/{reference}/change", {"sticky": False}),
            ("POST", f"/model-routes/{reference}/delete", None),
        ):
            assert (await world.call(method, path, body, token=stranger)).status == 404, path
    assert (await world.call("GET", "/model-routes", token=stranger)).json()["items"] == []
    foreign = {"name": "coding", "attempts": [{"credential": "main", "model": "gpt-5"}]}
    answer = await world.call("POST", "/model-routes", foreign, token=stranger)
    assert (answer.status, answer.json()["code"]) == (404, "credential_not_found")
    assert await world.get("/model-routes/coding") == created


async def test_a_developer_may_look_and_not_touch(light_world: World) -> None:
    world = light_world
    await create(world, attempts=[ATTEMPTS[1]])
    token = await world.signed_in_as(Role.DEVELOPER)
    assert (await world.call("GET", "/model-routes/coding", token=token)).status == 200
    for path in ("/model-routes", "/model-routes/coding/change", "/model-routes/coding/delete"):
        assert (await world.call("POST", path, {}, token=token)).status == 403


async def test_what_is_not_a_route_is_refused_and_leaves_nothing(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[dict[str, Any], str | None], ...] = (
        ({"name": "a/b"}, "name"),
        ({"name": "gpt-*"}, "name"),
        ({"name": "coding\n"}, "name"),
        ({"attempts": []}, "attempts"),
        ({"unsupported": "ignore"}, "unsupported"),
        ({"attempts": [{"route": "other"}]}, "attempts[0]"),
        ({"attempts": [{"model": "gpt-5"}]}, "attempts[0]"),
        ({"attempts": [{"model": "gpt-5", "provider": "nobody"}]}, "attempts[0].provider"),
        ({"attempts": [{"model": "sk-proj-abcdefgh", "provider": "openai"}]}, "attempts[0].model"),
        ({"attempts": [{"model": "gpt-5", "provider": "openai", "weight": 0}]}, "attempts[0].weight"),
        ({"attempts": [{"model": "gpt-5", "provider": "openai", "weight": 1.5}]}, "attempts[0].weight"),
        (
            {"attempts": [{"model": "gpt-5", "provider": "openai", "first_byte_timeout_s": 0}]},
            "attempts[0].first_byte_timeout_s",
        ),
        ({"strategy": "random"}, "strategy"),
        ({"strategy": "cheapest"}, "sticky"),
        ({"organization_id": "org_x"}, None),
    )
    body = {"name": "coding", "attempts": [ATTEMPTS[1]], "strategy": "weighted", "sticky": True}
    for changes, param in cases:
        with subtests.test(changes=changes):
            answer = await light_world.call("POST", "/model-routes", body | changes)
            assert answer.status == 400, answer.body
            assert answer.json().get("param") == param
            assert (await light_world.get("/model-routes"))["items"] == []


async def test_a_number_too_large_for_any_wait_is_refused(light_world: World) -> None:
    body = b'{"name":"x","attempts":[{"provider":"openai","model":"gpt-5","first_byte_timeout_s":1e309}]}'
    assert (await light_world.call("POST", "/model-routes", body)).status == 400
