"""The routes' pages: drawn while they are written, with errors at their fields, kept, changed, and deleted knowingly."""

import html
import re

from tests.integration.admin.settled import settled
from tests.integration.console.conftest import Browser

NEW = "/console/routes/new"


def form(*rows: tuple[str, str], **more: str) -> dict[str, str]:
    """Return a route's form with the models and places of `rows`."""
    given = {"name": "coding", "strategy": "ordered", "unsupported": "refuse", **more}
    for number, (model, on) in enumerate(rows):
        given |= {f"model-{number}": model, f"on-{number}": on}
    return given


def words(page: str) -> list[str]:
    """Return what a page's first diagram says in words."""
    found = re.search(r'<ol aria-label="What is tried">(.*?)</ol>', page, re.DOTALL)
    assert found is not None
    return [html.unescape(each) for each in re.findall(r"<li>(.*?)</li>", found[1])]


async def test_a_route_is_drawn_made_changed_and_deleted(inside: Browser) -> None:
    added = await inside.world.add_credential("research")
    on = f"credential:{added['id']}"
    two = form(("gpt-5", on), ("claude-sonnet-5", "provider:anthropic"))
    drawn = await inside.submit(NEW, NEW, two | {"do": "up-1"}, expect=200)
    assert words(drawn.body.decode()) == [
        "claude-sonnet-5 on any key of Anthropic · there is none that works",
        "gpt-5 on research",
    ]
    assert (await inside.world.get("/model-routes"))["items"] == []
    made = (await inside.submit(NEW, NEW, two | {"do": "save", "wait-0": "2.5", "unsupported": "drop"})).headers[
        "location"
    ]
    shown = await inside.get(made)
    assert words(shown)[0] == "gpt-5 on research · first byte within 2.5 s"
    three = form(("gpt-5", on), ("gpt-5-mini", on), strategy="weighted", sticky="yes") | {
        "weight-0": "3",
        "weight-1": "1",
    }
    await inside.submit(made, made, three)
    [route] = (await inside.world.get("/model-routes"))["items"]
    assert (route["name"], route["strategy"], route["sticky"], route["unsupported"]) == (
        "coding",
        "weighted",
        True,
        "refuse",
    )
    assert [(a["model"], a["weight"], a["first_byte_timeout_s"]) for a in route["attempts"]] == [
        ("gpt-5", 3, None),
        ("gpt-5-mini", 1, None),
    ]
    assert words(await inside.get("/console/routes")) == [
        "gpt-5 on research, 75 % of the requests",
        "gpt-5-mini on research, 25 % of the requests",
    ]
    assert "Nobody asked for it" in await inside.get(f"{made}/delete")
    await inside.submit(f"{made}/delete", f"{made}/delete", {})
    assert "No routes yet" in await inside.get("/console/routes")


async def test_an_error_stands_at_its_field_with_what_was_typed(inside: Browser) -> None:
    added = await inside.world.add_credential("research")
    on = f"credential:{added['id']}"
    for given, field, status in (
        (form(("gpt-5", on), name="no/slash"), "name", 400),
        (form(("gpt-5", on), name="research"), "name", 409),
        (form(("gpt-5", on), ("x", "")), "model-1", 400),
        (form(("gpt-5", on), ("gpt-5", on)), "model-1", 400),
        (form(("gpt-5", "credential:cred_gone")), "on-0", 404),
        (form(("gpt-5", "provider:nobody")), "on-0", 400),
        (form(("gpt-5", on), strategy="weighted") | {"weight-0": "0"}, "weight-0", 400),
        (form(("gpt-5", on), strategy="weighted") | {"weight-0": "many"}, "weight-0", 400),
        (form(("gpt-5", on)) | {"wait-0": "soon"}, "wait-0", 400),
        (form(("gpt-5", on), strategy="dearest"), "strategy", 400),
    ):
        page = (await inside.submit(NEW, NEW, given, expect=status)).body.decode()
        assert f'id="{field}-wrong"' in page, (field, page)
        assert f'aria-describedby="{field}-wrong"' in page
        assert f'value="{given["model-0"]}"' in page
    assert (await inside.world.get("/model-routes"))["items"] == []


async def test_a_route_whose_credential_is_revoked_says_so_and_can_still_be_changed(inside: Browser) -> None:
    added = await inside.world.add_credential("research")
    on = f"credential:{added['id']}"
    made = (await inside.submit(NEW, NEW, form(("gpt-5", on)))).headers["location"]
    await inside.world.post("/credentials/research/revoke")
    page = await inside.get(made)
    assert words(page) == ["gpt-5 on research · its key is revoked"]
    assert f'<option value="{on}" selected>research (its key is revoked)</option>' in page


async def test_a_family_in_a_route_tells_the_model_that_it_is_now(inside: Browser) -> None:
    await inside.world.add_credential("research")
    [family] = (await inside.world.get("/families?names=gpt-mini"))["items"]
    drawn = await inside.submit(NEW, NEW, form(("family:gpt-mini", "provider:openai"), do="draw"), expect=200)
    newest = family["newest"][0]["model"]
    assert words(drawn.body.decode()) == [f"family:gpt-mini on any key of OpenAI · now {newest}"]
    listed = await inside.get("/console/routes/families?q=gpt-mini")
    assert "family:gpt-mini" in listed
    assert newest in listed
    assert "No family is called so" in await inside.get("/console/routes/families?q=never-heard-of")


async def test_before_deleting_one_is_told_who_uses_the_name_and_what_it_means_then(inside: Browser) -> None:
    await inside.world.add_credential("research")
    made = (await inside.submit(NEW, NEW, form(("gpt-5", "provider:openai"), name="gpt-5"))).headers["location"]
    for _ in range(2):
        await settled(inside.world, asked="gpt-5")
    page = await inside.get(f"{made}/delete")
    assert "2 requests asked for it" in page
    assert "first key" in page
    assert "gpt-5 of openai" in page


async def test_who_only_reads_sees_diagrams_and_no_form_and_is_refused(inside: Browser) -> None:
    world = inside.world
    await world.add_credential("research")
    made = (await inside.submit(NEW, NEW, form(("gpt-5", "provider:openai")))).headers["location"]
    await world.post("/members", {"name": "dev", "team": world.team_id, "roles": [{"role": "developer"}]}, expect=201)
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    assert "Make a route" not in await developer.get("/console/routes")
    page = await developer.get(made)
    assert words(page) == ["gpt-5 on any key of OpenAI"]
    assert "data-redraw" not in page
    for path in (NEW, made, f"{made}/delete"):
        await developer.submit("/console/account", path, form(("gpt-4", "provider:openai")), expect=403)
    [route] = (await world.get("/model-routes"))["items"]
    assert route["attempts"][0]["model"] == "gpt-5"


async def test_a_hostile_name_is_text_in_the_diagram(inside: Browser) -> None:
    hostile = '"><img src=x onerror=alert(1)></text></svg>'
    drawn = await inside.submit(NEW, NEW, form((hostile, "credential:<b>"), do="draw"), expect=200)
    page = drawn.body.decode()
    assert "<b>" not in page
    assert "<img src=x" not in page
    assert words(page)[0].startswith(hostile)


async def test_another_organizations_route_is_not_found(inside: Browser) -> None:
    theirs = await inside.world.other_organization()
    body = {"name": "their", "attempts": [{"model": "gpt-5", "provider": "openai"}]}
    route = (await inside.world.call("POST", "/model-routes", body, token=theirs)).json()["id"]
    for path in (f"/console/routes/{route}", f"/console/routes/{route}/delete", "/console/routes/their"):
        await inside.get(path, expect=404)
    await inside.submit(NEW, f"/console/routes/{route}/delete", {}, expect=404)
