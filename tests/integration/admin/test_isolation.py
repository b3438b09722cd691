"""Another organization's objects are as absent as what never was, on every route (T14)."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from keystead.domain.access import PLATFORM
from keystead.domain.ids import new_id
from keystead.web.admin.route import Route
from keystead.web.admin.routes import ROUTES
from tests.integration.admin.matrix import call_of, name_of, objects_of, samples_of
from tests.integration.admin.world import World


def calls(route: Route, objects: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield well-formed calls that name the objects, one for each field that can: the required ones and the others."""
    yield call_of(route, objects)
    samples = samples_of(objects)
    names = set(objects.values())
    fields = msgspec.structs.fields(route.query if route.method == "GET" else route.body)
    for field in fields:
        sample = samples.get(field.encode_name)
        if field.required or not any(name in msgspec.json.encode(sample).decode() for name in names):
            continue
        path, body = call_of(route, objects)
        if route.method == "GET":
            glue = "&" if "=" in path else ""
            yield f"{path}{glue}{urlencode({field.encode_name: sample})}", None
        else:
            yield path, body | {field.encode_name: sample}


async def test_what_is_anothers_answers_as_what_never_was(light_world: World) -> None:
    world = light_world
    objects = await objects_of(world)
    ghosts = {kind: new_id(name.partition("_")[0], world.clock.now_us()) for kind, name in objects.items()}
    stranger = await world.other_organization()
    tried = 0
    for route in ROUTES:
        if route.permission in PLATFORM:
            continue  # the operator's work is about any organization, and nobody else gets in
        for real, ghost in zip(calls(route, objects), calls(route, ghosts), strict=True):
            if real == ghost:
                continue
            tried += 1
            answers = [await world.call(route.method, path, body, token=stranger) for path, body in (real, ghost)]
            assert answers[0].status == answers[1].status, (name_of(route), real)
            assert masked(answers[0].body, objects) == masked(answers[1].body, ghosts), (name_of(route), real)
            if answers[0].status == 200:
                assert route.method == "GET", "a filter that finds nothing"
                if route.files:
                    assert len(answers[0].body.splitlines()) <= 1, "no row, but a header"
                else:
                    assert_empty(answers[0].json())
            else:
                assert answers[0].status in {404, 400}, (name_of(route), real)
    assert tried > len(ROUTES) / 2
    events = (await world.call("GET", "/audit-events", token=stranger)).json()["items"]
    done = {event["action"] for event in events} - {"requests.exported"}
    assert done == {"organization.created"}, "nothing was changed"


def masked(body: bytes, objects: Mapping[str, str]) -> str:
    """Return an answer without what it was asked, and without the number of the request."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode()  # a file
    if isinstance(answer, dict):
        answer.pop("request_id", None)
    text = msgspec.json.encode(answer).decode()
    for name in objects.values():
        text = text.replace(name, "…")
    return text


def assert_empty(answer: Any) -> None:
    lists = [value for value in answer.values() if isinstance(value, list)]
    assert lists
    assert not any(len(found) for found in lists if found != answer.get("dimensions"))


async def test_lists_hold_ones_own_alone(light_world: World) -> None:
    world = light_world
    objects = await objects_of(world)
    stranger = await world.other_organization()
    for route in ROUTES:
        if route.method == "GET" and "{" not in route.path and route.permission not in PLATFORM:
            path, _ = call_of(route, objects)
            body = (await world.call("GET", path, token=stranger)).body.decode()
            for kind, name in objects.items():
                assert name not in body, (route.path, kind)
