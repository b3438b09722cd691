"""Permissions, why and why not, consents: shown to whoever may see them, changed by whoever may change them."""

import re
from typing import Any
from urllib.parse import quote

import pytest

from keystead.domain.access import Role
from tests.integration.admin.settled import settled
from tests.integration.admin.test_simulate import refused
from tests.integration.console.conftest import Browser
from tests.integration.console.test_people import HOSTILE, came_in, team_of

NEW = "/console/permissions/grants/new"
CONSENT = {
    "reason": "down",
    "data_class": "internal",
    "daily_cap": "50",
    "monthly_cap": "500.5",
    "expires_at": "2026-06-01",
    "note": "board",
}


async def bare(inside: Browser) -> tuple[str, str]:
    """Take away what the first start granted; return a team's and a credential's id."""
    for grant in (await inside.world.get("/grants"))["items"]:
        await inside.world.post(f"/grants/{grant['id']}/revoke")
    return await team_of(inside, "Labs"), (await inside.world.add_credential("main"))["id"]


def shown(page: str, team: str, credential: str) -> tuple[str, str]:
    """Return the state and the words of a cell of the matrix."""
    found = re.search(
        rf'<a class="(\w+)"[^>]*href="/console/permissions/cells/{team}/{credential}">.*?<span class="words">([^<]*)',
        page,
    )
    assert found is not None
    return found[1], found[2]


async def test_a_form_that_nobody_filled_in_lets_nobody_use_anything(inside: Browser) -> None:
    before = await inside.world.get("/grants")
    page = await inside.get(NEW)
    assert re.search(r'<select id="subject"[^>]* required[^>]*><option value="">', page)
    assert re.search(r'<select id="credential"[^>]* required[^>]*><option value="">', page)
    for form, said, kept in (
        ({"subject": "", "credential": "all"}, "Say whom it is for.", '<option value="all" selected>'),
        ({"subject": "everyone", "credential": ""}, "Say which credential it is about.", "For <strong>everyone"),
    ):
        answer = (await inside.submit(NEW, NEW, {"effect": "allow", **form}, expect=400)).body.decode()
        assert said in answer
        assert kept in answer
    assert await inside.world.get("/grants") == before


async def test_a_cell_is_granted_narrowed_denied_and_ended(inside: Browser) -> None:
    team, credential = await bare(inside)
    inner = await team_of(inside, "Inner", "Labs")
    cell = f"/console/permissions/cells/{team}/{credential}"
    assert shown(await inside.get("/console/permissions"), team, credential) == ("none", "no grant")
    form = {"subject": f"team:{team}", "credential": credential, "effect": "allow", "models": "gpt-5* o4-mini"}
    given = await inside.submit(cell, NEW, {**form, "note": "agreed in March"})
    assert given.headers["location"] == cell
    assert "agreed in March" in await inside.get(cell)
    matrix = await inside.get("/console/permissions")
    assert shown(matrix, team, credential) == ("granted", "gpt-5*, o4-mini")
    assert shown(matrix, inner, credential) == ("inherited", "gpt-5*, o4-mini")
    assert "of Labs" in await inside.get(f"/console/permissions/cells/{inner}/{credential}")
    deny = {"subject": f"team:{inner}", "credential": credential, "effect": "deny", "models": ""}
    await inside.submit(cell, NEW, deny)
    assert shown(await inside.get("/console/permissions"), inner, credential) == ("denied", "denied")
    [grant] = [one for one in (await inside.world.get("/grants?in_force=true"))["items"] if one["effect"] == "allow"]
    page = f"/console/permissions/grants/{grant['id']}/revoke"
    asked = await inside.get(page)
    assert "refused within a second" in asked
    assert "Inner" in asked
    await inside.submit(page, page, {})
    assert shown(await inside.get("/console/permissions"), team, credential) == ("none", "no grant")


async def test_everything_a_grant_can_say_can_be_typed_and_a_mistake_comes_back_with_it(inside: Browser) -> None:
    _, credential = await bare(inside)
    form = {
        "subject": "everyone",
        "credential": credential,
        "effect": "allow",
        "models": "gpt-5*",
        "condition": "hour >=",
        "endpoint": "chat",
        "note": "why & how",
        "expires_at": "2026-05-01",
    }
    answer = (await inside.submit(NEW, NEW, form, expect=400)).body.decode()
    assert 'role="alert"' in answer
    for typed in ("hour &gt;=", "why &amp; how", "gpt-5*", "2026-05-01"):
        assert f'value="{typed}"' in answer
    assert 'value="chat" checked' in answer
    await inside.submit(NEW, NEW, {**form, "condition": "hour >= 7"})
    [grant] = (await inside.world.get("/grants?in_force=true"))["items"]
    assert (grant["subject_kind"], grant["endpoints"], grant["condition"], grant["note"]) == (
        "organization",
        ["chat"],
        "hour >= 7",
        "why & how",
    )
    await inside.submit(NEW, NEW, {"subject": "", "effect": "allow"}, expect=400)
    await inside.submit(NEW, NEW, {"subject": "team:", "effect": "allow"}, expect=400)


async def test_a_grant_for_one_person_is_on_their_page_and_below_the_matrix(inside: Browser) -> None:
    await bare(inside)
    member = f"/console/people/members/{inside.world.member_id}"
    form = {"subject": f"member:{inside.world.member_id}", "credential": "all", "effect": "allow", "models": "o1-*"}
    page = f"{NEW}?subject=member:{inside.world.member_id}"
    assert (await inside.submit(page, NEW, form)).headers["location"] == member
    for path in (member, "/console/permissions"):
        assert "o1-*" in await inside.get(path)


async def test_the_matrix_is_filtered_and_comes_in_pages(inside: Browser) -> None:
    for number in range(45):
        await team_of(inside, f"Team {number:02}")
    for number in range(12):
        await inside.world.add_credential(f"key-{number:02}")
    page = await inside.get("/console/permissions")
    assert "Team 00" in page
    assert "Team 44" not in page
    assert "key-11" not in page
    [more] = re.findall(r'href="(\?[^"]*)" rel="next">More teams', page)
    assert "Team 44" in await inside.get("/console/permissions" + more.replace("&amp;", "&"))
    narrowed = await inside.get("/console/permissions?team=team+44&credential=key-11")
    assert "Team 44" in narrowed
    assert "key-11" in narrowed
    assert "Team 00" not in narrowed
    assert "Nothing is called that" in await inside.get("/console/permissions?team=nobody")
    for odd in ("down=-1", "down=x", "across=99999", "down=%C2%B2", "down=99999999999999999999"):
        await inside.get(f"/console/permissions?{odd}")


async def test_a_credentials_page_tells_who_may_use_it(inside: Browser) -> None:
    team, credential = await bare(inside)
    assert "Nobody: no grant is about it" in await inside.get(f"/console/vault/{credential}")
    other = (await inside.world.add_credential("other"))["id"]
    body = {"team": team, "credentials": [other], "note": "for the other"}
    await inside.world.post("/grants", body, expect=201)
    await inside.world.post("/grants", {"team": team, "note": "for all"}, expect=201)
    page = await inside.get(f"/console/vault/{credential}")
    assert "for all" in page
    assert "for the other" not in page


async def test_hostile_names_notes_and_patterns_do_nothing(inside: Browser) -> None:
    team, _ = await bare(inside)
    credential = (await inside.world.add_credential(HOSTILE.replace("/", "")))["id"]
    body = {"team": team, "credentials": [credential], "models": ["<img*onerror=x>"], "note": HOSTILE + "\u202e"}
    await inside.world.post("/grants", body, expect=201)
    for path in (
        "/console/permissions",
        f"/console/permissions/cells/{team}/{credential}",
        f"/console/vault/{credential}",
        f"{NEW}?models={quote(HOSTILE)}&note={quote(HOSTILE)}",
        f"/console/explain?whose=team&name={team}&model=gpt-5&data_class={quote(HOSTILE)}",
        f"/console/permissions?team={quote(HOSTILE)}",
    ):
        answer = await inside.send("GET", path)
        page = answer.body.decode()
        assert answer.status in {200, 400}
        assert "<img" not in page.replace('<img src="/console/static/', ""), path
        assert "\u202e" not in page, path


async def test_the_explainer_says_yes_and_no_with_what_would_have_to_change(inside: Browser) -> None:
    team, credential = await bare(inside)
    ask = f"/console/explain?whose=team&name={team}&model=gpt-5"
    page = await inside.get(ask)
    assert "<strong>No.</strong>" in page
    assert "Give a grant for it." in page
    [link] = re.findall(rf'href="({NEW}[^"]*)"', page)
    assert "gpt-5" in await inside.get(link.replace("&amp;", "&"))
    await inside.world.post("/grants", {"team": team, "credentials": [credential]}, expect=201)
    page = await inside.get(ask)
    assert "<strong>Yes.</strong>" in page
    assert "refused here" not in page
    page = await inside.get(f"{ask}&data_class=confidential")
    assert "no training on the data" in page
    page = await inside.get("/console/explain?whose=virtual_key&name=nobody&model=gpt-5", expect=404)
    assert "There is no virtual key" in page
    assert 'value="nobody"' in page
    await inside.get("/console/explain?whose=nonsense&name=x")


async def test_a_refused_request_leads_to_why_with_everything_filled_in(inside: Browser) -> None:
    await inside.world.add_credential()
    await settled(inside.world)
    await refused(inside.world, model="gpt-5", code="not_granted")
    for path in set(re.findall(r'href="(/console/requests/req_\w+)"', await inside.get("/console/requests"))):
        page = await inside.get(path)
        [link] = re.findall(r'href="(/console/explain\?[^"]*)"', page)
        assert "Step by step" in await inside.get(link.replace("&amp;", "&"))


async def test_a_consent_is_given_in_clear_words_and_withdrawn(inside: Browser) -> None:
    page = "/console/consents/new"
    assert "paid in your organization's credits" in await inside.get(page)
    wrong = await inside.submit(page, page, {**CONSENT, "daily_cap": "much"}, expect=400)
    for typed in ("much", "500.5", "board"):
        assert f'value="{typed}"' in wrong.body.decode()
    assert 'value="down" checked' in wrong.body.decode()
    team = await team_of(inside, "Labs")
    await inside.submit(page, page, {**CONSENT, "team": team})
    [consent] = (await inside.world.get("/consents?in_force=true"))["items"]
    assert (consent["teams"], consent["reasons"], consent["monthly_cap"]) == (["Labs"], ["down"], "500.5")
    shown = await inside.get("/console/consents")
    assert "500.50 credits" in shown
    assert "administrator" in shown
    withdraw = f"/console/consents/{consent['id']}/revoke"
    assert "no credits are spent by it" in await inside.get(withdraw)
    await inside.submit(withdraw, withdraw, {})
    assert "No consent is in force" in await inside.get("/console/consents")


async def everything(inside: Browser) -> dict[str, Any]:
    """Make one of each; return their ids."""
    team, credential = await bare(inside)
    grant = await inside.world.post("/grants", {"team": team, "credentials": [credential]}, expect=201)
    body = {
        "data_classes": ["internal"],
        "reasons": ["down"],
        "daily_cap": "1",
        "monthly_cap": "9",
        "expires_at": "2026-06-01T00:00:00Z",
    }
    consent = await inside.world.post("/consents", body, expect=201)
    return {"team": team, "credential": credential, "grant": grant["id"], "consent": consent["id"]}


async def test_an_auditor_sees_all_of_it_and_changes_nothing(inside: Browser) -> None:
    there = await everything(inside)
    auditor = await came_in(inside, "aud", {"role": "auditor"})
    cell = f"/console/permissions/cells/{there['team']}/{there['credential']}"
    for path in ("/console/permissions", cell, "/console/explain", "/console/consents"):
        page = await auditor.get(path)
        assert re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', page) == [
            "/console/look",
            "/console/sign-out",
        ], path
        assert "End it" not in page
        assert "Withdraw" not in page
    before = await inside.world.get("/audit-events")
    for path, form in (
        (NEW, {"subject": "everyone", "effect": "allow"}),
        (f"/console/permissions/grants/{there['grant']}/revoke", {}),
        ("/console/consents/new", CONSENT),
        (f"/console/consents/{there['consent']}/revoke", {}),
    ):
        await auditor.get(path, expect=403)
        await auditor.submit("/console/account", path, form, expect=403)
    assert await inside.world.get("/audit-events") == before


async def test_an_administrator_may_grant_and_may_not_consent(inside: Browser) -> None:
    there = await everything(inside)
    administrator = await came_in(inside, "adm", {"role": "administrator"})
    assert "Withdraw" not in await administrator.get("/console/consents")
    await administrator.submit("/console/account", "/console/consents/new", CONSENT, expect=403)
    form = {"subject": f"team:{there['team']}", "credential": there["credential"], "effect": "deny"}
    await administrator.submit(NEW, NEW, form)


async def test_a_lead_denies_in_their_own_team_and_gives_nothing(inside: Browser) -> None:
    there = await everything(inside)
    world = inside.world
    lead = await came_in(inside, "lead", {"role": Role.ADMINISTRATOR, "team": there["team"]}, team=there["team"])
    page = await lead.get("/console/permissions")
    assert "You see the grants of your teams" in page
    assert "Default team" not in page
    assert shown(page, there["team"], there["credential"]) == ("granted", "all models")
    cell = f"/console/permissions/cells/{there['team']}/{there['credential']}"
    assert 'name="effect" value="deny"' in await lead.get(cell)
    form = {"subject": f"team:{there['team']}", "credential": there["credential"], "models": "o1-*"}
    await lead.submit(cell, NEW, {**form, "effect": "allow"}, expect=403)
    await lead.submit(cell, NEW, {**form, "effect": "deny"})
    elsewhere = {**form, "effect": "deny", "subject": f"team:{world.team_id}"}
    assert (await lead.submit(cell, NEW, elsewhere, expect=404)).status == 404
    await lead.get("/console/explain", expect=403)
    await lead.get("/console/consents", expect=403)
    ended = f"/console/permissions/grants/{there['grant']}/revoke"
    await lead.submit(ended, ended, {})
    assert shown(await lead.get("/console/permissions"), there["team"], there["credential"])[0] == "none"


@pytest.mark.parametrize("path", ["cells/team_x/cred_x", "cells/everyone/cred_x", "grants/grt_x/revoke"])
async def test_what_is_not_there_is_not_found(inside: Browser, path: str) -> None:
    await inside.get(f"/console/permissions/{path}", expect=404)
