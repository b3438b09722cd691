"""Request bodies: read the few members that routing needs, change at most two, keep every other byte.

A body is decoded one level deep: its members stay raw bytes. When nothing has to change, the caller's bytes go
upstream as they came. When the model's name or `stream_options` must change, the members are joined again, each
with the bytes it had, so a field invented today passes untouched. How deep they nest is told by nobody but a reader that
decodes them as a whole (see `nesting`): to look would take longer than all else here.

A JSON object with two members of one name is refused: we would read the last and a provider might read the
first, and then the model that was authorised would not be the model that runs. So is `Model` beside or instead of
`model`: Go's JSON decoder, and with it a provider written in Go, takes both for the same.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keystead.domain.errors import InvalidRequestError

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_COUNT: Final = msgspec.json.Decoder(int | None)

_ROUTING: Final = frozenset({"model", "models", "stream", "stream_options", "previous_response_id"})
_COUNTS: Final = frozenset({"n", "max_tokens", "max_completion_tokens", "max_output_tokens", "best_of"})
_GEMINI_COUNTS: Final = frozenset({"candidateCount", "candidate_count", "maxOutputTokens", "max_output_tokens"})
_OPTIONS: Final = {
    "generationConfig": _GEMINI_COUNTS,
    "generation_config": _GEMINI_COUNTS,
    "inferenceConfig": frozenset({"maxTokens"}),  # Bedrock's, as the next
    "additionalModelRequestFields": frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"}),
}
"""Members that hold limits, and which."""
_MAX_COUNT: Final = 2**31 - 1
_USAGE_ASKED: Final = b'{"include_usage":true}'

_MAX_MEMBERS: Final = 256
"""Members of an object we take apart; real bodies have some twenty."""
_SMALL: Final = 64 * 1024
"""Bytes that are taken apart in milliseconds, whatever they hold."""

_GAP: Final = re.compile(rb"[ \t\r\n]*+[{,][ \t\r\n]*+")
_NAME: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_MAX_MODEL: Final = 256
"""Characters in a model's name; the longest real ones (Bedrock profile ARNs) have about 150."""
_KEY: Final = re.compile(r"(?:.*/)?(?:ksa?_[0-9a-z]{26}_|sk-(?:proj|svcacct|admin|ant|or)-|gsk_\w{20}|AIza[\w-]{35}$)")
"""What is unmistakably a key, of ours or of a provider's."""
_MAX_ID: Final = 255
"""Characters in a provider's id, as many as the record keeps."""


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
        InvalidRequestError: not JSON, not an object, nested too deeply, too many members, a member given twice, or a
            member that routing needs is misspelt or has the wrong type (`model`, `stream`, `stream_options`, token
            limits).
    """
    members = _members_of(raw)
    _refuse_misspelt(members)
    _read_counts(members, _COUNTS)
    for name, counts in _OPTIONS.items():
        if name in members and bytes(members[name])[:1] == b"{":
            _read_counts(_members_of(bytes(members[name])), counts)
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
    return _joined(members)


def with_members(body: JsonBody, changed: Mapping[str, msgspec.Raw | None]) -> JsonBody:
    """Return the body with other members of these names, or without those that are None; all else keeps its bytes."""
    every = {**body.members, **changed}
    members = {name: value for name, value in every.items() if value is not None}
    return msgspec.structs.replace(body, raw=_joined(members), members=members)


def id_member(body: JsonBody, name: str) -> str | None:
    """Return the id that a member holds; None if it is absent or null.

    Raises:
        InvalidRequestError: it is something else.
    """
    value = body.members.get(name)
    if value is None or bytes(value) == b"null":
        return None
    try:
        text = _TEXT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = ""
    if not 0 < len(text) <= _MAX_ID or not text.isascii() or not text.isprintable():
        raise InvalidRequestError(f"`{name}` must be the id of a response.", param=name)
    return text


class _Name(str):
    """A member's name that was counted when it was read."""

    __slots__ = ()


def _members_of(raw: bytes) -> dict[str, msgspec.Raw]:
    """Take an object apart, one level deep."""
    try:
        members = _MEMBERS.decode(raw) if len(raw) <= _SMALL else _counted_members(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"The body is not a valid JSON object: {error}.", code="malformed_json") from error
    except RecursionError as error:
        raise InvalidRequestError("The body is nested too deeply.", code="malformed_json") from error
    if len(members) > _MAX_MEMBERS:
        raise _too_many_members()
    _refuse_duplicates(raw, members)
    return members


def _counted_members(raw: bytes) -> dict[str, msgspec.Raw]:
    """As the plain decoder, which would spend a second on ten megabytes of members before they could be counted."""
    count = 0

    def take(kind: type, name: Any) -> Any:
        nonlocal count
        count += 1
        if count > _MAX_MEMBERS:
            raise _too_many_members()
        return kind(name)

    members = msgspec.json.decode(raw, type=dict[_Name, msgspec.Raw], dec_hook=take)
    return {str(name): value for name, value in members.items()}


def _too_many_members() -> InvalidRequestError:
    return InvalidRequestError(f"An object has more than {_MAX_MEMBERS} members.", code="too_many_members")


def _refuse_duplicates(raw: bytes, members: dict[str, msgspec.Raw]) -> None:
    # SDKs send compact JSON without duplicates, whose length is the sum of its parts: that proof is almost free.
    # Anything else (white space, escapes in names, a duplicate) is walked through once, member by member: the
    # decoder keeps a name's first place and last value, so any duplicate puts the two out of step.
    parts = sum([len(name) + len(value) for name, value in members.items()]) + 4 * len(members) + 1
    if parts == len(raw) or not members:
        return
    at = 0
    for value in members.values():
        gap = _GAP.match(raw, at)
        name = _NAME.match(raw, gap.end()) if gap else None
        text = bytes(value)
        if name is None or not raw.startswith(text, name.end()):
            raise _duplicate()
        at = name.end() + len(text)
    if raw[at:].strip() != b"}":
        raise _duplicate()


def _duplicate() -> InvalidRequestError:
    return InvalidRequestError("The body has the same member twice.", code="duplicate_member")


def _refuse_misspelt(members: dict[str, msgspec.Raw]) -> None:
    together = "".join(members)
    if together.isascii() and together.islower():  # as OpenAI's and Anthropic's SDKs write every name
        return
    for name in members:
        if name not in _ROUTING and name.casefold() in _ROUTING:
            raise InvalidRequestError(f"The member {name!r} must be written in lower case.", code="misspelt_member")


def _read_model(value: msgspec.Raw | None) -> str | None:
    if value is None:
        return None
    try:
        model = _TEXT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError("`model` must be a string.", code="invalid_model", param="model") from error
    return check_model(model)


def check_model(model: str) -> str:
    """Return `model` if it can be a model's name: 1 to 256 printable ASCII characters without spaces.

    Raises:
        InvalidRequestError: it cannot, or it is a key that was put in the wrong place and must not end in the record.
    """
    if not 0 < len(model) <= _MAX_MODEL or not model.isascii() or not model.isprintable() or " " in model:
        raise InvalidRequestError(
            "`model` must be 1 to 256 printable ASCII characters without spaces.", code="invalid_model", param="model"
        )
    if _KEY.match(model) is not None:
        raise InvalidRequestError(
            "`model` holds a key.",
            code="key_as_model",
            param="model",
            next_step="Name a model there, and replace the key if others may have seen it.",
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


def _read_counts(members: dict[str, msgspec.Raw], names: frozenset[str]) -> None:
    for name in names & members.keys():
        try:
            count = _COUNT.decode(members[name])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"`{name}` must be a whole number.", param=name) from error
        if count is not None and not 0 <= count <= _MAX_COUNT:
            raise InvalidRequestError(f"`{name}` must be from 0 to {_MAX_COUNT}.", param=name)


def _options(value: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    text = b"null" if value is None else bytes(value)
    if text == b"null":
        return {}
    if not text.startswith(b"{"):
        raise InvalidRequestError("`stream_options` must be an object.", param="stream_options")
    return _members_of(text)


def _wants_usage(value: msgspec.Raw | None) -> bool:
    if value is not None and bytes(value) == _USAGE_ASKED:
        return True
    asked = _options(value).get("include_usage")
    return asked is not None and bytes(asked) == b"true"


def _with_usage(value: msgspec.Raw | None) -> msgspec.Raw:
    options = _options(value)
    options["include_usage"] = msgspec.Raw(b"true")
    return msgspec.Raw(_joined(options))


def _joined(members: Mapping[str, msgspec.Raw]) -> bytes:
    return b"{" + b",".join([msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items()]) + b"}"
