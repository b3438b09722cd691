"""A document of configuration in a YAML file: read with the line of every mistake, and its secrets fetched from here."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec
import yaml

from keystead.cli.problem import CommandError
from keystead.cli.yaml_tree import MAX_BYTES, Tree, YamlError, read_yaml
from keystead.cli.yaml_tree import Path as Place
from keystead.web.admin.config.document import Document

MAX_KEY_BYTES: Final = 8192

_TYPES: Final[Mapping[str, Any]] = get_type_hints(Document, include_extras=True)
_PART: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|(\[\.\.\.\])")
_FIELD: Final = re.compile(r"field `([^`]+)`")


class DocumentFile(msgspec.Struct, frozen=True, kw_only=True):
    """A document, and where each part of it is written."""

    name: str
    document: Document
    tree: Tree

    def as_json(self) -> dict[str, Any]:
        """Return the document as the admin API takes it."""
        found: dict[str, Any] = msgspec.to_builtins(self.document)
        return found

    def located(self, error: CommandError) -> CommandError:
        """Return the admin API's error with the line that it is about, if it is about one."""
        path = _path_of(self.tree.value, error.param)
        if not path:
            return error
        return CommandError(
            f"{self.name}:{self.tree.line(path)}: {error.message}",
            fault=error.fault,
            next_step=error.next_step,
            code=error.code,
            request_id=error.request_id,
        )

    def keys(self, credentials: Iterable[str]) -> dict[str, str]:
        """Fetch the keys of these credentials from where the document says.

        Raises:
            CommandError: one is not there.
        """
        return {name: self._key(name) for name in credentials}

    def _key(self, name: str) -> str:
        reference = (self.document.credentials or {})[name].key
        line = self.tree.line(("credentials", name, "key"))
        if reference is None:
            raise CommandError(
                f"{self.name}:{line}: the document does not say where the key of {name!r} is found.",
                fault="caller",
                next_step="Add `key: ${NAME}` or `key: file:/path` to it.",
            )
        try:
            return resolved(reference)
        except LookupError as error:
            raise CommandError(
                f"{self.name}:{line}: the key of {name!r} is not there: {error.args[0]}",
                fault="caller",
                next_step="Put it there, or change where the document says it is.",
            ) from None


def read_document(file: str) -> DocumentFile:
    """Read a document from a file, or from standard input (`-`).

    Raises:
        CommandError: it cannot be read, or is not a document; the message says where.
    """
    name = "standard input" if file == "-" else file
    try:
        tree = read_yaml(read_text(file))
    except YamlError as error:
        raise _wrong(name, error.line, error.message) from error
    value = {} if tree.value is None else tree.value
    if not isinstance(value, dict):
        raise _wrong(name, 1, "A document is fields: `grants:`, `routes:` and so on.")
    fields = {field: _converted(name, tree, field, text) for field, text in value.items()}
    return DocumentFile(name=name, document=Document(**fields), tree=tree)


def read_text(file: str) -> str:
    """Return a file's text, or standard input's (`-`).

    Raises:
        CommandError: it cannot be read.
    """
    try:
        if file == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read ({error.strerror}).", fault="caller", next_step="Check its name and rights."
        ) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not UTF-8.", fault="caller", next_step="Save it as UTF-8.") from error


def write_yaml(value: Any) -> str:
    """Return plain values as YAML that `read_yaml` reads back."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


class _Dumper(yaml.SafeDumper):
    """Writes a value that is there twice twice: aliases are not read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the dumper's own interface
        """Say that nothing becomes an alias."""
        return True


def resolved(reference: str) -> str:
    """Return the secret that `${NAME}` or `file:/path` stands for.

    Raises:
        LookupError: it is not there; the message says what is missing, and holds nothing of a secret.
    """
    if reference.startswith("${"):
        variable = reference[2:-1]
        # A secret of the command line, not a setting of the server.
        secret = os.environ.get(variable, "").strip()  # noqa: TID251
        if not secret:
            raise LookupError(f"the environment variable {variable} is not set.")
        return secret
    path = Path(reference.removeprefix("file:"))
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_KEY_BYTES + 1)
        secret = content.decode("ascii").strip()
    except OSError as error:
        raise LookupError(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise LookupError(f"{path} holds something that is not a key.") from None
    if not secret or len(content) > MAX_KEY_BYTES:
        raise LookupError(f"{path} holds nothing, or too much for a key.")
    return secret


def _converted(name: str, tree: Tree, field: str, value: Any) -> Any:
    """Return a field of the document. Entries are converted one by one, so that a mistake's place is known."""
    expected = _TYPES.get(field)
    if expected is None:
        raise _wrong(name, tree.line((field,)), f"There is no section {field!r}.")
    if not isinstance(value, dict) or field == "organization":
        return _convert(name, tree, (field,), value, expected)
    found: dict[str, Any] = {}
    for entry, text in value.items():
        found |= _convert(name, tree, (field, entry), {entry: text}, expected)
    return found


def _convert(name: str, tree: Tree, at: Place, value: Any, expected: Any) -> Any:
    try:
        return msgspec.convert(value, expected, strict=False)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        path = (*at, *_parts(place.removeprefix("$").removeprefix("[...]" if len(at) > 1 else "")))
        missing = _FIELD.search(message)
        if missing is not None and (*path, missing[1]) in tree.lines:
            path = (*path, missing[1])
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        raise _wrong(name, tree.line(path), f"{where}: {_said(path, message)}") from None


def _said(path: Place, message: str) -> str:
    if path[:1] == ("credentials",) and path[2:] == ("key",):
        return "A key is not written into a document: write `${NAME}` or `file:/path` for where it is found."
    return f"{message}."


def _parts(text: str) -> list[str | int]:
    """Return the path that msgspec tells as `.attempts[0].model`, as far as it tells it."""
    found: list[str | int] = []
    for match in _PART.finditer(text):
        if match[3]:
            break
        found.append(match[1] or int(match[2]))
    return found


def _path_of(value: Any, param: str) -> Place:
    """Return where in a document's value the admin API's `section.name.field` is, as far as it is there."""
    path: list[str | int] = []
    rest = param
    while rest and isinstance(value, dict):
        # A name may hold dots: the longest one that fits is meant.
        fits = [key for key in value if rest == key or rest.startswith((f"{key}.", f"{key}["))]
        if not fits:
            break
        key = max(fits, key=len)
        path.append(key)
        value, rest = value[key], rest[len(key) :].removeprefix(".")
        index = re.match(r"\[([0-9]+)\]\.?", rest)
        if index is not None and isinstance(value, list) and int(index[1]) < len(value):
            path.append(int(index[1]))
            value, rest = value[int(index[1])], rest[index.end() :]
    return tuple(path)


def _wrong(name: str, line: int, message: str) -> CommandError:
    return CommandError(
        f"{name}:{line}: {message}",
        fault="caller",
        next_step="See docs/reference/configuration.schema.json, or `keystead config export` for an example.",
    )
