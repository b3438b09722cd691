"""Multipart bodies (audio, image edits): read two small fields, replace one, keep every other byte.

RFC 7578 forms as the OpenAI SDKs send them. Files are never decoded or copied apart: a field is found by the
offsets the parser reports.
"""

from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from keystead.domain.errors import InvalidRequestError

_MAX_PARTS: Final = 64
"""An image edit takes up to 16 images and a dozen options."""

_MAX_FIELD: Final = 1024
"""Bytes of a field we read (`model`, `stream`)."""


class _Fields:
    """Where each part's content lies in the body, by field name."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        self.doubled: set[str] = set()
        self._header_name = b""
        self._header_value = b""
        self._name = ""
        self._start = -1
        self._end = -1
        self._base = 0
        self._parts = 0

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise InvalidRequestError(f"The form has more than {_MAX_PARTS} parts.", code="malformed_form")
        self._name, self._start, self._end = "", -1, -1

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._name = options.get(b"name", b"").decode("latin-1")
        self._header_name = self._header_value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:  # noqa: ARG002 - the parser's signature
        if self._start < 0:
            self._start = start
        self._end = end

    def on_part_end(self) -> None:
        if self._name in self.spans:
            self.doubled.add(self._name)
        start = max(self._start, 0)
        self.spans[self._name] = (start, max(self._end, start))


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
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 70:  # RFC 2046 §5.1.1: 70 at most
        raise InvalidRequestError("The body must be multipart/form-data with a boundary.", code="malformed_form")
    fields = _Fields()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": fields.on_part_begin,
            "on_part_data": fields.on_part_data,
            "on_part_end": fields.on_part_end,
            "on_header_field": fields.on_header_field,
            "on_header_value": fields.on_header_value,
            "on_header_end": fields.on_header_end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise InvalidRequestError("The form is malformed.", code="malformed_form") from error
    return fields
