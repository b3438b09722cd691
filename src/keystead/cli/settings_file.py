"""Put what a client needs into its own settings file: merged, atomically, with what was there kept beside it."""

import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from keystead.cli.problem import CommandError
from keystead.connect.render import RenderedFile

_BEGIN: Final = "# keystead connect: from here"
_END: Final = "# keystead connect: to here"
_BLOCK: Final = re.compile(rf"(?ms)^{_BEGIN}\n.*?^{_END}\n\n?")
_ASSIGNED: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_PRIVATE: Final = 0o600


class ApartError(Exception):
    """The two cannot be put together by a program."""


def merged(before: str, wanted: RenderedFile) -> str:
    """Return the text of a settings file with what is wanted in it, and everything else as it was. Pure.

    Raises:
        ApartError: the file is not one that a program can safely add to.
    """
    if not before.strip():
        return wanted.text
    if wanted.format == "json":
        return _merged_json(before, wanted.text)
    if wanted.format == "toml":
        return _merged_toml(before, wanted.text)
    if before == wanted.text:
        return before
    raise ApartError("it is there already")


def is_in(path: Path, wanted: RenderedFile) -> bool:
    """Say whether the file at `path` has all that is wanted."""
    try:
        before = path.read_text(encoding="utf-8")
        return merged(before, wanted) == before
    except (OSError, UnicodeDecodeError, ApartError):
        return False


def put(path: Path, wanted: RenderedFile) -> Path | None:
    """Write `wanted` into the file at `path`; return where the text from before is kept, if there was another.

    Raises:
        CommandError: the file cannot be merged, read or written; it is as it was.
    """
    path = path.resolve()  # a link, as keepers of dotfiles make them, stays one
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        text = merged(before, wanted)
        if text == before:
            return None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else _PRIVATE
        kept = _keep(path, before, mode) if before else None
        _replace(path, text, mode)
    except ApartError as error:
        raise CommandError(
            f"{path} cannot be added to: {error}.",
            fault="caller",
            next_step="Add by hand what the command prints without --write.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}.", fault="caller", next_step="Check the file and its folder.") from error
    return kept


def _keep(path: Path, text: str, mode: int) -> Path:
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.before-keystead-{number}")
        try:
            handle = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return kept


def _replace(path: Path, text: str, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # for its owner alone
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:  # whatever it was, Ctrl-C too: no half-written file stays beside the real one
        Path(name).unlink(missing_ok=True)
        raise


def _merged_json(before: str, wanted: str) -> str:
    try:
        there = msgspec.json.decode(before)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApartError("it is not plain JSON (comments are lost when a program writes it)") from error
    both = _deep(there, msgspec.json.decode(wanted))
    return before if both == there else msgspec.json.format(msgspec.json.encode(both), indent=2).decode() + "\n"


def _merged_toml(before: str, wanted: str) -> str:
    """Write ours above and below what is there, and see that it means both together."""
    rest = _BLOCK.sub("", before)
    try:
        expected = _deep(tomllib.loads(rest), tomllib.loads(wanted))
        top, table, tables = wanted.partition("\n[")
        ours = tomllib.loads(top)
        lines = rest.splitlines(keepends=True)
        first = next((number for number, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
        own = [line for line in lines[:first] if (found := _ASSIGNED.match(line)) is None or found[1] not in ours]
        kept = "".join([*own, *lines[first:]]).strip("\n")
        text = f"{_block(top)}\n{kept}\n\n{_block(table.strip() + tables)}"
        if tomllib.loads(text) == expected:
            return text
    except tomllib.TOMLDecodeError as error:
        raise ApartError(f"as TOML it is not what was expected ({error})") from error
    raise ApartError("its own settings would change")


def _block(text: str) -> str:
    return f"{_BEGIN}\n{text.strip()}\n{_END}\n"


def _deep(there: Any, wanted: Any) -> Any:
    if not isinstance(there, dict) or not isinstance(wanted, dict):
        return wanted
    return there | {name: _deep(there.get(name), value) for name, value in wanted.items()}
