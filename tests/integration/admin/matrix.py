"""The authorisation matrix as it is observed: every route, called with every form of credential."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from keystead.domain.access import Role
from keystead.web.admin.route import Route
from keystead.web.admin.routes import ROUTES
from tests.integration.admin.world import World, provider_key

OUTSIDERS = ("none", "garbage", "virtual_key", "expired", "revoked", "disabled_member")
STRANGER = "other_organization"
FORMS = (*OUTSIDERS, STRANGER, *(role.value for role in Role))

Matrix = dict[str, dict[str, str]]


async def observed(world: World) -> Matrix:
    """Call every route with every form and return what came of it.

    `401`, `403`: refused. `404`: the object is another organization's. `own`: another organization's administrator
    is let in, to its own data alone. `allowed`: let in.
    """
    tokens = await _tokens(world)
    objects = await objects_of(world)
    matrix: Matrix = {}
    for route in ROUTES:
        row = matrix[f"{route.method} {route.path}"] = {}
        world.clock.advance(60)  # so that the failures before do not count: they are not what is looked at
        for form in FORMS:
            row[form] = await _outcome(world, route, objects, token=tokens[form], stranger=form == STRANGER)
    return matrix


async def _outcome(world: World, route: Route, objects: Mapping[str, str], *, token: str, stranger: bool) -> str:
    path = route.path.format(**objects)
    if route.method == "GET":
        path += "?" + urlencode(sample_of(route.query, objects))
    body = None if route.method == "GET" else sample_of(route.body, objects)
    status = (await world.call(route.method, path, body, token=token)).status
    if status in {401, 403}:
        return str(status)
    assert status in {200, 201, 404, 409}, (path, status)
    if stranger:
        return "404" if status == 404 else "own"
    return "allowed"


async def _tokens(world: World) -> dict[str, str]:
    """Return what each form presents."""
    issued: dict[str, Any] = {}
    for name, expires_at in (("expired", "2026-01-01T01:00:00Z"), ("revoked", None)):
        body = {"name": name, "member": world.member_id, "expires_at": expires_at}
        issued[name] = await world.post("/admin-tokens", body, expect=201)
    await world.post(f"/admin-tokens/{issued['revoked']['admin_token']['id']}/revoke")
    await world.post("/members", {"name": "gone", "team": world.team_id, "role": "administrator"}, expect=201)
    gone = await world.post("/admin-tokens", {"name": "gone", "member": "gone"}, expect=201)
    await world.post("/members/gone/disable")
    tokens = {
        "none": "",
        "garbage": "garbage",
        "virtual_key": world.key,
        "expired": issued["expired"]["token"],
        "revoked": issued["revoked"]["token"],
        "disabled_member": gone["token"],
        STRANGER: await world.other_organization(),
        **{role.value: await world.signed_in_as(role) for role in Role},
    }
    world.clock.advance(3600)
    return tokens


async def objects_of(world: World) -> dict[str, str]:
    """Make one object of each kind that paths name, and return the ids."""
    member = await world.post("/members", {"name": "m", "team": world.team_id, "role": "developer"}, expect=201)
    token = await world.post("/admin-tokens", {"name": "t", "member": member["id"]}, expect=201)
    key = await world.post("/virtual-keys", {"name": "k", "team": world.team_id}, expect=201)
    price = {"provider": "openai", "model": "gpt-5", "prices": {"input_tokens": "1"}}
    override = await world.post("/price-overrides", price, expect=201)
    return {
        "team": world.team_id,
        "member": member["id"],
        "admin_token": token["admin_token"]["id"],
        "credential": (await world.add_credential())["id"],
        "virtual_key": key["virtual_key"]["id"],
        "price_override": override["id"],
        "request": f"req_{'0' * 26}",
    }


def sample_of(expected: type[msgspec.Struct], objects: Mapping[str, str]) -> dict[str, Any]:
    """Return what is well formed and names the first organization's objects wherever it can."""
    samples: dict[str, Any] = {
        "name": "sample",
        "team": objects["team"],
        "member": objects["member"],
        "role": "developer",
        "provider": "openai",
        "key": provider_key("sample"),
        "version": 1,
        "origin": "https://api.openai.com",
        "model": "gpt-5",
        "prices": {"input_tokens": "1"},
    }
    return {
        field.encode_name: samples[field.encode_name] for field in msgspec.structs.fields(expected) if field.required
    }
