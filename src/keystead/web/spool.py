"""Receive a file that may be too large for memory: to a nameless file, a form's parts found in pieces while they come."""

import asyncio
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Final

from keystead.dialects.body import read_json
from keystead.dialects.gemini_files import check_start
from keystead.dialects.multipart import FormReader
from keystead.dialects.related import RelatedReader
from keystead.gateway.departure import ClientLeftError
from keystead.web.receive import BodyRefusedError, Receive, refuse_encoded, too_large

_IN_MEMORY: Final = 1024 * 1024
"""Bytes that never touch the disk."""
_PIECE: Final = 64 * 1024
_TIMES_LONGER: Final = 10
"""How much longer a file may take in all than silence, or any other body."""


class Spool:
    """What comes, kept in memory while it is small and in a file without a name from then on (see `Upload`).

    The file is gone when it is closed, or when the process is, whatever ends it.
    """

    def __init__(self, *, is_part: bool = False) -> None:
        """Begin to receive bytes that are the file itself; with `is_part`, not all of it."""
        self.size = 0
        self.is_part = is_part
        self.fields: Mapping[str, str] = {}
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - until `close`

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._file.write(piece)
        self.size += len(piece)

    def finish(self) -> None:
        """Everything has come."""

    def close(self) -> None:
        """Let it go."""
        self._file.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they came."""
        for start in range(0, self.size, _PIECE):
            yield self._read(start, min(start + _PIECE, self.size))

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the lines of the file (see `Upload`)."""
        at, end = self._place()
        while at < end:
            self._file.seek(at)
            line = self._file.readline(min(longest + 2, end - at))
            at += len(line)
            yield line.rstrip(b"\r\n")

    def form(self, content_type: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002 - a form's own matters
        """Return a form with the file in it, and its content type."""
        return form_of(file=self._read(0, self.size))

    def _place(self) -> tuple[int, int]:
        return 0, self.size

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)


def form_of(**files: bytes) -> tuple[bytes, bytes]:
    """Return a form with these files in it, and its content type."""
    boundary = secrets.token_hex(24).encode()
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="file"\r\n\r\n%s\r\n'
    parts = (head % (boundary, name.encode(), content) for name, content in files.items())
    return b"%s--%s--\r\n" % (b"".join(parts), boundary), b"multipart/form-data; boundary=" + boundary


class FormSpool(Spool):
    """A form, its parts found while it comes."""

    def __init__(self, content_type: bytes) -> None:
        """Begin to receive a form.

        Raises:
            InvalidRequestError: it is not the content type of one.
        """
        self._reader = FormReader(content_type)
        super().__init__()
        self._span = (0, 0)

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._reader.feed(piece)
        super().add(piece)

    def finish(self) -> None:
        """See that the form is whole.

        Raises:
            InvalidRequestError: it is not, or not one with a file.
        """
        self.fields, self._span = self._reader.finish(self._read)

    def form(self, content_type: bytes) -> tuple[bytes, bytes]:
        """Return the form as it came."""
        return self._read(0, self.size), content_type

    def _place(self) -> tuple[int, int]:
        return self._span


class RelatedSpool(Spool):
    """A file of Google's with what is said about it before it, found while it comes."""

    def __init__(self, content_type: bytes) -> None:
        """Begin to receive it.

        Raises:
            InvalidRequestError: it is not the content type of such a body.
        """
        self._reader = RelatedReader(content_type)
        super().__init__()
        self._said = b""
        self._span = (0, 0)

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._reader.feed(piece)
        super().add(piece)

    def finish(self) -> None:
        """See that it is whole, and that the provider chooses the file's name.

        Raises:
            InvalidRequestError: it is not.
        """
        self._said, self._span = self._reader.finish(self._read)
        check_start(read_json(self._said))

    def form(self, content_type: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002 - a form's own matters
        """Return a form with what is said and the file in it, and its content type."""
        return form_of(about=self._said, file=self._read(*self._span))

    def _place(self) -> tuple[int, int]:
        return self._span


async def receive_into(
    spool: Spool, receive: Receive, headers: dict[bytes, bytes], *, limit: int, timeout_s: float
) -> None:
    """Receive a body; it is closed if that fails, and by the caller if not.

    Raises:
        BodyTooLargeError: more than `limit` bytes.
        BodyRefusedError: an encoding other than identity, or nothing came for `timeout_s`, or
            not all of it in ten times that.
        InvalidRequestError: it is not what it should be.
        ClientLeftError: the connection closed.
    """
    try:
        _check_length(headers, limit)
        async with asyncio.timeout(timeout_s * _TIMES_LONGER):
            await _fill(spool, receive, limit=limit, timeout_s=timeout_s)
        spool.finish()
    except TimeoutError as error:
        spool.close()
        raise BodyRefusedError("The file comes too slowly.", code="slow_body", status=408) from error
    except BaseException:
        spool.close()
        raise


def _check_length(headers: dict[bytes, bytes], limit: int) -> None:
    refuse_encoded(headers)
    if int(headers.get(b"content-length", b"0")) > limit:
        raise too_large(limit, "KEYSTEAD_MAX_FILE_BYTES")


async def _fill(spool: Spool, receive: Receive, *, limit: int, timeout_s: float) -> None:
    more = True
    while more:
        async with asyncio.timeout(timeout_s):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        piece: bytes = message.get("body", b"")
        if spool.size + len(piece) > limit:
            raise too_large(limit, "KEYSTEAD_MAX_FILE_BYTES")
        spool.add(piece)
        more = message.get("more_body", False)
