"""Read a request body, bounded in bytes and time."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from keystead.domain.errors import CallerError
from keystead.gateway.departure import ClientLeftError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class BodyTooLargeError(CallerError):
    """The request body is larger than this gateway takes."""

    code = "body_too_large"
    status = 413


class BodyRefusedError(CallerError):
    """The request body cannot be read."""

    code = "bad_body"


async def read_body(receive: Receive, headers: dict[bytes, bytes], *, limit: int, timeout_s: float) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: more than `limit` bytes; known from Content-Length before a byte is kept, where it is given.
        BodyRefusedError: an encoding other than identity (a decompression bomb is then impossible), or too slow.
        ClientLeftError: the connection closed.
    """
    refuse_encoded(headers)
    length = headers.get(b"content-length")
    if length is not None and int(length) > limit:
        raise too_large(limit, "KEYSTEAD_MAX_BODY_BYTES")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeftError
                body: bytes = message.get("body", b"")
                size += len(body)
                if size > limit:
                    raise too_large(limit, "KEYSTEAD_MAX_BODY_BYTES")
                if not message.get("more_body", False):
                    return body if not parts else b"".join([*parts, body])
                parts.append(body)
    except TimeoutError as error:
        raise BodyRefusedError(f"The body took longer than {timeout_s:g} s.", code="slow_body", status=408) from error


def refuse_encoded(headers: dict[bytes, bytes]) -> None:
    """Refuse a compressed body.

    Raises:
        BodyRefusedError: it is one.
    """
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise BodyRefusedError("Send the body without Content-Encoding.", code="encoded_body", status=415)


def too_large(limit: int, setting: str) -> BodyTooLargeError:
    """Return the error for a body beyond `limit`, which the operator sets with `setting`."""
    return BodyTooLargeError(
        f"The body is larger than {limit} bytes.",
        next_step=f"Send less, or ask the operator to raise {setting}.",
    )
