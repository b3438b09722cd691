"""The files of the console: styles, scripts, the icon. Each is known by its content, so that browsers keep it for good."""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

PREFIX: Final = "/console/static/"
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is sent."""

    content: bytes
    packed: bytes
    """The same, gzip."""
    media_type: str
    version: str
    """Of its content."""


@cache
def all_files() -> dict[str, File]:
    """Return every file by its name, read when first asked for."""
    found = {}
    for entry in files("keystead.web.console").joinpath("static").iterdir():
        media_type = _TYPES.get(entry.name.rpartition(".")[2])
        if media_type is not None:
            content = entry.read_bytes()
            found[entry.name] = File(
                content=content,
                packed=gzip.compress(content, 9, mtime=0),
                media_type=media_type,
                version=hashlib.sha256(content).hexdigest()[:12],
            )
    return found


def address(name: str) -> str:
    """Return where a browser finds the file.

    Raises:
        KeyError: there is none of that name.
    """
    return f"{PREFIX}{all_files()[name].version}/{name}"


def at(path: str) -> File | None:
    """Return the file at an address; an old version's address has nothing any more."""
    version, _, name = path.removeprefix(PREFIX).partition("/")
    file = all_files().get(name)
    return file if file is not None and file.version == version else None
