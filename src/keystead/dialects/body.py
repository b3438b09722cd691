"""Request bodies: read the few members that routing needs, change at most two, keep every other byte.

A body is decoded one level deep: its members stay raw bytes. When nothing has to change, the caller's bytes go
upstream as they came. When the model's name or `stream_options` must change, the members are joined again, each
with the bytes it had, so a field invented today passes untouched.

A JSON object with two members of one name is refused: we would read the last and a provider might read the
first, and then the model that was authorised would not be the model that runs.
"""

import json
from typing import Final

import msgspec

from keystead.domain.errors import InvalidRequestError

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_COUNT: Final = msgspec.json.Decoder(int | None)
_OPTIONS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)

_COUNTS: Final = frozenset(
    {"n", "max_tokens", "max_completion_tokens", "max_output_tokens", "best_of", "candidateCount"}
)
_MAX_COUNT: Final = 2**31 - 1
_MAX_MODEL: Final = 256
"""Characters in a model's name; the longest real ones (Bedrock profile ARNs) have about 150."""


class JsonBody(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON request body, one level deep."""

    raw: bytes
    members: dict[str, msgspec.Raw]
    model: str | None
    stream: bool
    wants_usage: bool
    """The caller asked for the usage chunk itself (`stream_options.include_usage`)."""


def read_json(raw: bytes) -> JsonBody:
    """Read a JSON object.

    Raises:
        InvalidRequestError: not JSON, not an object, nested too deeply, a member given twice, or a member that
            routing needs has the wrong type (`model`, `stream`, `stream_options`, token limits).
    """
    try:
        members = _MEMBERS.decode(raw)
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"The body is not a valid JSON object: {error}.", code="malformed_json") from error
    except RecursionError as error:
        raise InvalidRequestError("The body is nested too deeply.", code="malformed_json") from error
    _refuse_duplicates(raw, members)
    for name in _COUNTS & members.keys():
        _read_count(name, members[name])
    stream = _read_stream(members.get("stream"))
    return JsonBody(
        raw=raw,
        members=members,
        model=_read_model(members.get("model")),
        stream=stream,
        wants_usage=stream and _wants_usage(members.get("stream_options")),
    )


def rewrite(body: JsonBody, *, model: str | None = None, include_usage: bool = False) -> bytes:
    """Return the body with another model name and/or the usage chunk asked for; all else keeps its bytes."""
    members = dict(body.members)
    if model is not None and model != body.model:
        members["model"] = msgspec.Raw(msgspec.json.encode(model))
    elif not include_usage:
        return body.raw
    if include_usage:
        members["stream_options"] = _with_usage(members.get("stream_options"))
    return b"{" + b",".join([msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items()]) + b"}"


def _refuse_duplicates(raw: bytes, members: dict[str, msgspec.Raw]) -> None:
    # SDKs send compact JSON without duplicates, whose length is the sum of its parts: that proof is almost free.
    # Anything else (white space, escapes in names, a duplicate) is read once more with every pair in view.
    parts = sum([len(name) + len(value) for name, value in members.items()]) + 4 * len(members) + 1
    if parts == len(raw) or not members:
        return
    try:
        pairs = json.loads(raw, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"The body is not a valid JSON object: {error}.", code="malformed_json") from error
    if len(pairs) != len(members):
        raise InvalidRequestError("The body has the same member twice.", code="duplicate_member")


def _read_model(value: msgspec.Raw | None) -> str | None:
    if value is None:
        return None
    try:
        model = _TEXT.decode(value)
    except msgspec.DecodeError as error:
        raise InvalidRequestError("`model` must be a string.", code="invalid_model", param="model") from error
    return check_model(model)


def check_model(model: str) -> str:
    """Return `model` if it can be a model's name: 1 to 256 printable ASCII characters without spaces.

    Raises:
        InvalidRequestError: it cannot.
    """
    if not 0 < len(model) <= _MAX_MODEL or not model.isascii() or not model.isprintable() or " " in model:
        raise InvalidRequestError(
            "`model` must be 1 to 256 printable ASCII characters without spaces.", code="invalid_model", param="model"
        )
    return model


def _read_stream(value: msgspec.Raw | None) -> bool:
    if value is None:
        return False
    text = bytes(value)
    if text == b"true":
        return True
    if text in {b"false", b"null"}:
        return False
    raise InvalidRequestError("`stream` must be true or false.", param="stream")


def _read_count(name: str, value: msgspec.Raw) -> None:
    try:
        count = _COUNT.decode(value)
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"`{name}` must be a whole number.", param=name) from error
    if count is not None and not 0 <= count <= _MAX_COUNT:
        raise InvalidRequestError(f"`{name}` must be from 0 to {_MAX_COUNT}.", param=name)


def _options(value: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    if value is None:
        return {}
    try:
        return _OPTIONS.decode(value) or {}
    except msgspec.DecodeError as error:
        raise InvalidRequestError("`stream_options` must be an object.", param="stream_options") from error


def _wants_usage(value: msgspec.Raw | None) -> bool:
    asked = _options(value).get("include_usage")
    return asked is not None and bytes(asked) == b"true"


def _with_usage(value: msgspec.Raw | None) -> msgspec.Raw:
    options = _options(value)
    options["include_usage"] = msgspec.Raw(b"true")
    inner = b",".join([msgspec.json.encode(name) + b":" + bytes(member) for name, member in options.items()])
    return msgspec.Raw(b"{" + inner + b"}")
