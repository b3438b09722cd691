"""Who gets in, and with what."""

from starlette.routing import Route

from keystead.web.admin.application import OPENAPI_PATH, Methods
from keystead.web.admin.endpoint import Endpoint
from keystead.web.admin.route import PREFIX
from keystead.web.admin.routes import ROUTES
from keystead.web.failures import LIMIT
from tests.integration.admin.asgi import call
from tests.integration.admin.world import World

CARRIERS = ("x-api-key", "api-key", "x-goog-api-key")


async def test_the_first_administrator_is_signed_in_by_the_first_token(light_world: World) -> None:
    world = light_world
    me = await world.get("/self")
    assert (me["organization_id"], me["member_id"], me["member"], me["operator"]) == (
        world.organization_id,
        world.member_id,
        "administrator",
        True,
    )
    assert "credential:write" in me["permissions"]


async def test_every_way_not_to_be_signed_in_gets_the_same_answer(light_world: World) -> None:
    world = light_world
    token = world.token
    revoked = await world.post("/admin-tokens", {"name": "old", "member": world.member_id}, expect=201)
    await world.post(f"/admin-tokens/{revoked['admin_token']['id']}/revoke")
    expires_at = "2026-01-01T01:00:00Z"
    expired = await world.post(
        "/admin-tokens", {"name": "short", "member": world.member_id, "expires_at": expires_at}, expect=201
    )
    world.clock.advance(3600)
    shown = [
        "",
        "x",
        world.key,
        revoked["token"],
        expired["token"],
        token[:-7] + "0" + token[-6:],
        token + " ",
        token.upper(),
    ]
    answers = [
        await world.call("GET", "/self", token=text, headers={"X-Number": str(n)}) for n, text in enumerate(shown)
    ]
    answers.append(await world.call("GET", "/self", token="", headers={"Authorization": f"Basic {token}"}))
    answers.append(await world.call("GET", "/self", token="", headers={"x-api-key": token}))
    answers.append(await world.call("GET", f"/self?key={token}", token=""))
    answers.append(
        await world.call("GET", "/self", token="", headers={"Cookie": f"token={token}; Authorization={token}"})
    )
    bodies = set()
    for answer in answers:
        problem = answer.json()
        assert problem.pop("request_id") == answer.headers["x-keystead-request-id"]
        bodies.add((answer.status, str(problem), answer.headers["www-authenticate"], answer.headers["content-type"]))
    [(status, _, challenge, content_type)] = bodies
    assert (status, challenge, content_type) == (401, "Bearer", "application/problem+json")


async def test_two_credentials_at_once_are_refused_even_if_both_are_good(light_world: World) -> None:
    world = light_world
    twice = [("Authorization", f"Bearer {world.token}"), ("Authorization", f"Bearer {world.token}")]
    answers = [
        *[await world.call("GET", "/self", headers={name: world.token}) for name in CARRIERS],
        await world.call("GET", f"/self?key={world.token}"),
        await world.call("GET", f"/self?key={world.token}&key={world.token}", token=""),
        await call(world.app, "GET", "/admin/v1/self", headers=twice),
    ]
    assert {(answer.status, answer.json()["code"]) for answer in answers} == {(400, "several_keys")}


async def test_a_disabled_members_token_stops_at_once(light_world: World) -> None:
    world = light_world
    member = await world.post(
        "/members", {"name": "Ada", "team": world.team_id, "roles": [{"role": "auditor"}]}, expect=201
    )
    token = (await world.post("/admin-tokens", {"name": "t", "member": "Ada"}, expect=201))["token"]
    assert (await world.call("GET", "/self", token=token)).status == 200
    await world.post(f"/members/{member['id']}/disable")
    assert (await world.call("GET", "/self", token=token)).status == 401


async def test_who_guesses_is_told_to_wait_and_a_good_token_is_not(light_world: World) -> None:
    world = light_world
    for _ in range(LIMIT):
        assert (await world.call("GET", "/self", token="ksa_guess")).status == 401
    answer = await world.call("GET", "/self", token="ksa_guess")
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert (await world.call("GET", "/self")).status == 200
    world.clock.advance(60)
    assert (await world.call("GET", "/self", token="ksa_guess")).status == 401


async def test_a_missing_permission_is_told_by_name(light_world: World) -> None:
    world = light_world
    member = {"name": "Fin", "team": world.team_id, "roles": [{"role": "finance"}]}
    await world.post("/members", member, expect=201)
    token = (await world.post("/admin-tokens", {"name": "t", "member": "Fin"}, expect=201))["token"]
    answer = await world.call("GET", "/credentials", token=token)
    assert answer.status == 403
    assert answer.json() | {"request_id": ""} == {
        "title": "Forbidden",
        "status": 403,
        "detail": "You do not hold the permission credential:read in the whole organization.",
        "code": "not_allowed",
        "fault": "policy",
        "next_step": "Ask an administrator of your organization to do it, or for a role that holds it.",
        "request_id": "",
    }


async def test_the_running_router_has_the_tables_routes_and_the_description_and_nothing_else(
    light_world: World,
) -> None:
    world = light_world
    served = {}
    for route in world.app.router.routes:
        assert isinstance(route, Route)
        if route.path == OPENAPI_PATH:
            continue
        assert isinstance(route.app, Methods)
        for method, endpoint in route.app.endpoints.items():
            assert type(endpoint) is Endpoint
            served[method, route.path] = endpoint.route
    assert served == {(route.method, PREFIX + route.path): route for route in ROUTES}


async def test_what_is_not_in_the_table_is_not_found(light_world: World) -> None:
    world = light_world
    for path in ("/", "/nothing", "/self/", "//self", "/self/../organization", "/credentials/a/b/c", "/SELF"):
        answer = await world.call("GET", path)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json"), path


async def test_other_methods_are_refused_with_those_there_are(light_world: World) -> None:
    world = light_world
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "QUERY"):
        answer = await world.call(method, "/credentials")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST"), method


async def test_head_needs_what_get_needs(light_world: World) -> None:
    world = light_world
    assert (await world.call("HEAD", "/self")).status == 200
    assert (await world.call("HEAD", "/self", token="")).status == 401


async def test_the_description_is_public_and_holds_no_deployment(light_world: World) -> None:
    world = light_world
    answer = await call(world.app, "GET", OPENAPI_PATH)
    assert answer.status == 200
    assert answer.json()["openapi"] == "3.1.0"
    assert world.organization_id.encode() not in answer.body


async def test_answers_are_not_cached(light_world: World) -> None:
    world = light_world
    for answer in (await world.call("GET", "/self"), await world.call("GET", "/self", token="")):
        assert answer.headers["cache-control"] == "no-store"
