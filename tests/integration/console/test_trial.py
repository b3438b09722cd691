"""What the playground runs: with whose key, for whom not, and that it ends with the session."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from keystead.gateway.departure import EXTENSION, Departure
from keystead.web.console.trial import PATH
from keystead.web.receive import Send
from tests.integration.admin.asgi import Answer
from tests.integration.console.conftest import Browser

OWN = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin", "content-type": "application/json"}
FIRST = b'data: {"choices": [{"delta": {"content": "One"}}]}\n\n'


@pytest.fixture
async def key(inside: Browser) -> str:
    """The id of a key of the administrator's own, made in the playground."""
    moved = await inside.submit(
        "/console/playground", "/console/playground", {"name": "mine", "team": inside.world.team_id}
    )
    return moved.headers["location"].rpartition("=")[2]


async def run(browser: Browser, key: str, **headers: str) -> Answer:
    """Run a request as the page does, with `headers` beside or in the place of its own."""
    given = {**OWN, "x-keystead-form": await browser.token(), "x-keystead-virtual-key": key}
    sent = {**given, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await browser.send("POST", PATH, headers={name: value for name, value in sent.items() if value})


async def test_a_run_is_a_request_made_with_ones_own_key(inside: Browser, key: str) -> None:
    answer = await run(inside, key, x_api_key="stolen", authorization="Bearer other", x_forwarded_for="10.0.0.1")
    assert (answer.status, answer.json()) == (200, {"choices": []})
    [(known, scope, headers, _)] = inside.served.calls
    assert (known.id, known.principal_id) == (key, inside.world.member_id)
    assert (scope["raw_path"], scope["method"], scope["query_string"]) == (b"/v1/chat/completions", "POST", b"")
    assert scope["client"] == ("127.0.0.1", 50000)
    assert set(headers) == {b"content-type", b"user-agent"}
    assert headers[b"user-agent"].startswith(b"Keystead playground/")
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_who_has_still_to_set_up_a_second_factor_runs_nothing(inside: Browser, key: str) -> None:
    token = await inside.token()
    await inside.world.post("/organization/change", {"second_factor_required": True})
    headers = {**OWN, "x-keystead-form": token, "x-keystead-virtual-key": key}
    answer = await inside.send("POST", PATH, headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (403, "second_factor_required")
    assert inside.served.calls == []


async def test_the_text_of_a_key_that_the_playground_makes_is_shown_to_nobody(inside: Browser, key: str) -> None:
    page = await inside.get(f"/console/playground?key={key}")
    assert "mine" in page
    assert "ks_" not in page


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x_keystead_form": ""}, 403, "stale_form"),
        ({"x_keystead_form": "0" * 64}, 403, "stale_form"),
        ({"origin": "https://evil.example"}, 403, "stale_form"),
        ({"origin": ""}, 403, "stale_form"),
        ({"sec_fetch_site": "cross-site"}, 403, "stale_form"),
        ({"x_keystead_virtual_key": ""}, 404, "no_such_key"),
        ({"x_keystead_virtual_key": "vk_00000000000000000000000000"}, 404, "no_such_key"),
    ],
    ids=str,
)
async def test_nothing_is_run_for_who_is_not_on_the_page(
    inside: Browser, key: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await run(inside, key, **headers)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert inside.served.calls == []


async def test_nothing_is_run_for_who_is_not_signed_in(inside: Browser, key: str) -> None:
    token = await inside.token()
    stranger = inside.another()
    headers = {**OWN, "x-keystead-form": token, "x-keystead-virtual-key": key}
    answer = await stranger.send("POST", PATH, headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (401, "signed_out")
    assert (await inside.send("GET", PATH, headers=headers)).status == 404
    assert inside.served.calls == []


async def test_nobody_asks_with_a_key_that_is_not_theirs(inside: Browser, key: str) -> None:
    world = inside.world
    await world.post("/members", {"name": "dev", "team": world.team_id, "roles": [{"role": "developer"}]}, expect=201)
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    programs = next(k.id for k in world.snapshots.current.keys.values() if k.principal_kind == "service_account")
    for browser, other in ((developer, key), (inside, programs)):
        answer = await run(browser, other)
        assert (answer.status, answer.json()["error"]["code"]) == (404, "no_such_key")
    assert inside.served.calls == []


async def test_an_auditor_asks_nothing_even_with_a_key_of_their_own(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "aud", "team": world.team_id, "roles": [{"role": "auditor"}]}, expect=201)
    issued = await world.post("/virtual-keys", {"name": "auds", "team": world.team_id, "member": "aud"}, expect=201)
    auditor = inside.another()
    await auditor.come_in("aud", email="aud@example.com")
    assert "Playground" not in await auditor.get("/console/account")
    await auditor.get("/console/playground", expect=403)
    assert (await run(auditor, issued["virtual_key"]["id"])).status == 403
    assert inside.served.calls == []


async def test_a_revoked_or_expired_key_is_refused(inside: Browser, key: str) -> None:
    await inside.world.post(f"/virtual-keys/{key}/revoke")
    assert (await run(inside, key)).status == 404
    assert inside.served.calls == []


def streaming(until: asyncio.Event) -> Callable[[dict[str, Any], Send], Awaitable[None]]:
    """Return an answer that begins, and goes on only when its client is told to have left."""

    async def answer(scope: dict[str, Any], send: Send) -> None:
        departure: Departure = scope["extensions"][EXTENSION]
        gone = asyncio.Event()
        departure.watch(gone.set)
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": FIRST, "more_body": True})
        until.set()
        await gone.wait()
        await send({"type": "http.response.body", "body": b"data: late\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answer


async def sign_out(browser: Browser) -> None:
    await browser.submit("/console/account", "/console/sign-out", {})


async def disable(browser: Browser) -> None:
    await browser.world.post("/members/dev/disable")


async def unassign(browser: Browser) -> None:
    await browser.world.post("/members/dev/unassign", {"role": "developer"})


async def revoke(browser: Browser) -> None:
    await browser.world.post("/virtual-keys/devs/revoke")


@pytest.mark.parametrize(
    ("end", "code"),
    [(sign_out, "signed_out"), (disable, "signed_out"), (unassign, "do not hold"), (revoke, "no_such_key")],
)
async def test_an_answer_under_way_ends_when_who_asked_may_not_ask_any_more(
    inside: Browser, end: Callable[[Browser], Awaitable[None]], code: str
) -> None:
    world = inside.world
    await world.post("/members", {"name": "dev", "team": world.team_id, "roles": [{"role": "developer"}]}, expect=201)
    issued = await world.post("/virtual-keys", {"name": "devs", "team": world.team_id, "member": "dev"}, expect=201)
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    begun = asyncio.Event()
    inside.served.answer = streaming(begun)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(run(developer, issued["virtual_key"]["id"]))
        await begun.wait()
        await end(developer)
    text = running.result().body
    assert text.startswith(FIRST)
    assert b"late" not in text
    assert code.encode() in text.removeprefix(FIRST)


async def test_what_has_not_begun_is_answered_with_the_reason(inside: Browser, key: str) -> None:
    begun = asyncio.Event()

    async def slow(scope: dict[str, Any], send: Send) -> None:
        gone = asyncio.Event()
        scope["extensions"][EXTENSION].watch(gone.set)
        begun.set()
        await gone.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    inside.served.answer = slow
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(run(inside, key))
        await begun.wait()
        await sign_out(inside)
    assert (running.result().status, running.result().json()["error"]["code"]) == (401, "signed_out")
