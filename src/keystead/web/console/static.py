"""The files of the console: styles, scripts, the icon. Each is known by its content, so that browsers keep it for good."""

import gzip
import hashlib
import re
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


_IMPORT: Final = re.compile(rb'from "\./([a-z_]+\.js)"')


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
    names = [entry.name for entry in files("keystead.web.console").joinpath("static").iterdir()]
    return {name: _read(name) for name in names if name.rpartition(".")[2] in _TYPES}


@cache
def _read(name: str) -> File:
    content = files("keystead.web.console").joinpath("static", name).read_bytes()
    if name.endswith(".js"):
        content = _IMPORT.sub(_linked, content)
    return File(
        content=content,
        packed=gzip.compress(content, 9, mtime=0),
        media_type=_TYPES[name.rpartition(".")[2]],
        version=hashlib.sha256(content).hexdigest()[:12],
    )


def _linked(found: re.Match[bytes]) -> bytes:
    """Return an import with the address of what it imports: it changes with it, and so does who imports it."""
    name = found[1].decode("ascii")
    return b'from "%s%s/%s"' % (PREFIX.encode(), _read(name).version.encode(), found[1])


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
