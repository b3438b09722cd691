"""The second factor of people who sign in with a password."""

import asyncio
import re

import pytest
from sqlalchemy import select

from keystead.domain.access import Role
from keystead.identity import totp
from keystead.storage.sign_in import recovery_codes, second_factors
from tests.integration.console.conftest import EMAIL, PASSWORD, Browser

PAGE = "/console/account/second-factor"


class Enrolled:
    """A member with a second factor, and what only they have."""

    def __init__(self, browser: Browser, secret: str, codes: list[str]) -> None:
        self.browser = browser
        self.secret = secret
        self.codes = codes

    def code(self, ahead: int = 0) -> str:
        return totp.code_at(self.secret, totp.step_at(self.browser.world.clock.now_us()) + ahead)

    def wrong(self) -> str:
        return f"{(int(self.code()) + 500_000) % 1_000_000:06d}"


async def enrol(browser: Browser) -> Enrolled:
    begun = await browser.submit(PAGE, f"{PAGE}/enrol", {"password": PASSWORD}, expect=201)
    found = re.search(r'<code id="secret">([A-Z2-7 ]+)</code>', begun.body.decode())
    assert found is not None
    enrolled = Enrolled(browser, found[1].replace(" ", ""), [])
    done = await browser.submit(PAGE, f"{PAGE}/confirm", {"code": enrolled.code()}, expect=200)
    enrolled.codes = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", done.body.decode())
    return enrolled


@pytest.fixture
async def enrolled(inside: Browser) -> Enrolled:
    made = await enrol(inside)
    inside.world.clock.advance(60)
    return made


async def password(browser: Browser) -> str:
    """Type the password; return what the code is brought with."""
    answer = await browser.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD}, expect=200)
    assert browser.cookies == {}
    found = re.search(r'name="step" value="([^"]+)"', answer.body.decode())
    assert found is not None
    return found[1]


async def type_code(browser: Browser, step: str, code: str, *, expect: int = 303) -> str:
    answer = await browser.post("/console/sign-in/code", {"step": step, "code": code}, expect=expect)
    return answer.body.decode()


async def test_a_password_alone_lets_nobody_in_and_the_code_of_the_moment_does(enrolled: Enrolled) -> None:
    other = enrolled.browser.another()
    step = await password(other)
    await other.get("/console/account", expect=303)
    assert "not the code of this moment" in await type_code(other, step, enrolled.wrong(), expect=400)
    await type_code(other, step, enrolled.code())
    await other.get("/console/vault")


async def test_a_code_counts_once(enrolled: Enrolled) -> None:
    first, second = enrolled.browser.another(), enrolled.browser.another()
    code = enrolled.code()
    await type_code(first, await password(first), code)
    await type_code(second, await password(second), code, expect=400)
    await type_code(second, await password(second), enrolled.code(-1), expect=400)
    await type_code(second, await password(second), enrolled.code(1))


async def test_a_step_lets_one_in_once_and_for_five_minutes(enrolled: Enrolled) -> None:
    other = enrolled.browser.another()
    step = await password(other)
    await type_code(other, step, enrolled.code())
    other.cookies = {}
    assert "took too long" in await type_code(other, step, enrolled.code(1), expect=401)
    late = await password(other)
    enrolled.browser.world.clock.advance(301)
    await type_code(other, late, enrolled.code(), expect=401)
    await type_code(other, "", enrolled.code(), expect=401)


async def test_whoever_knows_the_password_cannot_try_codes_for_long(enrolled: Enrolled) -> None:
    other, clock = enrolled.browser.another(), enrolled.browser.world.clock
    for _ in range(5):
        await type_code(other, await password(other), enrolled.wrong(), expect=400)
    await type_code(other, await password(other), enrolled.code(), expect=429)
    clock.advance(61)
    await type_code(other, await password(other), enrolled.wrong(), expect=400)
    clock.advance(61)
    await type_code(other, await password(other), enrolled.code(), expect=429)
    clock.advance(61)
    await type_code(other, await password(other), enrolled.code())


async def test_a_recovery_code_lets_one_in_once(enrolled: Enrolled) -> None:
    assert len(enrolled.codes) == 10
    other = enrolled.browser.another()
    await type_code(other, await password(other), enrolled.codes[3].lower())
    assert "9 of 10 recovery codes" in await other.get("/console/account")
    again = enrolled.browser.another()
    await type_code(again, await password(again), enrolled.codes[3], expect=400)
    await type_code(again, await password(again), enrolled.codes[4])


async def test_new_recovery_codes_end_the_old_ones(enrolled: Enrolled) -> None:
    form = {"password": PASSWORD, "code": enrolled.code()}
    made = await enrolled.browser.submit(PAGE, f"{PAGE}/recovery-codes", form, expect=200)
    fresh = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", made.body.decode())
    assert len(set(fresh) - set(enrolled.codes)) == 10
    other = enrolled.browser.another()
    await type_code(other, await password(other), enrolled.codes[0], expect=400)
    await type_code(other, await password(other), fresh[0])


async def test_nothing_of_it_lies_open_in_the_database(enrolled: Enrolled) -> None:
    async with enrolled.browser.world.database.read() as conn:
        [sealed] = (await conn.execute(select(second_factors.c.sealed))).scalars()
        digests = (await conn.execute(select(recovery_codes.c.digest))).scalars().all()
    assert enrolled.secret.encode() not in sealed
    assert not [code for code in enrolled.codes for digest in digests if code.replace("-", "").encode() in digest]


async def test_a_secret_moved_to_another_member_opens_nothing(enrolled: Enrolled) -> None:
    world = enrolled.browser.world
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": "auditor"}]}, expect=201)
    bob = enrolled.browser.another()
    await bob.come_in("bob", email="bob@example.com")
    await enrol(bob)
    world.clock.advance(60)
    async with world.database.write() as conn:
        table = second_factors.c
        mine = select(table.sealed).where(table.member_id == world.member_id).scalar_subquery()
        await conn.execute(second_factors.update().where(table.member_id != world.member_id).values(sealed=mine))
    answer = await bob.another().post(
        "/console/sign-in", {"email": "bob@example.com", "password": PASSWORD}, expect=200
    )
    step = answer.body.decode().split('name="step" value="')[1].split('"')[0]
    await bob.another().post("/console/sign-in/code", {"step": step, "code": enrolled.code()}, expect=503)


async def test_setting_it_up_takes_the_password_and_a_right_code(inside: Browser) -> None:
    await inside.submit(PAGE, f"{PAGE}/enrol", {"password": "not the password"}, expect=403)
    await inside.submit(PAGE, f"{PAGE}/confirm", {"code": "123456"}, expect=409)
    begun = (await inside.submit(PAGE, f"{PAGE}/enrol", {"password": PASSWORD}, expect=201)).body.decode()
    secret = begun.split('id="secret">')[1].split("<")[0]
    refused = await inside.submit(PAGE, f"{PAGE}/confirm", {"code": "12345x"}, expect=400)
    assert secret not in refused.body.decode()
    other = inside.another()
    await other.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})  # not asked for yet
    inside.world.clock.advance(31 * 60)
    code = totp.code_at(secret.replace(" ", ""), totp.step_at(inside.world.clock.now_us()))
    await inside.submit(PAGE, f"{PAGE}/confirm", {"code": code}, expect=409)


async def test_passwords_cannot_be_tried_there_either(inside: Browser) -> None:
    for _ in range(5):
        await inside.submit(PAGE, f"{PAGE}/enrol", {"password": "not the password"}, expect=403)
    await inside.submit(PAGE, f"{PAGE}/enrol", {"password": PASSWORD}, expect=429)


async def test_of_many_passwords_at_once_no_more_are_looked_at_than_one_after_the_other(inside: Browser) -> None:
    form = {"form_token": await inside.token(), "password": "not the password"}
    headers = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
    answers = await asyncio.gather(*(inside.send("POST", f"{PAGE}/enrol", form, headers=headers) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [403] * 5 + [429] * 3


async def test_turning_it_on_ends_all_other_sessions(inside: Browser) -> None:
    other = inside.another()
    await other.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
    await enrol(inside)
    await other.get("/console/account", expect=303)
    await inside.get("/console/account")


async def test_turning_it_off_takes_both_factors(enrolled: Enrolled) -> None:
    browser = enrolled.browser
    for form, status in (
        ({"password": "not the password", "code": enrolled.code()}, 403),
        ({"password": PASSWORD, "code": enrolled.wrong()}, 400),
    ):
        await browser.submit(PAGE, f"{PAGE}/disable", form, expect=status)
    await browser.submit(PAGE, f"{PAGE}/disable", {"password": PASSWORD, "code": enrolled.code()})
    await browser.another().post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})


async def test_a_link_to_choose_a_password_does_not_go_around_it(enrolled: Enrolled) -> None:
    link = (await enrolled.browser.world.post("/members/administrator/sign-in-link", expect=201))["path"]
    other = enrolled.browser.another()
    answer = await other.post(link, {"email": EMAIL, "password": PASSWORD}, expect=200)
    assert other.cookies == {}
    step = answer.body.decode().split('name="step" value="')[1].split('"')[0]
    await type_code(other, step, enrolled.code())
    await other.get("/console/vault")


async def test_who_has_none_sets_it_up_before_anything_else_where_it_is_required(inside: Browser) -> None:
    await inside.world.post("/organization/change", {"second_factor_required": True})
    for path in ("/console/", "/console/vault", "/console/account"):
        answer = await inside.send("GET", path)
        assert (answer.status, answer.headers["location"]) == (303, PAGE)
    page = await inside.get(PAGE)
    token = page.split('name="form_token" value="')[1].split('"')[0]
    form = {"form_token": token, "name": "sneaked", "team": inside.world.team_id}
    assert (await inside.post("/console/keys/new", form)).headers["location"] == PAGE
    assert "Vault" not in page
    made = await enrol(inside)
    await inside.get("/console/vault")
    inside.world.clock.advance(60)
    kept = await inside.submit(PAGE, f"{PAGE}/disable", {"password": PASSWORD, "code": made.code()}, expect=409)
    assert "wants a second factor" in kept.body.decode()


async def test_an_administrator_resets_what_somebody_lost(enrolled: Enrolled) -> None:
    world = enrolled.browser.world
    assert (await world.call("POST", "/members/administrator/second-factor/reset")).status == 409
    weaker = await world.signed_in_as(Role.ADMINISTRATOR)
    assert (await world.call("POST", "/members/administrator/second-factor/reset", token=weaker)).status == 403
    owner = await world.signed_in_as(Role.OWNER, operator=True)
    answer = await world.call("POST", "/members/administrator/second-factor/reset", token=owner)
    assert answer.status == 200, answer.body
    await enrolled.browser.get("/console/account", expect=303)
    await enrolled.browser.another().post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
    [event] = (await world.get("/audit-events?action=member.second_factor_reset"))["items"]
    assert event["object_id"] == world.member_id


async def test_what_happens_to_it_stands_in_the_audit_log(enrolled: Enrolled) -> None:
    other = enrolled.browser.another()
    await type_code(other, await password(other), enrolled.wrong(), expect=400)
    await type_code(other, await password(other), enrolled.code())
    events = (await enrolled.browser.world.get("/audit-events"))["items"]
    told = [event["action"] for event in events if "second_factor" in event["action"]]
    assert set(told) == {"member.second_factor_begun", "member.second_factor_on", "member.second_factor_refused"}
    [signed_in] = [
        event["details"]
        for event in events
        if event["details"].get("how") == "password" and "outcome" not in event["details"]
    ]
    assert signed_in == {"how": "password", "second_factor": "right", "recovery_codes_left": 10}
    assert enrolled.secret not in str(events)


async def test_an_administrator_resets_it_on_the_members_page(inside: Browser) -> None:
    world = inside.world
    roles = [{"role": Role.DEVELOPER, "team": world.team_id}]
    made = await world.post("/members", {"name": "bob", "team": world.team_id, "roles": roles}, expect=201)
    page = f"/console/people/members/{made['id']}"
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    assert "They have no second factor." in await inside.get(page)
    await enrol(bob)
    shown = await inside.get(page)
    assert "10 recovery codes are left" in shown
    assert f"{page}/second-factor/reset" in shown
    assert "be sure that it is bob who asks" in await inside.get(f"{page}/second-factor/reset")
    await inside.submit(f"{page}/second-factor/reset", f"{page}/second-factor/reset", {})
    await bob.get("/console/account", expect=303)
    assert "They have no second factor." in await inside.get(page)
    assert "member.second_factor_reset" in {one["action"] for one in (await world.get("/audit-events"))["items"]}


async def test_who_may_not_change_members_neither_sees_nor_resets_it(inside: Browser) -> None:
    world = inside.world
    made = [
        await world.post("/members", {"name": name, "team": world.team_id, "roles": [{"role": role}]}, expect=201)
        for name, role in (("bob", Role.DEVELOPER), ("eve", Role.AUDITOR))
    ]
    eve = inside.another()
    await eve.come_in("eve", email="eve@example.com")
    page = f"/console/people/members/{made[0]['id']}"
    assert "second factor" not in (await eve.get(page)).partition("<main")[2]
    await eve.get(f"{page}/second-factor/reset", expect=403)
    await eve.submit("/console/account", f"{page}/second-factor/reset", {}, expect=403)
