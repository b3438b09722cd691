"""The authorisation matrix as it is observed: every route, called with every form of credential."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from keystead.alerts import store
from keystead.alerts.views import AlertKind, Cause, Ends
from keystead.domain.access import Administrator, Role
from keystead.domain.clock import utc
from keystead.domain.ids import MemberId, TeamId, new_id
from keystead.domain.stored import ObjectKind, StoredObject
from keystead.storage import stored_objects
from keystead.web.admin.route import Route
from keystead.web.admin.routes import ROUTES
from tests.fakes.signer import signed_update
from tests.integration.admin.settled import settled
from tests.integration.admin.world import World, provider_key

OUTSIDERS = ("none", "garbage", "virtual_key", "expired", "revoked", "disabled_member")
STRANGER = "other_organization"
OPERATOR = "operator"
TEAM_ADMINISTRATOR = "administrator_of_the_team"
OTHER_TEAM_ADMINISTRATOR = "administrator_of_another_team"
FORMS = (
    *OUTSIDERS,
    STRANGER,
    *(role.value for role in Role),
    OPERATOR,
    TEAM_ADMINISTRATOR,
    OTHER_TEAM_ADMINISTRATOR,
)

CONSENT = {
    "data_classes": ["internal"],
    "reasons": ["down"],
    "daily_cap": "1",
    "monthly_cap": "10",
    "expires_at": "2026-06-01T00:00:00Z",
}

Matrix = dict[str, dict[str, str]]


async def observed(world: World) -> Matrix:
    """Call every route with every form and return what came of it.

    `401`, `403`: refused. `404`: the object is another organization's, or in none of the caller's teams. `own`: another
    organization's owner is let in, to its own data alone. `allowed`: let in.
    """
    tokens = await _tokens(world)
    objects = await objects_of(world)
    callers = {form: await _member_of(world, token) for form, token in tokens.items()}
    matrix: Matrix = {}
    for route in ROUTES:
        row = matrix[name_of(route)] = {}
        world.clock.advance(60)  # so that the failures before do not count: they are not what is looked at
        for form in FORMS:
            there = objects | {"caller": callers[form], **await _made_anew(world, route, objects)}
            if "{saved_prompt}" in route.path and form != STRANGER:  # nobody meets another's
                there["saved_prompt"] = await _saved_prompt(world, callers[form])
            if route.path == "/self/sessions/end" and form != STRANGER:
                there["session"] = await _session(world, callers[form])
            row[form] = await _outcome(world, route, there, token=tokens[form], stranger=form == STRANGER)
    return matrix


def name_of(route: Route) -> str:
    """Return what a route is called in the matrix."""
    return f"{route.method} {route.path}"


def call_of(route: Route, objects: Mapping[str, str]) -> tuple[str, Any]:
    """Return the path and the body of a well-formed call that names the first organization's objects."""
    path = route.path.format(**objects)
    if route.method == "GET":
        return f"{path}?{urlencode(sample_of(route.query, objects))}", None
    return path, sample_of(route.body, objects) | _more(route, objects)


def _more(route: Route, objects: Mapping[str, str]) -> dict[str, Any]:
    """Return the optional fields without which a call would be about the whole organization, or about nobody."""
    fields: dict[str, dict[str, Any]] = {
        "POST /teams": {"parent": objects["team"]},
        "POST /members/{member}/assign": {"team": objects["team"]},
        "POST /members/{member}/unassign": {"team": objects["team"]},
        "POST /teams/{team}/move": {"top": True},
        "POST /grants": {"team": objects["team"], "effect": "deny"},
        "POST /explain": {"virtual_key": objects["virtual_key"]},
        "POST /credentials/{credential}/change": {"models": ["gpt-5*"]},
        "POST /data-classes": {"rank": 999},
        "POST /budgets": {"team": objects["team"]},
        "POST /rate-limits": {"team": objects["team"]},
        "POST /organization/change": {"name": "Renamed"},
        "POST /retention/set": {"days": 400},
    }
    if name_of(route) == "POST /virtual-keys" and objects.get("caller"):
        return {"member": objects["caller"]}
    return fields.get(name_of(route), {})


async def _made_anew(world: World, route: Route, objects: Mapping[str, str]) -> dict[str, str]:
    """Make what the call before took away: who comes later must find it as well."""
    makers: dict[str, tuple[str, Callable[[World], Awaitable[str]]]] = {
        "POST /roles/{role}/delete": ("role", _own_role),
        "POST /model-routes/{model_route}/delete": ("model_route", _model_route),
        "POST /data-classes/{data_class}/remove": ("data_class", _data_class),
        "POST /recognizers/{recognizer}/remove": ("recognizer", _recognizer),
        "POST /rate-limits/{rate_limit}/delete": ("rate_limit", _rate_limit),
        "POST /stored-objects/{stored_object}/delete": ("stored_object", _stored_object),
        "POST /identity-provider/remove": ("identity_provider", _identity_provider),
    }
    if name_of(route) in makers:
        kind, make = makers[name_of(route)]
        return {kind: await make(world)}
    if name_of(route) == "POST /members/{member}/disable":
        roles = [{"role": "developer", "team": objects["team"]}]
        person = {"name": _unique(world), "team": objects["team"], "roles": roles}
        return {"member": (await world.post("/members", person, expect=201))["id"]}
    if name_of(route) == "POST /members/{member}/unassign":
        body = {"role": "developer", "team": objects["team"]}
        await world.call("POST", f"/members/{objects['member']}/assign", body)
    return {}


async def _stored_object(world: World) -> str:
    name = new_id("obj", world.clock.now_us())
    kept = StoredObject(
        id=name,
        organization_id=world.organization_id,
        team_id=world.team_id,
        principal_kind="member",
        principal_id="mem_1",
        virtual_key_id="vk_1",
        credential_id="cred_1",
        provider="openai",
        kind=ObjectKind.FILE,
        upstream_id=name,
        created_at=world.clock.now_us(),
    )
    async with world.database.write() as conn:
        await stored_objects.add(conn, kept)
    return name


async def _saved_prompt(world: World, member_id: str) -> str:
    who = Administrator(
        organization_id=world.organization_id,
        member_id=member_id,
        token_id="",
        operator=False,
        everywhere=frozenset(),
        in_teams={},
    )
    async with world.database.write() as conn:
        return (await world.app.rooms.saved_prompts.save(conn, who, name="sample", content="{}")).id


async def _session(world: World, member_id: str) -> str:
    rooms = world.app.rooms
    async with world.database.write() as conn:
        member = await rooms.directory.member(conn, world.organization_id, world.member_id)
        of = msgspec.structs.replace(member, id=MemberId(member_id))
        await rooms.sessions.begin(conn, of, world.organization_id, browser="sample")
        return (await rooms.sessions.list(conn, world.organization_id, member_id))[0].id


async def _own_role(world: World) -> str:
    made = await world.post("/roles", {"name": _unique(world), "permissions": ["price:read"]}, expect=201)
    return str(made["id"])


async def _model_route(world: World) -> str:
    attempts = [{"provider": "openai", "model": "gpt-5"}]
    made = await world.post("/model-routes", {"name": _unique(world), "attempts": attempts}, expect=201)
    return str(made["id"])


async def _data_class(world: World) -> str:
    made = {"name": f"own-{_unique(world)}", "rank": 150 + len((await world.get("/data-classes"))["items"])}
    await world.post("/data-classes", made)
    return str(made["name"])


async def _recognizer(world: World) -> str:
    made = {"name": _unique(world), "kind": "payment_card", "action": "block"}
    return str((await world.post("/recognizers", made, expect=201))["id"])


async def _identity_provider(world: World) -> str:
    made = {"issuer": "https://login.example.com", "client_id": "keystead", "domains": ["example.com"]}
    await world.post("/identity-provider/set", made | {"client_secret": "a client secret"})
    return ""


async def _alert(world: World, credential_id: str) -> str:
    """Return an alert about something of the team's."""
    now = world.clock.now_us()
    cause = Cause(
        organization_id=world.organization_id,
        kind=AlertKind.CREDENTIAL_CONTRACT_ENDS,
        subject_id=credential_id,
        subject="main",
        team_id=world.team_id,
        first_at=now,
        last_at=now,
        detail=Ends(ends_at=utc(now)),
    )
    async with world.database.write() as conn:
        alert = await store.record(conn, cause, now=now)
    assert alert is not None
    return alert.id


async def _rate_limit(world: World) -> str:
    made = {"name": _unique(world), "organization": True, "measure": "requests_per_minute", "most": 60}
    return str((await world.post("/rate-limits", made, expect=201))["id"])


def _unique(world: World) -> str:
    return new_id("", world.clock.now_us()).removeprefix("_")


async def _member_of(world: World, token: str) -> str:
    answer = await world.call("GET", "/self", token=token)
    world.clock.advance(60)  # as above
    return str(answer.json()["member_id"]) if answer.status == 200 else ""


async def _outcome(world: World, route: Route, objects: Mapping[str, str], *, token: str, stranger: bool) -> str:
    path, body = call_of(route, objects)
    answer = await world.call(route.method, path, body, token=token)
    if answer.status in {401, 403}:
        return str(answer.status)
    assert answer.status in {200, 201, 404, 409}, (path, answer.body)
    if answer.status == 404:
        return "404"
    return "own" if stranger else "allowed"


async def _tokens(world: World) -> dict[str, str]:
    """Return what each form presents."""
    issued: dict[str, Any] = {}
    for name, expires_at in (("expired", "2026-01-01T01:00:00Z"), ("revoked", None)):
        body = {"name": name, "member": world.member_id, "expires_at": expires_at}
        issued[name] = await world.post("/admin-tokens", body, expect=201)
    await world.post(f"/admin-tokens/{issued['revoked']['admin_token']['id']}/revoke")
    leaver = {"name": "gone", "team": world.team_id, "roles": [{"role": "administrator"}]}
    await world.post("/members", leaver, expect=201)
    gone = await world.post("/admin-tokens", {"name": "gone", "member": "gone"}, expect=201)
    await world.post("/members/gone/disable")
    other_team = TeamId((await world.post("/teams", {"name": "Elsewhere"}, expect=201))["id"])
    administrator = Role.ADMINISTRATOR
    tokens = {
        "none": "",
        "garbage": "garbage",
        "virtual_key": world.key,
        "expired": issued["expired"]["token"],
        "revoked": issued["revoked"]["token"],
        "disabled_member": gone["token"],
        STRANGER: await world.other_organization(),
        **{role.value: await world.signed_in_as(role, team_id=world.team_id, scoped=False) for role in Role},
        OPERATOR: await world.signed_in_as(None, operator=True),
        TEAM_ADMINISTRATOR: await world.signed_in_as(administrator, team_id=world.team_id),
        OTHER_TEAM_ADMINISTRATOR: await world.signed_in_as(administrator, team_id=other_team),
    }
    world.clock.advance(3600)
    return tokens


async def objects_of(world: World) -> dict[str, str]:
    """Make one object of each kind that paths name, and return the ids."""
    credential = await world.add_credential()
    person = {"name": "m", "team": world.team_id, "roles": [{"role": "developer", "team": world.team_id}]}
    member = await world.post("/members", person, expect=201)
    token = await world.post("/admin-tokens", {"name": "t", "member": member["id"]}, expect=201)
    key = await world.post("/virtual-keys", {"name": "k", "team": world.team_id}, expect=201)
    price = {"provider": "openai", "model": "gpt-5", "prices": {"input_tokens": "1"}}
    override = await world.post("/price-overrides", price, expect=201)
    grant = await world.post("/grants", {"team": world.team_id, "models": ["gpt-5*"]}, expect=201)
    consent = await world.post("/consents", CONSENT | {"teams": [world.team_id]}, expect=201)
    budget = {"name": "b", "team": world.team_id, "period": "month", "limit": "100"}
    budget = await world.post("/budgets", budget, expect=201)
    return {
        "team": world.team_id,
        "member": member["id"],
        "role": await _own_role(world),
        "service_account": key["virtual_key"]["principal_id"],
        "admin_token": token["admin_token"]["id"],
        "credential": credential["id"],
        "virtual_key": key["virtual_key"]["id"],
        "price_override": override["id"],
        "model_route": await _model_route(world),
        "grant": grant["id"],
        "consent": consent["id"],
        "budget": budget["id"],
        "rate_limit": await _rate_limit(world),
        "recognizer": await _recognizer(world),
        "data_class": await _data_class(world),
        "request": await settled(world),
        "stored_object": await _stored_object(world),
        "saved_prompt": await _saved_prompt(world, world.member_id),
        "session": await _session(world, world.member_id),
        "alert": await _alert(world, credential["id"]),
    }


def sample_of(expected: type[msgspec.Struct], objects: Mapping[str, str]) -> dict[str, Any]:
    """Return the required fields, well formed and naming the first organization's objects wherever they can."""
    samples = samples_of(objects)
    return {
        field.encode_name: samples[field.encode_name] for field in msgspec.structs.fields(expected) if field.required
    }


def samples_of(objects: Mapping[str, str]) -> dict[str, Any]:
    """Return a well-formed value for each field, by its name."""
    return {
        "name": "sample",
        "password": "correct horse battery",
        "session": objects["session"],
        "current": "correct horse battery",
        "new": "a quite different staple",
        "code": "123456",
        "url": "https://keystead.example",
        "team": objects["team"],
        "member": objects["member"],
        "parent": objects["team"],
        "service_account": objects["service_account"],
        "virtual_key": objects["virtual_key"],
        "credential": objects["credential"],
        "credentials": [objects["credential"]],
        "actor": objects["member"],
        "object": objects["virtual_key"],
        "role": "developer",
        "roles": [{"role": "developer", "team": objects["team"]}],
        "permissions": ["price:read"],
        "cost_center": "4711",
        "tags": {"project": "sample"},
        "data_class": objects.get("data_class", "internal"),
        "provider": "openai",
        "key": provider_key("sample"),
        "version": 1,
        "origin": "https://api.openai.com",
        "model": "gpt-5",
        "prices": {"input_tokens": "1"},
        "margin_ppm": 0,
        "credits": "1",
        "reference": "sample",
        "reason": "sample",
        **CONSENT,
        "teams": [objects["team"]],
        "kind": "payment_card",
        "action": "block",
        "document": {},
        "period": "month",
        "limit": "100",
        "measure": "requests_per_minute",
        "most": 60,
        "content": {},
        "issuer": "https://login.example.com",
        "client_id": "keystead",
        "domains": ["example.com"],
        "attempts": [{"provider": "openai", "model": "gpt-5"}],
        "update": signed_update(),
    }
