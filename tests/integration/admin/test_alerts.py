"""Alerts and the digest through the admin API: what is shown to whom, and who may say that they have seen it."""

import pytest

from keystead.domain.access import Role
from keystead.domain.ids import TeamId
from tests.integration.admin.matrix import objects_of
from tests.integration.admin.world import World


async def test_an_alert_is_listed_shown_and_acknowledged(world: World) -> None:
    alert = (await objects_of(world))["alert"]
    shown = await world.get(f"/alerts/{alert}")
    assert (shown["kind"], shown["subject"], shown["state"]) == ("credential_contract_ends", "main", "open")
    assert shown["detail"] == {"type": "end", "ends_at": shown["first_at"]}
    assert (await world.get("/alerts?open=true"))["items"] == [shown]

    seen = await world.post(f"/alerts/{alert}/acknowledge")
    assert (seen["state"], seen["acknowledged_by"]) == ("acknowledged", world.member_id)
    assert (await world.get("/alerts?open=true"))["items"] == [seen]
    event = (await world.get("/audit-events?action=alert.acknowledged"))["items"][0]
    assert (event["object_id"], event["details"]["kind"]) == (alert, "credential_contract_ends")


async def test_lists_of_alerts_come_in_pages(light_world: World) -> None:
    await objects_of(light_world)
    page = await light_world.get("/alerts?limit=1")
    assert (len(page["items"]), page["next_cursor"]) == (1, None)


async def test_teams_see_their_own_alerts(light_world: World) -> None:
    world = light_world
    alert = (await objects_of(world))["alert"]
    elsewhere = TeamId((await world.post("/teams", {"name": "Elsewhere"}, expect=201))["id"])
    ours = await world.signed_in_as(Role.FINANCE, team_id=world.team_id)
    theirs = await world.signed_in_as(Role.FINANCE, team_id=elsewhere)
    assert [one["id"] for one in (await world.call("GET", "/alerts", token=ours)).json()["items"]] == [alert]
    assert (await world.call("GET", "/alerts", token=theirs)).json()["items"] == []
    for path in (f"/alerts/{alert}", f"/alerts/{alert}/acknowledge"):
        answer = await world.call("POST" if path.endswith("acknowledge") else "GET", path, token=theirs)
        assert (answer.status, answer.json()["code"]) == (404, "alert_not_found")


async def test_a_digest_tells_what_happened_and_of_alerts_only_to_those_who_may_see_them(light_world: World) -> None:
    world = light_world
    alert = (await objects_of(world))["alert"]
    world.clock.advance(1)
    digest = await world.get("/digest")
    assert [line["requests"] for line in digest["spend"]] == [1]
    assert [one["id"] for one in digest["alerts"]] == [alert]
    assert [one["given_by"] for one in digest["consents"]] == ["administrator"]

    role = {"name": "counting", "permissions": ["usage:read"]}
    await world.post("/roles", role, expect=201)
    person = {"name": "accountant", "team": world.team_id, "roles": [{"role": "counting"}]}
    await world.post("/members", person, expect=201)
    token = (await world.post("/admin-tokens", {"name": "t2", "member": "accountant"}, expect=201))["token"]
    narrow = (await world.call("GET", "/digest", token=token)).json()
    assert (narrow["spend"], narrow["alerts"], narrow["consents"]) == (digest["spend"], [], [])


@pytest.mark.parametrize(
    ("query", "code"), [("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "invalid_request")]
)
async def test_a_digest_of_no_time_is_refused(light_world: World, query: str, code: str) -> None:
    answer = await light_world.call("GET", f"/digest?{query}")
    assert (answer.status, answer.json()["code"]) == (400, code)
