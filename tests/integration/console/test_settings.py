"""What is the organization's own, changed in the browser."""

from keystead.domain.access import Role
from tests.integration.console.conftest import Browser

PAGE = "/console/settings"
ZONE = "Europe/Berlin"


async def test_an_owner_renames_the_organization_and_wants_a_second_factor(inside: Browser) -> None:
    form = {"name": "Acme", "time_zone": ZONE, "second_factor_required": "yes"}
    await inside.submit(PAGE, PAGE, form)
    found = await inside.world.get("/organization")
    assert (found["name"], found["time_zone"], found["second_factor_required"]) == ("Acme", ZONE, True)
    await inside.get(PAGE, expect=303)  # whoever wants it of others needs it too
    await inside.world.post("/organization/change", {"second_factor_required": False})
    await inside.submit(PAGE, PAGE, {"name": "Acme", "time_zone": ZONE})
    assert 'value="Acme"' in await inside.get(PAGE)


async def test_what_is_wrong_is_said_and_what_was_typed_stays(inside: Browser) -> None:
    form = {"name": '"><img src=x>', "time_zone": "Europe/Atlantis", "second_factor_required": "yes"}
    refused = (await inside.submit(PAGE, PAGE, form, expect=400)).body.decode()
    assert "<img src=x" not in refused
    assert 'value="Europe/Atlantis"' in refused
    assert " checked>" in refused
    assert (await inside.world.get("/organization"))["second_factor_required"] is False


async def test_who_may_not_change_them_sees_no_settings_and_changes_nothing(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": Role.AUDITOR}]}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    assert f'href="{PAGE}"' not in await bob.get("/console/account")
    refused = await bob.submit("/console/account", PAGE, {"name": "Mine", "time_zone": ZONE}, expect=403)
    assert "organization:write" in refused.body.decode()
    assert (await world.get("/organization"))["name"] != "Mine"
