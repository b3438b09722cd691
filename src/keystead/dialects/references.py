"""Which stored objects a body names: files, stores, caches, conversations, containers, skills. Pure, on the hot path.

A body that names none is searched, not parsed. One that may is parsed, and what stands in a place where a provider would
look for an id is taken for one. A name that is written with escapes is found all the same.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from keystead.dialects.body import JsonBody, id_member
from keystead.dialects.gemini_files import file_named
from keystead.dialects.taking import decoded
from keystead.domain.errors import InvalidRequestError
from keystead.domain.stored import ObjectKind, Reference
from keystead.domain.traffic import Dialect, Endpoint

MOST: Final = 100
"""Objects that one body may name."""

_MEMBERS: Final = {
    "conversation": ObjectKind.CONVERSATION,
    "cachedContent": ObjectKind.CACHED_CONTENT,
    "cached_content": ObjectKind.CACHED_CONTENT,
    "input_file_id": ObjectKind.FILE,
    "container": ObjectKind.CONTAINER,
    "prompt": ObjectKind.PROMPT,
}
_WITH_ID: Final = frozenset({"conversation", "container", "prompt"})
"""Members that are an id, or an object with an `id`, and maybe with none."""
_PREFIXES: Final = {ObjectKind.CACHED_CONTENT: "cachedContents/", ObjectKind.FILE_SEARCH_STORE: "fileSearchStores/"}
_NESTED: Final = {
    "file_id": ObjectKind.FILE,
    "file_ids": ObjectKind.FILE,
    "vector_store_ids": ObjectKind.VECTOR_STORE,
    "container_id": ObjectKind.CONTAINER,
    "skill_id": ObjectKind.SKILL,
}
_MAKERS_OWN: Final = "anthropic"
"""The type of skills that every account has."""
_FILE_URIS: Final = frozenset({"fileUri", "file_uri"})
_STORES: Final = frozenset({"fileSearchStoreNames", "file_search_store_names"})
_URLS: Final = frozenset({*_FILE_URIS, "url", "image_url", "file_url"})
"""Where the URL of a file at Google may stand in another dialect."""
_GEMINI_WORDS: Final = tuple(name.encode() for name in sorted(_FILE_URIS | _STORES))
_TOLD: Final = frozenset(
    {"arguments", "parameters", "input_schema", "schema", "annotations", "metadata", "logprobs", "citations"}
)
"""Members in which an id is what somebody said: no provider reads the object for it."""
_TOLD_TO_GEMINI: Final = frozenset(
    {"functionCall", "function_call", "functionDeclarations", "function_declarations", "response", "labels"}
    | {"responseSchema", "response_schema", "responseJsonSchema", "response_json_schema"}
)
_CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Anthropic's blocks whose `input` a model wrote."""
_RESULTS: Final = "_tool_result"
"""How the types of Anthropic's blocks end that hold what a tool of the provider's gave back."""
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")


def references_in(body: JsonBody, dialect: Dialect, endpoint: Endpoint) -> tuple[Reference, ...]:
    """Return the stored objects that a body names, apart from an earlier response.

    Raises:
        InvalidRequestError: it names too many, or what is none, or a member that may name one is no JSON.
    """
    found: dict[Reference, None] = {}
    for name, kind in _MEMBERS.items():
        if name in body.members and (identifier := _named(body, name)) is not None:
            found[Reference(kind, identifier)] = None
    if dialect is Dialect.GEMINI:
        for name, value in body.members.items():
            if name not in _TOLD_TO_GEMINI and _may_name_to_gemini(raw := bytes(value)):
                _collect_from_gemini({name: decoded(raw)}, found)
    elif endpoint is not Endpoint.BATCHES:
        file = ObjectKind.FILE if dialect is Dialect.OPENAI else ObjectKind.ANTHROPIC_FILE
        for name, value in body.members.items():
            if name not in _TOLD and _may_name(name, raw := bytes(value)):
                _collect({name: decoded(raw)}, found, file)
    if len(found) > MOST:
        raise InvalidRequestError(f"The body names more than {MOST} stored objects.", code="too_many_references")
    return tuple(found)


def _named(body: JsonBody, name: str) -> str | None:
    if name in _WITH_ID and bytes(body.members[name])[:1] == b"{":
        identifier = decoded(bytes(body.members[name])).get("id")
        if identifier is None and name == "container":
            return None  # Anthropic's with skills alone: a new one
        return identifier[:255] if isinstance(identifier, str) else ""
    if name == "prompt":
        return None  # the words themselves
    identifier = id_member(body, name)
    return None if identifier is None else identifier.removeprefix(_PREFIXES[ObjectKind.CACHED_CONTENT])


def _may_name(name: str, raw: bytes) -> bool:
    return (
        name in _NESTED
        or b"file_id" in raw
        or b"vector_store_ids" in raw
        or b"skill_id" in raw
        or b'"container' in raw
        or b"googleapis" in raw
        or (b"\\u00" in raw and _ESCAPED_LETTER.search(raw) is not None)
    )


def _may_name_to_gemini(raw: bytes) -> bool:
    return any(name in raw for name in _GEMINI_WORDS) or (b"\\u00" in raw and _ESCAPED_LETTER.search(raw) is not None)


def _collect_from_gemini(value: Any, found: dict[Reference, None]) -> None:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            for name, below in each.items():
                if name in _FILE_URIS and isinstance(below, str):
                    if (identifier := file_named(below)) is not None:
                        found[Reference(ObjectKind.GEMINI_FILE, identifier)] = None
                elif name in _STORES:
                    found.update(dict.fromkeys(_references(ObjectKind.FILE_SEARCH_STORE, below)))
                elif name not in _TOLD_TO_GEMINI:
                    waiting.append(below)


def _collect(value: Any, found: dict[Reference, None], file: ObjectKind) -> None:
    """Walk what was parsed; the parser has bounded how deep it is."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            kind = each.get("type")
            kind = kind if isinstance(kind, str) else ""
            if kind.endswith(_RESULTS) and kind != "tool_result":
                continue
            for name, below in each.items():
                if name != "skill_id" or kind != _MAKERS_OWN:
                    found.update(dict.fromkeys(_named_by(name, below, file)))
                if name == "container" and kind.startswith("code_interpreter"):
                    found.update(dict.fromkeys(_references(ObjectKind.CONTAINER, below)))
                if name not in _NESTED and name not in _TOLD and not (name == "input" and kind in _CALLS):
                    waiting.append(below)


def _named_by(name: str, value: Any, file: ObjectKind) -> Iterator[Reference]:
    if name in _NESTED:
        kind = _NESTED[name]
        yield from _references(file if kind is ObjectKind.FILE else kind, value)
    elif name in _URLS and isinstance(value, str):
        identifier = file_named(value, google_alone=True)
        if identifier is not None:
            yield Reference(ObjectKind.GEMINI_FILE, identifier)


def _references(kind: ObjectKind, value: Any) -> Iterator[Reference]:
    for identifier in value if isinstance(value, list) else [value]:
        if isinstance(identifier, str):
            yield Reference(kind, identifier.removeprefix(_PREFIXES.get(kind, ""))[:256])
