"""Receive a form that may be too large for memory: to a nameless file, found in pieces while they come."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Final

from keystead.dialects.multipart import FormReader
from keystead.gateway.departure import ClientLeftError
from keystead.web.receive import BodyRefusedError, Receive, refuse_encoded, too_large

_IN_MEMORY: Final = 1024 * 1024
"""Bytes that never touch the disk."""
_PIECE: Final = 64 * 1024
_TIMES_LONGER: Final = 10
"""How much longer a file may take in all than silence, or any other body."""


class Spool:
    """A form, kept in memory while it is small and in a file without a name from then on (see `Upload`).

    The file is gone when it is closed, or when the process is, whatever ends it.
    """

    def __init__(self, content_type: bytes) -> None:
        """Begin to receive a form.

        Raises:
            InvalidRequestError: it is not the content type of one.
        """
        self.size = 0
        self.fields: Mapping[str, str] = {}
        self._reader = FormReader(content_type)
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - until `close`
        self._span = (0, 0)

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._reader.feed(piece)
        self._file.write(piece)
        self.size += len(piece)

    def finish(self) -> None:
        """See that the form is whole.

        Raises:
            InvalidRequestError: it is not, or not one with a file.
        """
        self.fields, self._span = self._reader.finish(self._read)

    def close(self) -> None:
        """Let it go."""
        self._file.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the form's bytes as they came."""
        for start in range(0, self.size, _PIECE):
            yield self._read(start, min(start + _PIECE, self.size))

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the lines of the file in the form (see `Upload`)."""
        at, end = self._span
        while at < end:
            self._file.seek(at)
            line = self._file.readline(min(longest + 2, end - at))
            at += len(line)
            yield line.rstrip(b"\r\n")

    def whole(self) -> bytes:
        """Return all of it."""
        return self._read(0, self.size)

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)


async def receive_form(receive: Receive, headers: dict[bytes, bytes], *, limit: int, timeout_s: float) -> Spool:
    """Receive a form; the caller closes it.

    Raises:
        BodyTooLargeError: more than `limit` bytes.
        BodyRefusedError: an encoding other than identity, or nothing came for `timeout_s`, or
            not all of it in ten times that.
        InvalidRequestError: it is not a form with one file.
        ClientLeftError: the connection closed.
    """
    refuse_encoded(headers)
    if int(headers.get(b"content-length", b"0")) > limit:
        raise too_large(limit, "KEYSTEAD_MAX_FILE_BYTES")
    spool = Spool(headers.get(b"content-type", b""))
    try:
        async with asyncio.timeout(timeout_s * _TIMES_LONGER):
            await _fill(spool, receive, limit=limit, timeout_s=timeout_s)
        spool.finish()
    except TimeoutError as error:
        spool.close()
        raise BodyRefusedError("The file comes too slowly.", code="slow_body", status=408) from error
    except BaseException:
        spool.close()
        raise
    return spool


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
