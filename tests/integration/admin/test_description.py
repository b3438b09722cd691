"""What the API answers is what its OpenAPI document describes."""

import json
from typing import Any

import jsonschema_rs

from keystead.web.admin.openapi import document
from keystead.web.admin.route import PREFIX
from keystead.web.admin.routes import ROUTES
from tests.integration.admin.matrix import call_of, objects_of
from tests.integration.admin.world import World

DOCUMENT = document(ROUTES)


def fits(value: Any, schema: dict[str, Any]) -> None:
    jsonschema_rs.validate({**schema, "components": DOCUMENT["components"]}, value, validate_formats=True)


async def test_good_answers_and_problems_fit_the_document(light_world: World) -> None:
    objects = await objects_of(light_world)
    for route in ROUTES:
        described = DOCUMENT["paths"][PREFIX + route.path][route.method.lower()]["responses"]
        path, body = call_of(route, objects)
        answer = await light_world.call(route.method, path, body)
        content = described[str(answer.status)]["content"]
        assert answer.headers["content-type"] == next(iter(content)), route.path
        fits(answer.json(), content[answer.headers["content-type"]]["schema"])
        if route.line is not None:
            by_line = await light_world.call(route.method, path, body | {"progress": True})
            for line in by_line.body.splitlines():
                fits(json.loads(line), content[by_line.headers["content-type"]]["schema"])
        refused = await light_world.call(route.method, path, body, token="")
        fits(refused.json(), described["401"]["content"]["application/problem+json"]["schema"])
