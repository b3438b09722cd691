"""Multipart bodies (audio, image edits): read two small fields, replace one, find the texts, keep every other byte.

RFC 7578 forms as the OpenAI SDKs send them. A part is found by the offsets the parser reports; what nobody asks for is
neither decoded nor copied.

There is more than one way to spell a field's name (twice, escaped, `name*=`, in another encoding) and no agreement
between parsers about them. A form that uses one is refused: the provider's parser might find another model in it
than the one that was authorised. So is one with anything before its first boundary or after its last, which nobody reads.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec
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
_FILENAME: Final = re.compile(
    rb"filename(?:\*=(?P<percent>[^\s\";\\]*)|\*?=\"(?P<quoted>(?:[^\"\\\x00-\x1f]|\\.)*)\"|=(?P<token>[^\s\";\\]*))",
    re.IGNORECASE,
)
_PLAIN_ENCODINGS: Final = frozenset({b"7bit", b"8bit", b"binary"})

_ESCAPE: Final = re.compile(rb"\\(.)")
_TO_ESCAPE: Final = re.compile(rb"[\"\\]")


class Spelling(msgspec.Struct, frozen=True):
    """How a text is written in a form."""

    read: Callable[[bytes], bytes]
    """From the bytes to what they say."""
    write: Callable[[bytes], bytes]
    """And back."""


def _escaped(said: bytes) -> bytes:
    return _TO_ESCAPE.sub(rb"\\\g<0>", said)


_CONTENT: Final = Spelling(bytes, bytes)
_FILENAMES: Final = {
    "token": Spelling(bytes, lambda said: b'"' + _escaped(said) + b'"'),
    "quoted": Spelling(lambda raw: _ESCAPE.sub(rb"\1", raw), _escaped),
    "percent": Spelling(unquote_to_bytes, lambda said: quote(said, safe="'").encode()),  # RFC 8187: UTF-8''na%C3%AFve
}


class FormText(msgspec.Struct, frozen=True):
    """Where a text is in a form, and how it is written there."""

    start: int
    end: int
    spelling: Spelling


class _Fields:
    """Where each part's content lies in the body, by field name and in order."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        self.doubled: set[str] = set()
        self.contents: list[tuple[int, int, bool]] = []
        """From where to where, and whether it is a file."""
        self.filenames: list[FormText] = []
        self.files: list[str] = []
        """The names of the fields that are files."""
        self.whole = False
        self.base = 0
        """Where what is being parsed begins in the form."""
        self.piece: bytes | None = None
        """What is being parsed, of a form that comes in pieces."""
        self._header_name = b""
        self._header_value = b""
        self._value_start = 0
        self._name: str | None = None
        self._is_file = False
        self._start = -1
        self._end = -1
        self._parts = 0

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise _malformed(f"The form has more than {_MAX_PARTS} parts.")
        self._name, self._start, self._end, self._is_file = None, -1, -1, False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        if not self._header_value:
            self._value_start = self.base + start
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        header = self._header_name.lower()
        if header == b"content-disposition":
            match = _DISPOSITION.fullmatch(self._header_value)
            if match is None or self._name is not None:
                raise _malformed('A part\'s Content-Disposition must be `form-data; name="…"`, once.')
            self._name = (match[1] or match[2]).decode("latin-1")
            for named in _FILENAME.finditer(self._header_value):
                self._is_file = True
                kind = named.lastgroup or "token"
                start, end = (self._value_start + at for at in named.span(kind))
                self.filenames.append(FormText(start, end, _FILENAMES[kind]))
        elif header == b"content-transfer-encoding" and self._header_value.lower() not in _PLAIN_ENCODINGS:
            raise _malformed("A part must not be encoded.")
        self._header_name = self._header_value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.piece is not None and data is not self.piece:
            # What looked like the beginning of a boundary, in the piece before this one, and was none.
            start, end = -end, 0
        if self._start < 0:
            self._start = max(self.base + start, 0)
        self._end = max(self.base + end, self._end)

    def on_part_end(self) -> None:
        if self._name is None:
            raise _malformed("A part has no name.")
        if self._name in self.spans:
            self.doubled.add(self._name)
        start = max(self._start, 0)
        if self._is_file:
            self.files.append(self._name)
        self.spans[self._name] = (start, max(self._end, start))
        self.contents.append((*self.spans[self._name], self._is_file))

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
    """Return `body` with the content of one field replaced; a form with nothing there comes back unchanged."""
    start, end = _parse(body, content_type).spans.get(name, (0, 0))
    return body[:start] + value.encode() + body[end:] if start < end else body


def texts_of(body: bytes, content_type: bytes) -> list[FormText]:
    """Return where the texts of a form are, in order: its fields, the names of its files, and the files that are text.

    A file is text if it is UTF-8 without NUL, whatever it says that it is. What is none (audio, images, other
    encodings) is left out.

    Raises:
        InvalidRequestError: not multipart/form-data, or malformed.
    """
    fields = _parse(body, content_type)
    contents = (
        FormText(start, end, _CONTENT)
        for start, end, is_file in fields.contents
        if start < end and (not is_file or _is_text(body[start:end]))
    )
    return sorted((*fields.filenames, *contents), key=lambda text: text.start)


def _is_text(content: bytes) -> bool:
    if b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


class FormReader:
    """Finds the parts of a form that comes piece by piece and is kept elsewhere.

    The form must have one file, and fields of text beside it.
    """

    def __init__(self, content_type: bytes) -> None:
        """Begin.

        Raises:
            InvalidRequestError: it is not the content type of a form.
        """
        self._boundary = _boundary_of(content_type)
        self._fields = _Fields()
        self._parser = _parser(self._boundary, self._fields)

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            InvalidRequestError: the form is malformed.
        """
        self._fields.piece = piece
        try:
            self._parser.write(piece)
        except MultipartParseError as error:
            raise _malformed("The form is malformed.") from error
        self._fields.base += len(piece)

    def finish(self, read: Callable[[int, int], bytes]) -> tuple[dict[str, str], tuple[int, int]]:
        """Return the texts of the fields, and where the file is; `read` returns what is kept from here to there.

        Raises:
            InvalidRequestError: the form is not whole, has not one file, or has a field twice or a long one.
        """
        fields = self._fields
        if not fields.whole:
            raise _malformed("The form ends before its last boundary.")
        if len(fields.files) != 1 or fields.doubled:
            raise _malformed("The form must have one file, and each field once.")
        if any(end == 0 for _, end in fields.spans.values()):
            raise _malformed("A part of the form is empty.")
        first, last = b"--" + self._boundary, b"\r\n--" + self._boundary + b"--"
        end = max(end for _, end in fields.spans.values())
        if read(0, len(first)) != first or fields.base - end > len(last) + _MAX_FIELD:
            raise _malformed("The form has something before its first boundary or after its last.")
        tail = read(end, fields.base)
        if not tail.startswith(last) or tail[len(last) :].strip(b"\r\n"):
            raise _malformed("The form has something before its first boundary or after its last.")
        file = fields.spans.pop(fields.files[0])
        if any(end - start > _MAX_FIELD for start, end in fields.spans.values()):
            raise _malformed("A field of the form is too long.")
        return {name: read(*span).decode("utf-8", "replace") for name, span in fields.spans.items()}, file


def _boundary_of(content_type: bytes) -> bytes:
    match = _CONTENT_TYPE.fullmatch(content_type)
    if match is None:
        raise _malformed("The body must be multipart/form-data with one boundary.")
    return match[1] or match[2]


def _parser(boundary: bytes, fields: _Fields) -> MultipartParser:
    return MultipartParser(
        boundary,
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


def _parse(body: bytes, content_type: bytes) -> _Fields:
    boundary = _boundary_of(content_type)
    fields = _Fields()
    parser = _parser(boundary, fields)
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise _malformed("The form is malformed.") from error
    if not fields.whole:
        raise _malformed("The form ends before its last boundary.")
    last = b"\r\n--" + boundary + b"--"
    if not body.startswith(last[2:-2]) or body[body.find(last) + len(last) :].strip(b"\r\n"):
        raise _malformed("The form has something before its first boundary or after its last.")
    return fields


def _malformed(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="malformed_form")
