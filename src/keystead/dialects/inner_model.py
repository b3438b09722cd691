"""The model's name inside a Gemini body. Pure.

The path names the model, and that name is authorised. Embedding and counting bodies repeat it, and Google refuses a
body whose name is another than the path's; so where the path's name is changed on the way, so is the body's.
"""

from typing import Any, Final

import msgspec

from keystead.dialects.body import JsonBody, with_members

_WHOLE: Final = ("generateContentRequest", "generate_content_request")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REQUESTS: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def with_inner_model(body: JsonBody, model: str) -> JsonBody:
    """Return the body with `model` wherever it names one; it is the same one if nothing has to change."""
    name = msgspec.Raw(msgspec.json.encode(f"models/{model.removeprefix('models/')}"))
    changed: dict[str, msgspec.Raw | None] = {}
    try:
        if _differs(body.members, name):
            changed["model"] = name
        for member in _WHOLE:
            if member in body.members and _differs(inner := _MEMBERS.decode(body.members[member]), name):
                changed[member] = _encoded({**inner, "model": name})
        if "requests" in body.members:
            requests = _REQUESTS.decode(body.members["requests"])
            if any(_differs(each, name) for each in requests):
                changed["requests"] = _encoded([{**each, "model": name} for each in requests])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # Google will judge it
    return with_members(body, changed) if changed else body


def _differs(members: dict[str, msgspec.Raw], name: msgspec.Raw) -> bool:
    return "model" in members and bytes(members["model"]) != bytes(name)


def _encoded(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
