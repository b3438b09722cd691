"""How Gemini's files are named, and how they come there in pieces. Pure.

The protocol: https://ai.google.dev/api/files and Google's resumable uploads. `start` is answered with a URL, which takes
the pieces and needs no key. It is Google's, so no caller sees it: the gateway keeps the id in it, and gives an address of
its own. A small file may come at once with what is said about it, too (see `related`).
"""

import re
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from keystead.dialects.body import JsonBody, read_json
from keystead.domain.errors import InvalidRequestError

_HOST: Final = "generativelanguage.googleapis.com"
_FILE: Final = re.compile(r"(?:.*/)?files/+([A-Za-z0-9_-]{1,255})(?::[A-Za-z]+)?/*", re.IGNORECASE | re.DOTALL)
_UPLOAD_PATH: Final = re.compile(r"/upload/v1[a-z0-9]*/files")
_UPLOAD_ID: Final = re.compile(r"[A-Za-z0-9_.~-]{8,500}")
_OFFSET: Final = re.compile(r"[0-9]{1,15}")

GOES_ON: Final = frozenset({"upload", "upload, finalize", "finalize", "query", "cancel"})
"""What `X-Goog-Upload-Command` says once an upload has begun."""
WHOLE: Final = "upload, finalize"


class _Uploaded(msgspec.Struct):
    file: msgspec.Raw = msgspec.Raw(b"")


def file_named(uri: str, *, google_alone: bool = False) -> str | None:
    """Return the id of the file that a `fileUri` names; None if it names what lies elsewhere, such as a video's page.

    Whatever Google might take for one of its files is taken for one, so an id can come back that is none.

    Args:
        uri: as the caller wrote it.
        google_alone: only if it says that the host is Google's: for members that mostly hold the URLs of others.
    """
    try:
        split = urlsplit(uri)
        host = (split.hostname or "").rstrip(".").lower()
    except ValueError:
        return None if google_alone else uri[:255]
    is_google = host == _HOST or host.endswith(f".{_HOST}")
    if google_alone and not is_google:
        return None
    if split.scheme not in {"", "http", "https"}:
        return None  # gs://, an object of Google's storage, which Vertex AI reads with rights of its own
    found = _FILE.fullmatch(unquote(unquote(split.path)))
    if found is not None:
        return found[1]
    return uri[:255] if is_google or not host else None


def check_start(body: JsonBody) -> None:
    """Refuse a name that the caller chooses: the provider's answer would tell which names others use in the account.

    Raises:
        InvalidRequestError: the body names the file, or is none for an upload.
    """
    file = read_json(bytes(body.members.get("file", b"{}"))).members
    if file.keys() - {"name"} != file.keys() and bytes(file["name"]) not in {b"null", b'""'}:
        raise InvalidRequestError(
            "A file's name is chosen by the provider here.",
            code="name_not_chosen",
            param="file.name",
            next_step="Leave it out; `displayName` can be anything.",
        )


def upload_id_in(url: str) -> str | None:
    """Return the id of an upload from the URL that Google gives for its pieces; None if it is no such URL."""
    try:
        split = urlsplit(url)
        ids = parse_qs(split.query, max_num_fields=8).get("upload_id", [])
    except ValueError:
        return None
    if _UPLOAD_PATH.fullmatch(split.path) is None or len(ids) != 1 or _UPLOAD_ID.fullmatch(ids[0]) is None:
        return None
    return ids[0]


def pieces_query(upload_id: str) -> bytes:
    """Return the query under which Google takes the pieces."""
    return f"upload_id={upload_id}&upload_protocol=resumable".encode()


def offset_of(text: str) -> int:
    """Return where in its file a piece begins.

    Raises:
        InvalidRequestError: it is no number.
    """
    if _OFFSET.fullmatch(text) is None:
        raise InvalidRequestError("X-Goog-Upload-Offset must be a number of bytes.", code="invalid_upload")
    return int(text)


def uploaded(body: bytes) -> bytes | None:
    """Return the file in the answer that ends an upload; None if it holds none."""
    try:
        return bytes(msgspec.json.decode(body, type=_Uploaded).file) or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
