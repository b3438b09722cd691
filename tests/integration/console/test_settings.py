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


async def test_an_auditor_reads_the_settings_and_changes_nothing(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": Role.AUDITOR}]}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    assert f'href="{PAGE}"' in await bob.get("/console/account")
    shown = await bob.get(PAGE)
    assert 'name="time_zone"' not in shown
    assert f'href="{PAGE}/health"' not in shown, "the operator's"
    refused = await bob.submit("/console/account", PAGE, {"name": "Mine", "time_zone": ZONE}, expect=403)
    assert "organization:write" in refused.body.decode()
    assert (await world.get("/organization"))["name"] != "Mine"


async def test_a_developer_sees_no_settings(inside: Browser) -> None:
    world = inside.world
    roles = [{"role": Role.DEVELOPER}]
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": roles}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    assert PAGE not in await bob.get("/console/account")


ISSUER = "https://login.example.com/realms/acme"
SIGN_IN = f"{PAGE}/sign-in"
PROVIDER = {"issuer": ISSUER, "client_id": "keystead", "domains": "example.com, Example.org", "team": ""}
CLIENT_SECRET = "client-secret-canary-9c41"


async def test_an_owner_names_an_identity_provider_changes_and_removes_it(inside: Browser) -> None:
    world = inside.world
    shown = await inside.get(SIGN_IN)
    assert "http://127.0.0.1/console/sign-in/back" in shown
    await inside.submit(SIGN_IN, SIGN_IN, {**PROVIDER, "client_secret": CLIENT_SECRET})
    kept = (await world.get("/identity-provider"))["identity_provider"]
    assert (kept["issuer"], kept["domains"], kept["team_id"]) == (ISSUER, ["example.com", "example.org"], None)
    shown = await inside.get(SIGN_IN)
    assert f"http://127.0.0.1{kept['sign_in_path']}" in shown
    assert CLIENT_SECRET not in shown
    changed = {**PROVIDER, "team": world.team_id, "trusts_mfa": "yes", "client_secret": ""}
    await inside.submit(SIGN_IN, SIGN_IN, changed)  # without a secret: the one that is kept stays
    kept = (await world.get("/identity-provider"))["identity_provider"]
    assert (kept["team_id"], kept["trusts_mfa"]) == (world.team_id, True)
    assert "becomes a developer of" in await inside.get(SIGN_IN)
    assert ISSUER in await inside.get(f"{SIGN_IN}/remove")
    await inside.submit(f"{SIGN_IN}/remove", f"{SIGN_IN}/remove", {})
    assert (await world.get("/identity-provider"))["identity_provider"] is None
    await inside.get(f"{SIGN_IN}/remove", expect=303)


async def test_what_is_wrong_about_a_provider_stands_at_its_field_and_the_secret_is_not_repeated(
    inside: Browser,
) -> None:
    form = {**PROVIDER, "domains": '"><img src=x>', "client_secret": CLIENT_SECRET, "trusts_mfa": "yes"}
    refused = (await inside.submit(SIGN_IN, SIGN_IN, form, expect=400)).body.decode()
    assert 'aria-describedby="domains-wrong"' in refused
    assert f'value="{ISSUER}"' in refused
    assert " checked>" in refused
    assert "<img src=x" not in refused
    assert CLIENT_SECRET not in refused
    await inside.submit(SIGN_IN, SIGN_IN, {**PROVIDER, "client_secret": CLIENT_SECRET})
    other = {**PROVIDER, "issuer": "https://other.example.com", "client_secret": ""}
    refused = (await inside.submit(SIGN_IN, SIGN_IN, other, expect=409)).body.decode()
    assert 'aria-describedby="client_secret-wrong"' in refused
    assert '<details class="panel" open>' in refused


async def test_an_administrator_reads_the_provider_and_does_not_change_it(inside: Browser) -> None:
    world = inside.world
    await inside.submit(SIGN_IN, SIGN_IN, {**PROVIDER, "client_secret": CLIENT_SECRET})
    roles = [{"role": Role.ADMINISTRATOR}]
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": roles}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    shown = await bob.get(SIGN_IN)
    assert ISSUER in shown
    assert 'name="issuer"' not in shown
    assert f'href="{SIGN_IN}/remove"' not in shown
    await bob.get(f"{SIGN_IN}/remove", expect=403)
    await bob.submit("/console/account", SIGN_IN, PROVIDER, expect=403)
    await bob.submit("/console/account", f"{SIGN_IN}/remove", {}, expect=403)


async def test_health_is_the_operators(inside: Browser) -> None:
    shown = await inside.get(f"{PAGE}/health")
    assert "Everything is as it should be." in shown
    assert "It answers." in shown
    world = inside.world
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": Role.OWNER}]}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    assert f"{PAGE}/health" not in await bob.get(PAGE)
    assert "It answers." not in await bob.get(f"{PAGE}/health", expect=403)
