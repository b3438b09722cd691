"""The OpenAPI 3.1 document and the reference table, made from the table of routes. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from keystead import __version__
from keystead.web.admin.route import LINES, PREFIX, Route
from keystead.web.admin.values import Nothing, schema_hook
from keystead.web.problem import MEDIA_TYPE, Problem

_REFERENCE: Final = "#/components/schemas/{name}"
_EVERY_ROUTE: Final = (400, 401, 403, 500, 503)
_WITH_BODY: Final = (408, 413, 415)
_TELLS: Final = {
    400: "The request is not valid.",
    401: "No valid admin token.",
    403: "Your role does not allow it.",
    404: "No such object in your organization.",
    409: "The object is in a state that does not allow it.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many failed attempts to sign in.",
    500: "A defect of the gateway.",
    502: "The provider refused or failed.",
    503: "The gateway cannot do it now.",
}

Json = dict[str, Any]


def document(routes: Sequence[Route]) -> Json:
    """Return the OpenAPI 3.1 document of `routes`."""
    schemas = _Schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keystead admin API",
            "version": __version__,
            "description": "Instants are RFC 3339, amounts exact decimal text, lists come in pages. "
            "No route returns a provider's key.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"adminToken": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(_tag(route) for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "adminToken": {"type": "http", "scheme": "bearer", "description": "An admin token: `ksa_…`."}
            },
        },
    }


def table(routes: Sequence[Route]) -> str:
    """Return the reference table of `routes` in Markdown."""
    lines = ["| method | path | permission | what it does |", "|---|---|---|---|"]
    for route in routes:
        permission = f"`{route.permission.value}`" if route.permission else "any administrator, about themselves"
        lines.append(f"| {route.method} | `{PREFIX}{route.path}` | {permission} | {route.summary} |")
    return "\n".join(lines) + "\n"


class _Schemas:
    """JSON Schemas of all types in use: references to them, and the components that hold them."""

    def __init__(self, routes: Sequence[Route]) -> None:
        # A type may be in the table many times; msgspec wants each once, and generic aliases compare by value.
        types = dict.fromkeys([Problem, Nothing, *(kind for route in routes for kind in _types_of(route))])
        schemas, components = msgspec.json.schema_components(types, schema_hook=schema_hook, ref_template=_REFERENCE)
        self._schemas: dict[Any, Json] = dict(zip(types, schemas, strict=True))
        queries = {self.of(route.query)["$ref"].rpartition("/")[2] for route in routes}
        self._queries = {name: components[name] for name in queries}
        self.components = {name: schema for name, schema in components.items() if name not in queries}

    def of(self, kind: Any) -> Json:
        return self._schemas[kind]

    def parameters_of(self, query: type) -> list[Json]:
        schema = self._queries[self.of(query)["$ref"].rpartition("/")[2]]
        required = schema.get("required", [])
        return [
            {"name": name, "in": "query", "required": name in required, "schema": field}
            for name, field in schema["properties"].items()
        ]


def _types_of(route: Route) -> list[Any]:
    return [route.answer, route.body, route.query, *([route.line] if route.line else [])]


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.name.replace(".", "_"),
        "tags": [_tag(route)],
        "summary": route.summary,
        "x-keystead-permission": route.permission.value if route.permission else None,
        "parameters": [*_path_parameters(route.path), *schemas.parameters_of(route.query)],
        "responses": {
            str(route.status): {
                "description": "Done.",
                "content": {kind: {"schema": schema} for kind, schema in _answers(route, schemas)},
            },
            **{str(status): _problem(status) for status in _errors(route)},
        },
    }
    if route.body is not Nothing:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.of(route.body)}},
        }
    return operation


def _answers(route: Route, schemas: _Schemas) -> Iterator[tuple[str, Json]]:
    for media_type in route.files:
        yield media_type, schemas.of(route.answer) if media_type == LINES else {"type": "string"}
    if not route.files:
        yield "application/json", schemas.of(route.answer)
    if route.line:
        yield LINES, schemas.of(route.line)


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in path.split("/")
        if part.startswith("{")
    ]


def _errors(route: Route) -> list[int]:
    body = _WITH_BODY if route.method == "POST" else ()
    return sorted({*_EVERY_ROUTE, 429, *body, *route.errors})


def _problem(status: int) -> Json:
    schema = {"$ref": _REFERENCE.format(name=Problem.__name__)}
    return {"description": _TELLS[status], "content": {MEDIA_TYPE: {"schema": schema}}}


def _tag(route: Route) -> str:
    return route.name.partition(".")[0].replace("_", " ")
