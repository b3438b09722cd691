"""The OpenAPI document is valid, complete, and says of every route what the table says."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from keystead.web.admin.openapi import document, table
from keystead.web.admin.route import PREFIX, Route
from keystead.web.admin.routes import ROUTES

DOCUMENT = document(ROUTES)
BY_OPERATION = [pytest.param(route, id=f"{route.method} {route.path}") for route in ROUTES]


def operation_of(route: Route) -> dict[str, Any]:
    found = DOCUMENT["paths"][PREFIX + route.path][route.method.lower()]
    assert isinstance(found, dict)
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_it_is_an_openapi_3_1_document_of_this_version() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert set(DOCUMENT["info"]) >= {"title", "version"}
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", DOCUMENT["info"]["version"])
    assert all(path.startswith("/") for path in DOCUMENT["paths"])


def test_every_reference_leads_to_a_component_and_no_component_is_left_over() -> None:
    used = set(references(DOCUMENT))
    there = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert used == there


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_every_component_is_a_valid_json_schema(name: str) -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **DOCUMENT["components"]["schemas"][name]}
    jsonschema_rs.meta.validate(schema)


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [operation_of(route)["operationId"] for route in ROUTES]
    assert len(set(ids)) == len(ids) == len(ROUTES)


@pytest.mark.parametrize("route", BY_OPERATION)
def test_an_operation_says_what_the_table_says(route: Route) -> None:
    operation = operation_of(route)
    assert operation["summary"] == route.summary
    assert operation["x-keystead-permission"] == (route.permission.value if route.permission else None)
    in_path = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]
    assert in_path == re.findall(r"\{(\w+)\}", route.path)
    assert {"400", "401", "403", "429", "500", "503", str(route.status)} <= set(operation["responses"])
    for status, response in operation["responses"].items():
        by_line = ("application/x-ndjson",) if route.line else ()
        good = (*(route.files or ("application/json",)), *by_line)
        assert tuple(response["content"]) == (good if int(status) < 400 else ("application/problem+json",))


def test_every_operation_needs_the_admin_token() -> None:
    assert DOCUMENT["security"] == [{"adminToken": []}]
    assert DOCUMENT["components"]["securitySchemes"]["adminToken"] == {
        "type": "http",
        "scheme": "bearer",
        "description": "An admin token: `ksa_…`.",
    }
    assert not any("security" in operation_of(route) for route in ROUTES)


def either(field: dict[str, Any]) -> list[dict[str, Any]]:
    """What a field may be: itself, or one of several."""
    return [field, *field.get("anyOf", ())]


def test_a_key_and_a_password_go_in_and_never_come_out() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    write_only = {
        name
        for name, schema in schemas.items()
        if any(part.get("writeOnly") for field in schema.get("properties", {}).values() for part in either(field))
    }
    assert write_only == {"AddCredential", "NewKey", "Enrol", "Proof", "SetIdentityProvider", "ChangePassword"}
    answers = {ref for route in ROUTES for ref in references(operation_of(route)["responses"])}
    assert not answers & {f"#/components/schemas/{name}" for name in write_only}


def test_every_instant_says_that_it_is_one() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    instants = {
        f"{name}.{field}": found
        for name, schema in schemas.items()
        if name != "SheetRow"  # the price list knows days, not instants
        for field, found in schema.get("properties", {}).items()
        if re.fullmatch(r"at|\w+_at|since|until|valid_(from|to)", field)
    }
    assert len(instants) > 30
    for place, found in instants.items():
        [text, *_] = found.get("anyOf", [found])
        assert text == {"type": "string", "format": "date-time"}, place


def test_the_reference_table_has_a_line_for_every_route() -> None:
    lines = table(ROUTES).splitlines()
    assert len(lines) == 2 + len(ROUTES)
    for route, line in zip(ROUTES, lines[2:], strict=True):
        assert line.startswith(f"| {route.method} | `{PREFIX}{route.path}` |")
        assert route.summary in line
