"""Multipart bodies (audio, image edits): read two small fields, replace one, keep every other byte.

RFC 7578 forms as the OpenAI SDKs send them. Files are never decoded or copied apart: a field is found by the
offsets the parser reports.

There is more than one way to spell a field's name (twice, escaped, `name*=`, in another encoding) and no agreement
between parsers about them. A form that uses one is refused: the provider's parser might find another model in it
than the one that was authorised.
"""

import re
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from keystead.domain.errors import InvalidRequestError

_MAX_PARTS: Final = 64
"""An image edit takes up to 16 images and a dozen options."""

_MAX_FIELD: Final = 1024
"""Bytes of a field we read (`model`, `stream`)."""

# RFC 2046 §5.1.1: a boundary has at most 70 characters.
_CONTENT_TYPE: Final = re.compile(
    rb"multipart/form-data(?:; ?charset=[\w-]{1,40})?; ?boundary=(?:([\w'()+,./:=?-]{1,70})|\"([\w'()+,./:=? -]{1,70})\")"
    rb"(?:; ?charset=[\w-]{1,40})?",
    re.IGNORECASE | re.ASCII,
)
_DISPOSITION: Final = re.compile(
    rb"form-data; ?name=(?:([\w.\[\]-]+)|\"([^\"\\%*;=\x00-\x1f\x7f]*)\")"
    rb"(?:; ?filename\*?=(?:[^\s\";\\]*|\"(?:[^\"\\\x00-\x1f]|\\.)*\"))*",
    re.IGNORECASE | re.ASCII,
)
_PLAIN_ENCODINGS: Final = frozenset({b"7bit", b"8bit", b"binary"})


class _Fields:
    """Where each part's content lies in the body, by field name."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        self.doubled: set[str] = set()
        self.whole = False
        self._header_name = b""
        self._header_value = b""
        self._name: str | None = None
        self._start = -1
        self._end = -1
        self._base = 0
        self._parts = 0

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise _malformed(f"The form has more than {_MAX_PARTS} parts.")
        self._name, self._start, self._end = None, -1, -1

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        header = self._header_name.lower()
        if header == b"content-disposition":
            match = _DISPOSITION.fullmatch(self._header_value)
            if match is None or self._name is not None:
                raise _malformed('A part\'s Content-Disposition must be `form-data; name="…"`, once.')
            self._name = (match[1] or match[2]).decode("latin-1")
        elif header == b"content-transfer-encoding" and self._header_value.lower() not in _PLAIN_ENCODINGS:
            raise _malformed("A part must not be encoded.")
        self._header_name = self._header_value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:  # noqa: ARG002 - the parser's signature
        if self._start < 0:
            self._start = start
        self._end = end

    def on_part_end(self) -> None:
        if self._name is None:
            raise _malformed("A part has no name.")
        if self._name in self.spans:
            self.doubled.add(self._name)
        start = max(self._start, 0)
        self.spans[self._name] = (start, max(self._end, start))

    def on_end(self) -> None:
        self.whole = True


def read_fields(body: bytes, content_type: bytes, names: tuple[str, ...]) -> dict[str, str]:
    """Return the text of the fields in `names` that the form has.

    Raises:
        InvalidRequestError: not multipart/form-data, malformed, a field twice, or one of `names` too long.
    """
    fields = _parse(body, content_type)
    found: dict[str, str] = {}
    for name in names:
        if name in fields.doubled:
            raise InvalidRequestError(f"The form has the field {name!r} twice.", code="duplicate_member", param=name)
        if name in fields.spans:
            start, end = fields.spans[name]
            if end - start > _MAX_FIELD:
                raise InvalidRequestError(f"The field {name!r} is too long.", param=name)
            found[name] = body[start:end].decode("utf-8", "replace")
    return found


def replace_field(body: bytes, content_type: bytes, name: str, value: str) -> bytes:
    """Return `body` with the content of one field replaced; a form without it comes back unchanged."""
    span = _parse(body, content_type).spans.get(name)
    if span is None:
        return body
    return body[: span[0]] + value.encode() + body[span[1] :]


def _parse(body: bytes, content_type: bytes) -> _Fields:
    match = _CONTENT_TYPE.fullmatch(content_type)
    if match is None:
        raise _malformed("The body must be multipart/form-data with one boundary.")
    fields = _Fields()
    parser = MultipartParser(
        match[1] or match[2],
        {
            "on_part_begin": fields.on_part_begin,
            "on_part_data": fields.on_part_data,
            "on_part_end": fields.on_part_end,
            "on_header_field": fields.on_header_field,
            "on_header_value": fields.on_header_value,
            "on_header_end": fields.on_header_end,
            "on_end": fields.on_end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise _malformed("The form is malformed.") from error
    if not fields.whole:
        raise _malformed("The form ends before its last boundary.")
    return fields


def _malformed(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="malformed_form")
