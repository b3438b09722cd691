"""Files that callers upload: forms (OpenAI, Anthropic), and Google's, which come in pieces or at once with a word about them."""

from typing import Final
from urllib.parse import parse_qs

import msgspec

from keystead.dialects.gemini_files import GOES_ON, WHOLE, offset_of
from keystead.domain.errors import InvalidRequestError
from keystead.domain.stored import ObjectKind
from keystead.gateway.ask import Ask
from keystead.gateway.upload_address import digest, key_in
from keystead.web.receive import Receive, too_large
from keystead.web.spool import FormSpool, RelatedSpool, Spool, receive_into

_UPLOAD: Final = b"x-goog-upload-"
_COMMAND: Final = b"x-goog-upload-command"
_PROTOCOL: Final = b"x-goog-upload-protocol"
_LENGTH: Final = b"x-goog-upload-header-content-length"
_OFFSET: Final = b"x-goog-upload-offset"
_MOST_FIELDS: Final = 16
"""Of the query of a piece; the SDKs send two."""
_SETTING: Final = "KEYSTEAD_MAX_FILE_BYTES"


def address_in(query: bytes) -> str | None:
    """Return the address of an upload that has begun; None if the query holds none."""
    if b"upload_id=" not in query or query.count(b"&") >= _MOST_FIELDS:
        return None
    ids = parse_qs(query.decode("latin-1")).get("upload_id", [])
    return ids[0] if len(ids) == 1 and key_in(ids[0]) is not None else None


def comes_at_once(headers: dict[bytes, bytes], query: bytes) -> bool:
    """Say whether a file of Google's comes with this very call, and what is said about it with it."""
    return headers.get(_PROTOCOL, b"").lower() == b"multipart" or b"uploadType=multipart" in query.split(b"&")


def own_url(headers: dict[bytes, bytes], address: bytes) -> bytes:
    """Return the URL of ours that takes the pieces of an upload: where the caller came in.

    Its Host is one of those that the operator lists: the edge has seen to that.
    """
    scheme = b"https" if headers.get(b"x-forwarded-proto", b"").strip().lower() == b"https" else b"http"
    host = headers[b"host"]
    return b"%s://%s/upload/v1beta/files?upload_id=%s&upload_protocol=resumable" % (scheme, host, address)


def check_begun(ask: Ask, *, limit: int) -> None:
    """See that a call begins an upload that can be taken.

    Raises:
        InvalidRequestError: it speaks another protocol, or no command that begins.
        BodyTooLargeError: the file will be larger than `limit` bytes.
    """
    if ask.headers.get(_PROTOCOL, b"").lower() != b"resumable" or ask.headers.get(_COMMAND, b"").lower() != b"start":
        raise InvalidRequestError(
            "An upload begins with `X-Goog-Upload-Protocol: resumable` and `X-Goog-Upload-Command: start`, "
            "or comes at once with `X-Goog-Upload-Protocol: multipart`.",
            code="invalid_upload",
            next_step="Google's SDKs do so: `client.files.upload(…)`.",
        )
    if offset_of(ask.headers.get(_LENGTH, b"0").decode("latin-1")) > limit:
        raise too_large(limit, _SETTING)


async def receive_file(ask: Ask, query: bytes, receive: Receive, *, limit: int, timeout_s: float) -> Ask:
    """Return the request with the file, or the piece of one, that comes with it; the caller closes it.

    Raises:
        KeysteadError, ClientLeftError: it cannot be taken; see `spool`.
    """
    content_type = ask.headers.get(b"content-type", b"")
    if ask.object_kind is not ObjectKind.GEMINI_UPLOAD:
        form = FormSpool(content_type)
        await receive_into(form, receive, ask.headers, limit=limit, timeout_s=timeout_s)
        return msgspec.structs.replace(ask, upload=form)
    address = address_in(query)
    if address is None:
        whole = RelatedSpool(content_type)
        await receive_into(whole, receive, ask.headers, limit=limit, timeout_s=timeout_s)
        headers = {name: value for name, value in ask.headers.items() if not name.startswith(_UPLOAD)}
        headers[_PROTOCOL] = b"multipart"
        kind = ObjectKind.GEMINI_FILE
        return msgspec.structs.replace(ask, upload=whole, action="create", object_kind=kind, headers=headers, query=b"")
    command = ", ".join(part.strip() for part in ask.headers.get(_COMMAND, b"").decode("latin-1").lower().split(","))
    if command not in GOES_ON:
        raise InvalidRequestError(
            f"X-Goog-Upload-Command must be one of: {'; '.join(sorted(GOES_ON))}.", code="invalid_upload"
        )
    offset = offset_of(ask.headers.get(_OFFSET, b"0").decode("latin-1"))
    if offset > limit:
        raise too_large(limit, _SETTING)
    piece = Spool(is_part=offset > 0 or command != WHOLE)
    await receive_into(piece, receive, ask.headers, limit=limit - offset, timeout_s=timeout_s)
    # What the SDK calls it: of a piece, the type says nothing.
    headers = {**ask.headers, b"content-type": b"application/octet-stream", _COMMAND: command.encode()}
    return msgspec.structs.replace(
        ask, upload=piece, action="upload", object_id=digest(address), headers=headers, query=b""
    )
