"""A file that Google takes in one call: `multipart/related`, of JSON about the file and the file. Pure.

https://cloud.google.com/storage/docs/uploading-objects-from-memory and RFC 2387. Google's SDKs send their files in pieces; its
older Python client and its examples for curl send them so.

The provider must not find another name of the file than the one that was looked for. So the boundary stands at the two
beginnings and at the end, and nowhere else: whoever cuts at boundaries, however leniently, finds the same two parts.
"""

import re
from collections.abc import Callable
from typing import Final

from keystead.domain.errors import InvalidRequestError

_CONTENT_TYPE: Final = re.compile(
    rb"multipart/related(?:; ?(?:type|start)=[\w\"<>@./+-]{1,128})*"
    rb"; ?boundary=(?:([\w'()+,./:=?-]{1,70})|\"([\w'()+,./:=? -]{1,70})\")"
    rb"(?:; ?(?:type|start)=[\w\"<>@./+-]{1,128})*",
    re.IGNORECASE | re.ASCII,
)
_HEAD: Final = re.compile(rb"\r?\n((?:[!-9;-~]{1,64}:[^\r\n]{0,512}\r?\n){0,8})\r?\n")
"""Of a part, behind its boundary. Python's own writer of such messages ends its lines with a line feed alone."""
_LINES: Final = re.IGNORECASE | re.MULTILINE
_ENCODED: Final = re.compile(rb"^content-transfer-encoding:(?![ \t]*(?:7bit|8bit|binary)[ \t]*\r?$)", _LINES)
_TYPE: Final = re.compile(rb"^content-type:", _LINES)
_JSON: Final = re.compile(rb"^content-type: ?application/json(?:; ?charset=\"?utf-8\"?)?[ \t]*\r?$", _LINES)
"""In another encoding the same bytes could say something else."""
_END: Final = re.compile(rb"--[\r\n]{0,4}")
_MARKS: Final = 3
_LONGEST_END: Final = 8
LONGEST_HEAD: Final = 64 * 1024
"""Bytes of what is said about the file, and of a part's head."""


class RelatedReader:
    """Finds the two parts of a body that comes piece by piece and is kept elsewhere. It holds the first part alone."""

    def __init__(self, content_type: bytes) -> None:
        """Begin.

        Raises:
            InvalidRequestError: it is not the content type of such a body.
        """
        match = _CONTENT_TYPE.fullmatch(content_type)
        if match is None:
            raise _malformed("The body must be multipart/related with one boundary.")
        self._mark = b"--" + (match[1] or match[2])
        self._marks: list[int] = []
        """Where the boundary stands."""
        self._seen = 0
        self._tail = b""
        """The last bytes seen, in which a boundary may have begun."""
        self._head = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            InvalidRequestError: the boundary stands where it must not.
        """
        if len(self._head) < LONGEST_HEAD:
            self._head += piece[: LONGEST_HEAD - len(self._head)]
        data, base = self._tail + piece, self._seen - len(self._tail)
        at = data.find(self._mark)
        while at >= 0:
            self._marks.append(base + at)
            if len(self._marks) > _MARKS or self._marks[0] != 0:
                raise _malformed("The body must be two parts, and its boundary in neither of them.")
            at = data.find(self._mark, at + len(self._mark))
        self._seen += len(piece)
        kept = max(self._seen - len(self._mark) + 1, self._marks[-1] + len(self._mark) if self._marks else 0)
        self._tail = data[max(0, kept - base) :]

    def finish(self, read: Callable[[int, int], bytes]) -> tuple[bytes, tuple[int, int]]:
        """Return the JSON about the file, and where the file is; `read` returns what is kept from here to there.

        Raises:
            InvalidRequestError: it is not whole, or not of two such parts.
        """
        if len(self._marks) != _MARKS:
            raise _malformed("The body must be two parts, and its boundary in neither of them.")
        _, second, last = self._marks
        size = len(self._mark)
        if _END.fullmatch(read(last + size, min(last + size + _LONGEST_END, self._seen))) is None:
            raise _malformed("The body does not end with its last boundary.")
        said = bytes(self._head[:second]) if second <= LONGEST_HEAD else b""
        begun = _HEAD.match(read(second + size, min(second + size + LONGEST_HEAD, last)))
        first = _HEAD.match(said, size)
        if first is None or begun is None or _ENCODED.search(first[1]) or _ENCODED.search(begun[1]):
            raise _malformed("A part has no head that can be read, a long one, or an encoding.")
        if len(_TYPE.findall(first[1])) != 1 or _JSON.search(first[1]) is None:
            raise _malformed("The first part must be application/json in UTF-8.")
        json, start = said[first.end() :], second + size + begun.end()
        _line_end(json)
        end = last - _line_end(read(max(start, last - 2), last))
        return json.strip(), (start, end)


def _line_end(before: bytes) -> int:
    """Return the length of the line end before a boundary, to which it belongs."""
    if not before.endswith(b"\n"):
        raise _malformed("A boundary must begin its line.")
    return 2 if before.endswith(b"\r\n") else 1


def _malformed(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="malformed_form")
