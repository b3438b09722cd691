"""JSON Schema as Anthropic's structured outputs take it. Pure.

Objects must be closed, and constraints that its grammar cannot hold are refused. As Anthropic's own SDKs do it, such
constraints move into the description, where the model still reads them.
"""

from typing import Any, Final

import msgspec

_PLAIN: Final = frozenset({"type", "enum", "const", "title", "description", "required", "$ref"})
_MAPS: Final = frozenset({"properties", "$defs", "definitions"})
_LISTS: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_SILENT: Final = frozenset({"$schema", "$id", "$comment", "additionalProperties", "propertyOrdering"})
_FORMATS: Final = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_CONSTRAINTS: Final = (*(("format", name) for name in _FORMATS), ("minItems", 0), ("minItems", 1))
"""Those that are taken; a tuple, because a schema may hold anything in their place."""
_DEEPEST: Final = 64


def closed(schema: msgspec.Raw) -> msgspec.Raw:
    """Return a schema that structured outputs take."""
    return msgspec.Raw(msgspec.json.encode(_closed(msgspec.json.decode(schema), 0)))


def _closed(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > _DEEPEST:
        return value
    found: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for name, inner in value.items():
        if name in _MAPS and isinstance(inner, dict):
            found[name] = {key: _closed(each, depth + 1) for key, each in inner.items()}
        elif name in _LISTS and isinstance(inner, list):
            found[_LISTS[name]] = [_closed(each, depth + 1) for each in inner]
        elif name == "items":
            found[name] = _closed(inner, depth + 1)
        elif name in _PLAIN or (name, inner) in _CONSTRAINTS:
            found[name] = inner
        elif name not in _SILENT:
            told[name] = inner
    if "properties" in found or _is_object(value.get("type")):
        found.setdefault("properties", {})
        found["additionalProperties"] = False
    if told:
        words = msgspec.json.encode(told).decode()
        found["description"] = f"{found['description']}\n\n{words}" if found.get("description") else words
    return found


def _is_object(kind: object) -> bool:
    return kind == "object" or (isinstance(kind, list) and "object" in kind)
