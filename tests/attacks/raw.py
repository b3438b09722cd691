"""HTTP as bytes: what no client library would send, and what came back for it."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Sequence

import msgspec

SENTINEL = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PATIENCE_S = 5.0
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [^\r\n]*\r\n")


class Answer(msgspec.Struct, frozen=True):
    """One response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Talk(msgspec.Struct, frozen=True):
    """Everything that came back on one connection."""

    answers: tuple[Answer, ...]
    """Final answers to the attack, in order."""
    closed: bool
    """The server closed the connection before it was asked once more."""

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


class UnclearError(Exception):
    """What came back is not a sequence of whole responses."""


@contextlib.asynccontextmanager
async def connection(
    url: str, *, narrow: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the gateway at `url`; a narrow one has room for hardly anything unread, at either end."""
    host, _, port = url.removeprefix("http://").partition(":")
    peer = socket.socket()
    if narrow:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # the other end sizes its buffer by this
    peer.setblocking(False)
    await asyncio.get_running_loop().sock_connect(peer, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=peer, limit=4096 if narrow else 65_536)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def talk(url: str, *pieces: bytes) -> Talk:
    """Send `pieces`, each after the answer to the one before, then ask once more on the same connection.

    The last question shows what the server takes for the beginning of the next request: if anything of the attack
    were left, its answer would not be the one expected.
    """
    received = b""
    closed = False
    async with connection(url) as (reader, writer):
        for piece in (*pieces, SENTINEL):
            closed = closed or await _send(writer, piece)
            wanted = len(_answers(received, partial=True)) + 1
            while not closed and len(_answers(received, partial=True)) < wanted:
                data = await _read(reader)
                closed = not data
                received += data
        asked_again = not closed
        while data := await _read(reader):
            received += data
    found = _answers(received, partial=False)
    if asked_again:
        last = found.pop()
        if last.body != b'{"alive":true}':
            raise UnclearError(f"asked once more, the answer was {last.status} {last.body!r}")
    return Talk(tuple(found), closed=not asked_again)


async def until_closed(url: str, first: bytes, *, drip: bytes = b"", every_s: float = 0.02) -> tuple[bytes, float]:
    """Send `first`, then `drip` again and again, until the server closes; return what it said and how long it took."""
    loop = asyncio.get_running_loop()
    received = bytearray()

    async with connection(url) as (reader, writer):

        async def read() -> None:
            while data := await _read(reader):
                received.extend(data)

        began = loop.time()
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            reading = group.create_task(read())
            await _send(writer, first)
            while not reading.done():
                await _send(writer, drip)
                await asyncio.wait({reading}, timeout=every_s)
        return bytes(received), loop.time() - began


def request(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes | None = None,
    *,
    host: str = "localhost",
) -> bytes:
    """Return a well-formed request, for an attack to begin with."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *[f"{name}: {value}" for name, value in headers]]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def keyed_request(
    method: str, target: str, key: str, body: bytes | None = None, headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """Return a well-formed request with a key."""
    return request(method, target, [("Authorization", f"Bearer {key}"), *headers], body)


async def read_rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection ends, in whichever way it ends."""
    received = bytearray()
    while data := await _read(reader):
        received += data
    return bytes(received)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> bool:
    """Send `data`; return whether the other side has closed."""
    try:
        writer.write(data)
        await writer.drain()
    except ConnectionError:
        return True
    return False


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Return the next bytes; none at the end of the connection, in whichever way it ends."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read(65_536)
    except ConnectionError:
        return b""


def _answers(data: bytes, *, partial: bool) -> list[Answer]:
    """Cut `data` into whole responses; interim ones are left out. `partial`: the last may be unfinished."""
    found: list[Answer] = []
    while data:
        match = _STATUS_LINE.match(data)
        head, end, rest = data.partition(b"\r\n\r\n")
        if match is None or not end:
            if partial:
                return found
            raise UnclearError(repr(data[:200]))
        pairs = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        headers = {name.decode().lower(): value.decode("latin-1") for name, _, value in pairs}
        status = int(match[1])
        if status == 100:
            data = rest
            continue
        body, rest, whole = _body(headers, rest)
        if not whole:
            if partial:
                return found
            raise UnclearError(f"an answer of {status} was cut: {body[-200:]!r}")
        found.append(Answer(status, headers, body))
        data = rest
    return found


def _body(headers: dict[str, str], data: bytes) -> tuple[bytes, bytes, bool]:
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers.get("content-length", "0"))
        return data[:length], data[length:], len(data) >= length
    body = b""
    while True:
        size_text, end, data = data.partition(b"\r\n")
        size = int(size_text or b"0", 16) if end else -1
        if size < 0 or len(data) < size + 2:
            return body, b"", False
        body += data[:size]
        data = data[size + 2 :]
        if size == 0:
            return body, data, True
