"""How long requests are kept: asked for, set, and told."""

import pytest

from keystead.domain.access import Role
from tests.fakes.command_line import Run, answer
from tests.integration.admin.world import World


async def test_an_owner_sets_it_and_the_audit_has_it(world: World) -> None:
    assert await world.get("/retention") == {"days": None, "oldest_at": None, "would_forget": None}
    would = (await world.get("/retention?days=90"))["would_forget"]
    assert (would["days"], would["requests"], would["more"]) == (90, 0, False)
    assert (await world.post("/retention/set", {"days": 90}))["days"] == 90
    assert (await world.get("/organization"))["keep_requests_days"] == 90
    [event] = (await world.get("/audit-events?action=retention.set"))["items"]
    assert (event["details"]["days"], event["details"]["before"]) == (90, {"days": None})
    assert (await world.post("/retention/set", {"for_ever": True}))["days"] is None


async def test_days_have_bounds_and_are_said(light_world: World, subtests: pytest.Subtests) -> None:
    for body in (
        {"days": 39},
        {"days": 3661},
        {"days": 0},
        {"days": -1},
        {"days": "90"},
        {"days": 1.5},
        {},
        {"days": None},
        {"days": 90, "for_ever": True},
    ):
        with subtests.test(body=body):
            refused = await light_world.call("POST", "/retention/set", body)
            assert refused.status == 400
    assert (await light_world.call("GET", "/retention?days=39")).status == 400
    assert (await light_world.get("/retention"))["days"] is None


async def test_others_may_read_it_at_most(light_world: World) -> None:
    auditor = await light_world.signed_in_as(Role.AUDITOR)
    assert (await light_world.call("GET", "/retention", token=auditor)).status == 200
    for role in (Role.AUDITOR, Role.DEVELOPER, Role.FINANCE):
        token = await light_world.signed_in_as(role)
        assert (await light_world.call("POST", "/retention/set", {"days": 90}, token=token)).status == 403
    assert (await light_world.get("/retention"))["days"] is None


@pytest.mark.asyncio(loop_scope="module")
async def test_the_command_line_asks_before_it_forgets(run: Run) -> None:
    assert (await answer(run, "retention", "show"))["days"] is None
    assert "say --yes" in (await run("retention", "set", "--days", "90", expect=2)).output
    assert "either" in (await run("retention", "set", expect=2)).output
    assert "either" in (await run("retention", "set", "--days", "90", "--for-ever", expect=2)).output
    assert (await answer(run, "retention", "set", "--days", "90", "--yes"))["days"] == 90
    shown = (await run("retention", "show", "--days", "45")).stdout
    assert "for 90 days" in shown
    assert "0 requests from before" in shown
    assert (await answer(run, "retention", "set", "--for-ever"))["days"] is None
