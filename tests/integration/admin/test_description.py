"""What the API answers is what its OpenAPI document describes."""

import json
from typing import Any

import jsonschema_rs

from keystead.web.admin.openapi import document
from keystead.web.admin.route import LINES, PREFIX, Route
from keystead.web.admin.routes import ROUTES
from tests.integration.admin.matrix import call_of, objects_of
from tests.integration.admin.world import World

DOCUMENT = document(ROUTES)


def fits(value: Any, schema: dict[str, Any]) -> None:
    jsonschema_rs.validate({**schema, "components": DOCUMENT["components"]}, value, validate_formats=True)


async def as_files(world: World, route: Route, content: dict[str, Any]) -> None:
    """Ask for a file in each form; lines are each what they are said to be."""
    assert tuple(content) == route.files
    if LINES not in route.files:
        return
    lines = await world.call(route.method, f"{route.path}?format=jsonl")
    for line in lines.body.splitlines():
        fits(json.loads(line), content[lines.headers["content-type"]]["schema"])


async def test_good_answers_and_problems_fit_the_document(light_world: World) -> None:
    objects = await objects_of(light_world)
    for route in ROUTES:
        described = DOCUMENT["paths"][PREFIX + route.path][route.method.lower()]["responses"]
        path, body = call_of(route, objects)
        answer = await light_world.call(route.method, path, body)
        content = described[str(answer.status)]["content"]
        assert answer.headers["content-type"] == next(iter(content)), route.path
        if route.files:
            await as_files(light_world, route, content)
        else:
            fits(answer.json(), content[answer.headers["content-type"]]["schema"])
        if route.line is not None:
            by_line = await light_world.call(route.method, path, body | {"progress": True})
            for line in by_line.body.splitlines():
                fits(json.loads(line), content[by_line.headers["content-type"]]["schema"])
        refused = await light_world.call(route.method, path, body, token="")
        fits(refused.json(), described["401"]["content"]["application/problem+json"]["schema"])
