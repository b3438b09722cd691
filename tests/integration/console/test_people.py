"""People: the tree of teams, invitations, roles given and taken, programs; and who may do what of it."""

import re

from keystead.domain.access import Role
from tests.integration.console.conftest import Browser

HOSTILE = '"><img src=x onerror=alert(1)>'


async def came_in(inside: Browser, name: str, *roles: dict[str, str], team: str = "") -> Browser:
    """Return the browser of a new member with these roles."""
    world = inside.world
    body = {"name": name, "team": team or world.team_id, "roles": list(roles)}
    await world.post("/members", body, expect=201)
    theirs = inside.another()
    await theirs.come_in(name, email=f"{name}@example.com")
    return theirs


async def team_of(inside: Browser, name: str, parent: str | None = None) -> str:
    return str((await inside.world.post("/teams", {"name": name, "parent": parent}, expect=201))["id"])


async def test_a_team_is_made_changed_and_moved(inside: Browser) -> None:
    form = {"name": "Labs", "parent": inside.world.team_id, "cost_center": "4711"}
    made = await inside.submit("/console/people/teams/new", "/console/people/teams/new", form)
    page = made.headers["location"]
    shown = await inside.get(page)
    assert "Labs" in shown
    assert "4711" in shown
    await inside.submit(page, f"{page}/rename", {"name": "Research labs"})
    await inside.submit(page, f"{page}/cost-center", {"cost_center": "4712"})
    await inside.submit(page, f"{page}/data-class", {"data_class": "confidential"})
    team = await inside.world.get(f"/teams/{page.rpartition('/')[2]}")
    assert (team["cost_center"], team["data_class"], team["parent"]) == ("4712", "confidential", "Default team")
    assert "All of these change with the move" in await inside.get(f"{page}/move")
    await inside.submit(f"{page}/move", f"{page}/move", {"parent": ""})
    assert (await inside.world.get(f"/teams/{team['id']}"))["parent"] is None
    tree = await inside.get("/console/people?find=research")
    assert re.search(r'class="d0" href="/console/people/teams/\w+"><span>Research labs', tree)


async def test_a_team_that_cannot_be_made_is_said_on_the_form_with_what_was_typed(inside: Browser) -> None:
    form = {"name": "Default team", "cost_center": "12 & 3"}
    refused = await inside.submit("/console/people/teams/new", "/console/people/teams/new", form, expect=409)
    page = refused.body.decode()
    assert 'role="alert"' in page
    assert 'value="12 &amp; 3"' in page


async def test_somebody_is_invited_by_a_link_that_is_shown_once(inside: Browser) -> None:
    form = {"name": "grace", "team": inside.world.team_id, "role": "auditor", "where": ""}
    made = await inside.submit("/console/people/members/new", "/console/people/members/new", form, expect=201)
    found = re.search(r"/console/link/[\w-]+", made.body.decode())
    assert found is not None
    member = await inside.world.get("/members/grace")
    assert found[0] not in await inside.get(f"/console/people/members/{member['id']}")
    grace = inside.another()
    await grace.post(found[0], {"email": "grace@example.com", "password": "correct horse battery"})
    assert "Invite somebody" not in await grace.get("/console/people")


async def test_roles_are_given_and_taken(inside: Browser) -> None:
    team = await team_of(inside, "Labs")
    await inside.world.post("/members", {"name": "lin", "team": team, "roles": [{"role": "developer"}]}, expect=201)
    member = await inside.world.get("/members/lin")
    page = f"/console/people/members/{member['id']}"
    await inside.submit(page, f"{page}/assign", {"role": "administrator", "where": team})
    await inside.submit(page, f"{page}/unassign", {"role": "developer", "where": ""})
    assert [(role["role"], role["team"]) for role in (await inside.world.get("/members/lin"))["roles"]] == [
        ("administrator", "Labs")
    ]
    again = await inside.submit(page, f"{page}/assign", {"role": "administrator", "where": team}, expect=409)
    assert 'role="alert"' in again.body.decode()


async def test_a_member_is_disabled_after_a_page_that_says_what_ends_and_comes_back(inside: Browser) -> None:
    world = inside.world
    bob = await came_in(inside, "bob", {"role": "auditor"})
    await world.post("/virtual-keys", {"name": "bobs", "team": world.team_id, "member": "bob"}, expect=201)
    member = await world.get("/members/bob")
    page = f"/console/people/members/{member['id']}"
    asked = await inside.get(f"{page}/disable")
    assert "bobs" in asked
    assert "auditor" in asked
    await inside.submit(f"{page}/disable", f"{page}/disable", {})
    await bob.get("/console/account", expect=303)
    assert "Let them come back" in await inside.get(page)
    await inside.submit(page, f"{page}/enable", {})
    assert (await world.get("/members/bob"))["disabled_at"] is None
    await bob.get("/console/account", expect=303)
    linked = await inside.submit(page, f"{page}/link", {}, expect=201)
    assert "/console/link/" in linked.body.decode()


async def test_nobody_is_offered_to_disable_themselves_and_it_is_refused(inside: Browser) -> None:
    page = f"/console/people/members/{inside.world.member_id}"
    assert f"{page}/disable" not in await inside.get(page)
    refused = await inside.submit(page, f"{page}/disable", {}, expect=409)
    assert "cannot disable yourself" in refused.body.decode()


async def test_a_program_is_made_gets_a_key_once_and_is_disabled(inside: Browser) -> None:
    team = f"/console/people/teams/{inside.world.team_id}"
    made = await inside.submit(team, f"{team}/programs", {"name": "nightly"})
    page = made.headers["location"]
    issued = await inside.submit(page, f"{page}/key", {"name": "nightly-1", "models": "gpt-5*"}, expect=201)
    found = re.search(r"ks_[A-Za-z0-9_-]{70,}", issued.body.decode())
    assert found is not None
    shown = await inside.get(page)
    assert "nightly-1" in shown
    assert found[0] not in shown
    assert "nightly-1" in await inside.get(f"{page}/disable")
    await inside.submit(f"{page}/disable", f"{page}/disable", {})
    assert (await inside.world.get("/service-accounts/nightly"))["disabled_at"] is not None


async def test_names_with_markup_or_invisible_characters_do_nothing(inside: Browser) -> None:
    team = await team_of(inside, HOSTILE.replace("/", ""))
    body = {"name": "evil\u202egpj", "team": team, "roles": [{"role": "developer"}]}
    member = await inside.world.post("/members", body, expect=201)
    pages = (
        "/console/people",
        f"/console/people/teams/{team}",
        f"/console/people/members/{member['id']}",
        f"/console/people/members/{member['id']}/disable",
        "/console/people/members/new",
        "/console/permissions",
        f"/console/permissions/grants/new?subject=member:{member['id']}",
        f"/console/explain?whose=member&name={member['id']}&model=%3Cimg%3E",
    )
    for path in pages:
        page = await inside.get(path)
        assert "<img src=x" not in page, path
        assert "\u202e" not in page, path
    assert "evil⟨U+202E⟩gpj" in await inside.get(pages[2])
    assert "&lt;img&gt;" in await inside.get(pages[-1])


async def test_an_auditor_sees_all_of_it_and_changes_nothing(inside: Browser) -> None:
    world = inside.world
    auditor = await came_in(inside, "aud", {"role": "auditor"})
    account = await world.post("/service-accounts", {"name": "bot", "team": world.team_id}, expect=201)
    member, team, program = (
        f"/console/people/members/{world.member_id}",
        f"/console/people/teams/{world.team_id}",
        f"/console/people/programs/{account['id']}",
    )
    for path in ("/console/people", member, team, program, "/console/people/roles"):
        page = await auditor.get(path)
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', page)
        assert forms == ["/console/look", "/console/sign-out"], path
        assert "New team" not in page, path
    before = await world.get("/audit-events")
    for path, form in (
        ("/console/people/teams/new", {"name": "x"}),
        (f"{team}/rename", {"name": "x"}),
        (f"{team}/cost-center", {"cost_center": "x"}),
        (f"{team}/data-class", {"data_class": ""}),
        (f"{team}/move", {"parent": ""}),
        (f"{team}/programs", {"name": "x"}),
        ("/console/people/members/new", {"name": "x", "team": world.team_id, "role": "developer"}),
        (f"{member}/assign", {"role": "auditor"}),
        (f"{member}/unassign", {"role": "owner"}),
        (f"{member}/link", {}),
        (f"{member}/disable", {}),
        (f"{member}/enable", {}),
        (f"{program}/key", {"name": "x"}),
        (f"{program}/disable", {}),
    ):
        await auditor.submit("/console/account", path, form, expect=403)
    for path in ("/console/people/members/new", f"{member}/disable", f"{team}/move", f"{program}/disable"):
        await auditor.get(path, expect=403)
    assert await world.get("/audit-events") == before


async def test_a_developer_is_shown_nobody_else(inside: Browser) -> None:
    world = inside.world
    developer = await came_in(inside, "dev", {"role": "developer"})
    menu = await developer.get("/console/account")
    for section in ("people", "permissions", "explain", "consents"):
        assert f'href="/console/{section}"' not in menu
        await developer.get(f"/console/{section}", expect=403)
    for path in (f"members/{world.member_id}", f"teams/{world.team_id}", "roles"):
        page = await developer.get(f"/console/people/{path}", expect=403)
        assert "administrator</" not in page


async def test_a_lead_looks_after_their_own_teams_and_no_others(inside: Browser) -> None:
    world = inside.world
    labs = await team_of(inside, "Labs")
    inner = await team_of(inside, "Inner", "Labs")
    lead = await came_in(inside, "lead", {"role": Role.ADMINISTRATOR, "team": labs}, team=labs)
    page = await lead.get("/console/people")
    assert "Inner" in page
    assert "Default team" not in page
    await lead.get(f"/console/people/teams/{world.team_id}", expect=404)
    await lead.get(f"/console/people/members/{world.member_id}", expect=404)
    assert f"/console/people/teams/{labs}/move" not in await lead.get(f"/console/people/teams/{labs}")
    new = await lead.get("/console/people/members/new")
    assert "in the whole organization" not in new
    assert 'value="owner"' not in new, "more than they hold"
    form = {"name": "ida", "team": inner, "role": "developer", "where": inner}
    await lead.submit("/console/people/members/new", "/console/people/members/new", form, expect=201)
    above = {**form, "name": "eve", "where": ""}
    await lead.submit("/console/people/members/new", "/console/people/members/new", above, expect=403)
    await lead.submit("/console/account", f"/console/people/teams/{inner}/move", {"parent": ""}, expect=403)
    await lead.submit("/console/account", f"/console/people/teams/{inner}/rename", {"name": "Core"})
    assert (await world.get(f"/teams/{inner}"))["name"] == "Core"


async def test_another_organizations_people_are_not_found(inside: Browser) -> None:
    world = inside.world
    theirs = await world.other_organization()
    member = (await world.call("GET", "/members", token=theirs)).json()["items"][0]
    found = await inside.get(f"/console/people/members/{member['id']}", expect=404)
    random = await inside.get("/console/people/members/mem_0000000000000000000000000000", expect=404)
    assert found.count(member["id"]) == random.count("mem_0000000000000000000000000000")
    await inside.get(f"/console/people/teams/{member['team_id']}", expect=404)
    await inside.submit("/console/people", f"/console/people/members/{member['id']}/disable", {}, expect=404)
