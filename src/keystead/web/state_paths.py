"""The paths of stored objects: files, batches, cached contents, vector stores, conversations. Pure. See `paths`."""

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
    """The upstream path; `{id}` stands for the object's id, `{item}` for that of something in it."""
    body: str
    """`json`, `upload`, `pieces` or `none`."""


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
            path=re.compile(
                f"{version}{collection}{below.replace('{id}', f'(?P<id>{_ID})').replace('{item}', f'(?P<item>{_ID})')}"
            ),
            dialect=dialect,
            endpoint=endpoint,
            kind=kind,
            action=action,
            tail=collection + below,
            body=body,
        )
        for method, below, action, body in actions
    ]


_FILE_PATHS: Final[tuple[tuple[str, str, Action, str], ...]] = (
    ("POST", "", "create", "upload"),
    ("GET", "", "list", "none"),
    ("GET", "/{id}", "get", "none"),
    ("GET", "/{id}/content", "content", "none"),
    ("DELETE", "/{id}", "delete", "none"),
)
"""OpenAI's and Anthropic's alike."""

_TABLE: Final = (
    *_paths("/v1", "/files", Dialect.OPENAI, Endpoint.FILES, ObjectKind.FILE, *_FILE_PATHS),
    *_paths("/v1", "/files", Dialect.ANTHROPIC, Endpoint.FILES, ObjectKind.ANTHROPIC_FILE, *_FILE_PATHS),
    *_paths(
        "/v1(?:beta)?",
        "/files",
        Dialect.GEMINI,
        Endpoint.FILES,
        ObjectKind.GEMINI_FILE,
        ("GET", "", "list", "none"),
        ("GET", "/{id}", "get", "none"),
        ("DELETE", "/{id}", "delete", "none"),
    ),
    StatePath(
        method="POST",
        path=re.compile("/upload/v1(?:beta)?/files"),
        dialect=Dialect.GEMINI,
        endpoint=Endpoint.FILES,
        kind=ObjectKind.GEMINI_UPLOAD,
        action="begin",
        tail="/upload/files",
        body="pieces",
    ),
    *_paths(
        "/v1",
        "/conversations",
        Dialect.OPENAI,
        Endpoint.CONVERSATIONS,
        ObjectKind.CONVERSATION,
        ("POST", "", "create", "json"),
        ("GET", "/{id}", "get", "none"),
        ("POST", "/{id}", "update", "json"),
        ("DELETE", "/{id}", "delete", "none"),
        ("GET", "/{id}/items", "content", "none"),
        ("POST", "/{id}/items", "content", "json"),
        ("GET", "/{id}/items/{item}", "content", "none"),
        ("DELETE", "/{id}/items/{item}", "content", "none"),
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
_MADE_BY_PASSING: Final = (
    (Dialect.OPENAI, re.compile("/v1/containers"), ObjectKind.CONTAINER),
    (Dialect.GEMINI, re.compile("/v1[a-z0-9]*/fileSearchStores"), ObjectKind.FILE_SEARCH_STORE),
    (Dialect.ANTHROPIC, re.compile("/v1/skills"), ObjectKind.SKILL),
    (Dialect.OPENAI, re.compile("/v1/skills"), ObjectKind.SKILL),
)
"""What no path of ours makes, and requests may name."""
_COLLECTION: Final = re.compile(
    r"(?:/upload)?/v1(?:beta)?"
    r"/(?:files|batches|vector_stores|messages/batches|cachedContents|conversations)(?:/.*)?"
)


def match(method: str, raw_path: str, dialect: Dialect) -> tuple[StatePath, str, str | None] | None:
    """Return the template that fits, the upstream path, and the object's id if the path holds one; None if none fits.

    `dialect` settles whose `/v1/files` is meant: all three have it.
    """
    if _COLLECTION.fullmatch(raw_path) is None:
        return None
    fitting = [
        (template, found)
        for template in _TABLE
        if template.method == method and (found := template.path.fullmatch(raw_path))
    ]
    if len(fitting) > 1 or (fitting and raw_path.startswith("/v1/files")):
        fitting = [(template, found) for template, found in fitting if template.dialect is dialect]
    for template, found in fitting:
        parts = found.groupdict()
        tail = template.tail.replace("{id}", parts.get("id", "")).replace("{item}", parts.get("item", ""))
        return template, tail, parts.get("id")
    return None


def made_by_passing(method: str, path: str, dialect: Dialect) -> ObjectKind | None:
    """Return what a call that is passed through makes, and its caller may name in requests afterwards; None for none."""
    if method != "POST":
        return None
    return next((kind for of, made, kind in _MADE_BY_PASSING if of is dialect and made.fullmatch(path)), None)
