"""The paths of stored objects: files, batches, cached contents, vector stores. Pure. See `paths`."""

import re
from typing import Final

import msgspec

from keystead.domain.stored import Action, ObjectKind
from keystead.domain.traffic import Dialect, Endpoint

_ID: Final = r"[A-Za-z0-9_-]{1,255}"


class StatePath(msgspec.Struct, frozen=True, kw_only=True):
    """A template: what a method and a path below the version do to which kind of object."""

    method: str
    path: re.Pattern[str]
    dialect: Dialect
    endpoint: Endpoint
    kind: ObjectKind
    action: Action
    tail: str
    """The upstream path; `{id}` stands for the object's."""
    body: str
    """`json`, `upload` or `none`."""


def _paths(
    version: str,
    collection: str,
    dialect: Dialect,
    endpoint: Endpoint,
    kind: ObjectKind,
    *actions: tuple[str, str, Action, str],
) -> list[StatePath]:
    return [
        StatePath(
            method=method,
            path=re.compile(rf"{version}{collection}{below.replace('{id}', f'({_ID})')}"),
            dialect=dialect,
            endpoint=endpoint,
            kind=kind,
            action=action,
            tail=collection + below,
            body=body,
        )
        for method, below, action, body in actions
    ]


_TABLE: Final = (
    *_paths(
        "/v1",
        "/files",
        Dialect.OPENAI,
        Endpoint.FILES,
        ObjectKind.FILE,
        ("POST", "", "create", "upload"),
        ("GET", "", "list", "none"),
        ("GET", "/{id}", "get", "none"),
        ("GET", "/{id}/content", "content", "none"),
        ("DELETE", "/{id}", "delete", "none"),
    ),
    *_paths(
        "/v1",
        "/batches",
        Dialect.OPENAI,
        Endpoint.BATCHES,
        ObjectKind.BATCH,
        ("POST", "", "create", "json"),
        ("GET", "", "list", "none"),
        ("GET", "/{id}", "get", "none"),
        ("POST", "/{id}/cancel", "cancel", "none"),
    ),
    *_paths(
        "/v1",
        "/vector_stores",
        Dialect.OPENAI,
        Endpoint.VECTOR_STORES,
        ObjectKind.VECTOR_STORE,
        ("POST", "", "create", "json"),
        ("GET", "", "list", "none"),
        ("GET", "/{id}", "get", "none"),
        ("POST", "/{id}", "update", "json"),
        ("POST", "/{id}/search", "content", "json"),
        ("DELETE", "/{id}", "delete", "none"),
    ),
    *_paths(
        "/v1",
        "/messages/batches",
        Dialect.ANTHROPIC,
        Endpoint.BATCHES,
        ObjectKind.MESSAGE_BATCH,
        ("POST", "", "create", "json"),
        ("GET", "", "list", "none"),
        ("GET", "/{id}", "get", "none"),
        ("GET", "/{id}/results", "content", "none"),
        ("POST", "/{id}/cancel", "cancel", "none"),
        ("DELETE", "/{id}", "delete", "none"),
    ),
    *_paths(
        "/v1(?:beta)?",
        "/cachedContents",
        Dialect.GEMINI,
        Endpoint.CACHED_CONTENTS,
        ObjectKind.CACHED_CONTENT,
        ("POST", "", "create", "json"),
        ("GET", "", "list", "none"),
        ("GET", "/{id}", "get", "none"),
        ("PATCH", "/{id}", "update", "json"),
        ("DELETE", "/{id}", "delete", "none"),
    ),
)
_COLLECTION: Final = re.compile(r"/v1(?:beta)?/(?:files|batches|vector_stores|messages/batches|cachedContents)(?:/.*)?")


def match(method: str, raw_path: str) -> tuple[StatePath, str | None] | None:
    """Return the template that fits, and the object's id if the path holds one; None if none fits."""
    if _COLLECTION.fullmatch(raw_path) is None:
        return None
    for template in _TABLE:
        if template.method == method and (found := template.path.fullmatch(raw_path)):
            return template, found[1] if found.groups() else None
    return None
