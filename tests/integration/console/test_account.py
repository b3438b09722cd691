"""One's own account: another password, and the browsers that one is signed in with."""

import re

from keystead.domain.access import Role
from keystead.web.failures import WRONG_PASSWORDS
from tests.integration.console.conftest import PASSWORD, Browser

PAGE = "/console/account"
END = f"{PAGE}/sessions/end"
NEW = "a quite different staple 4"


def ends(page: str) -> list[str]:
    """Return one's other sessions, each with a form that ends it."""
    return re.findall(rf'action="{END}">.*?name="session" value="(ses_[^"]+)"', page)


async def sign_in(browser: Browser, password: str, *, expect: int = 303) -> None:
    await browser.post("/console/sign-in", {"email": "bob@example.com", "password": password}, expect=expect)


async def bob_in(inside: Browser, role: Role = Role.DEVELOPER) -> Browser:
    world = inside.world
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": role}]}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    return bob


async def test_a_password_is_changed_by_who_knows_it_and_ends_other_sessions(inside: Browser) -> None:
    bob = await bob_in(inside)
    elsewhere = bob.another()
    await sign_in(elsewhere, PASSWORD)
    await elsewhere.get(PAGE)
    form = f"{PAGE}/password"
    for sent, status, field in (
        ({"current": "not it, not at all", "new": NEW, "again": NEW}, 403, "current"),
        ({"current": PASSWORD, "new": NEW, "again": NEW + "5"}, 400, "again"),
        ({"current": PASSWORD, "new": "short", "again": "short"}, 400, "new"),
        ({"current": "", "new": "", "again": ""}, 400, "current"),
    ):
        refused = (await bob.submit(form, form, sent, expect=status)).body.decode()
        assert f'aria-describedby="{field}-wrong"' in refused, sent
        assert not any(text in refused for text in sent.values() if len(text) > 5)
    await elsewhere.get(PAGE)
    changed = await bob.submit(form, form, {"current": PASSWORD, "new": NEW, "again": NEW})
    assert changed.headers["location"] == f"{PAGE}?done=password"
    await bob.get(PAGE)
    await elsewhere.get(PAGE, expect=303)
    again = bob.another()
    await sign_in(again, PASSWORD, expect=401)
    await sign_in(again, NEW)
    [event] = (await inside.world.get("/audit-events?action=member.password_changed"))["items"]
    assert NEW not in str(event)


async def test_who_guesses_at_the_password_in_a_session_waits(inside: Browser) -> None:
    bob = await bob_in(inside)
    form = f"{PAGE}/password"
    wrong = {"current": "not it, not at all", "new": NEW, "again": NEW}
    for _ in range(WRONG_PASSWORDS):
        await bob.submit(form, form, wrong, expect=403)
    for sent in (wrong, {**wrong, "current": PASSWORD}):
        await bob.submit(form, form, sent, expect=429)


async def test_one_signs_out_elsewhere_in_one_browser_or_in_all(inside: Browser) -> None:
    bob = await bob_in(inside)
    assert ends(await bob.get(PAGE)) == []
    others = [bob.another() for _ in range(3)]
    for other in others:
        await sign_in(other, PASSWORD)
        inside.world.clock.advance(60)
    there = ends(await bob.get(PAGE))
    assert len(there) == 3
    await bob.submit(PAGE, END, {"session": there[0]})
    assert len(ends(await bob.get(PAGE))) == 2
    await bob.submit(PAGE, END, {"session": there[0]})  # over already
    await bob.submit(PAGE, f"{PAGE}/sessions/end-others", {})
    assert ends(await bob.get(PAGE)) == []
    for other in others:
        await other.get(PAGE, expect=303)


async def test_nobody_ends_the_session_of_somebody_else(inside: Browser) -> None:
    bob = await bob_in(inside)
    [mine] = (await inside.world.get("/self/sessions"))["sessions"]
    await bob.submit(PAGE, END, {"session": mine["id"]})
    await inside.get(PAGE)


async def test_an_administrator_signs_a_member_out_everywhere(inside: Browser) -> None:
    world = inside.world
    bob = await bob_in(inside)
    [member] = [one for one in (await world.get("/members"))["items"] if one["name"] == "bob"]
    page = f"/console/people/members/{member['id']}"
    assert "Signed in with 1 browser, last used" in await inside.get(page)
    await inside.submit(page, f"{page}/sessions/end", {})
    assert "Signed in nowhere now." in await inside.get(page)
    await bob.get(PAGE, expect=303)
    [event] = (await world.get("/audit-events?action=member.sessions_ended"))["items"]
    assert (event["object_id"], event["details"]["which"]) == (member["id"], "all")


async def test_who_may_not_change_members_neither_sees_nor_ends_their_sessions(inside: Browser) -> None:
    world = inside.world
    bob = await bob_in(inside, Role.AUDITOR)
    [owner] = [one for one in (await world.get("/members"))["items"] if one["name"] != "bob"]
    token = await world.signed_in_as(Role.AUDITOR)
    for path, method in (("sessions", "GET"), ("sessions/end", "POST")):
        assert (await world.call(method, f"/members/{owner['id']}/{path}", token=token)).status == 403
    page = f"/console/people/members/{owner['id']}"
    assert "Signed in" not in await bob.get(page)
    await bob.submit(PAGE, f"{page}/sessions/end", {}, expect=403)
    await inside.get(PAGE)
