"""Google's own schema words (a part of OpenAPI 3.0) as JSON Schema. Pure.

`type` in upper case, `nullable`, `property_ordering` and numbers written as text (proto3's int64) are what differs.
Where a caller gives JSON Schema itself (`parametersJsonSchema`), nothing is changed but upper-case types, which Gemini
CLI writes there, too.
"""

import re
from typing import Any, Final

import msgspec

_TYPES: Final = frozenset({"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"})
_SPELT: Final = {
    "any_of": "anyOf",
    "additional_properties": "additionalProperties",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
}
_COUNTS: Final = frozenset(
    {"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties", "maximum", "minimum"}
)
_DROPPED: Final = frozenset({"propertyOrdering", "property_ordering", "nullable"})
_DEEPEST: Final = 64
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
"""An int64 as proto3 writes it; anything else is left for the provider to refuse."""


def json_schema(native: msgspec.Raw | None) -> msgspec.Raw | None:
    """Return a schema in JSON Schema's words."""
    if native is None:
        return None
    return msgspec.Raw(msgspec.json.encode(_schema(msgspec.json.decode(native), 0)))


def _schema(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > _DEEPEST:
        return value
    found: dict[str, Any] = {}
    for spelt, inner in value.items():
        name = _SPELT.get(str(spelt), str(spelt))
        if name in _DROPPED:
            continue
        if name == "type" and isinstance(inner, str) and inner.upper() in _TYPES:
            found[name] = inner.lower()
        elif name == "properties" and isinstance(inner, dict):
            found[name] = {key: _schema(each, depth + 1) for key, each in inner.items()}
        elif name == "anyOf" and isinstance(inner, list):
            found[name] = [_schema(each, depth + 1) for each in inner]
        elif name in {"items", "additionalProperties"}:
            found[name] = _schema(inner, depth + 1)
        elif name in _COUNTS and isinstance(inner, str) and _NUMBER.fullmatch(inner) is not None:
            found[name] = int(inner)
        else:
            found[name] = inner
    if value.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
