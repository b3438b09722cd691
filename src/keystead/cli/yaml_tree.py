"""YAML as plain text values with their line numbers. Pure.

What is read is much less than YAML: mappings, lists and text. There are no tags (nothing is constructed but dicts,
lists, text and null), no anchors (a kilobyte of aliases can stand for a gigabyte), no second value for one name (which
of the two counts?), and only so much of everything. A scalar stays the text that was written, so that a cost centre
`0123` is not eighty-three, `no` is not false, and no amount becomes a float; whoever reads a field knows its type.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 16
MAX_VALUES: Final = 100_000

Path = tuple[str | int, ...]

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same parser in C, where PyYAML was built with it: ten times faster."""


class YamlError(Exception):
    """The text is not YAML, or not YAML that is read here."""

    def __init__(self, message: str, line: int) -> None:
        """Say what is wrong on which line (counted from 1)."""
        super().__init__(message)
        self.message = message
        self.line = line


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A document's value, and where each part of it is."""

    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of what `path` leads to or, if it leads nowhere, of what it last came by."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def read_yaml(text: str) -> Tree:
    """Read one document.

    Raises:
        YamlError: it is none, or larger or other than what is read.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlError(f"The file is larger than {MAX_BYTES // 1024} KiB.", 1)
    try:
        return _Reader(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"This is not YAML: {error.problem}.", mark.line + 1 if mark else 1) from error
    except yaml.YAMLError as error:
        raise YamlError("This is not YAML: it holds characters that text does not.", 1) from error


class _Reader:
    """Builds the value from the parser's events, which never stand for more than was written."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._left = MAX_VALUES
        self.lines: dict[Path, int] = {(): 1}

    def document(self) -> Tree:
        """Read all of it."""
        event = next(self._events)
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = next(self._events)
        value = None if isinstance(event, yaml.StreamEndEvent) else self._value(event, ())
        for after in self._events:
            if isinstance(after, yaml.DocumentStartEvent):
                raise YamlError("There is a second document in the file; one is read.", _line(after))
        return Tree(value=value, lines=self.lines)

    def _value(self, event: Any, path: Path) -> Any:
        self._left -= 1
        if self._left < 0:
            raise YamlError(f"There are more than {MAX_VALUES:,} values.", _line(event))
        if len(path) > MAX_DEPTH:
            raise YamlError(f"It is nested more than {MAX_DEPTH} deep.", _line(event))
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise YamlError(
                "Anchors (&) and aliases (*) are not read: write the value where it is meant.", _line(event)
            )
        if event.tag is not None:
            raise YamlError(f"Tags ({event.tag[:64]}) are not read.", _line(event))
        self.lines[path] = _line(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path)
        return None if event.implicit[0] and event.value in _NULLS else event.value

    def _name(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
            raise YamlError("The name of a field is text.", _line(event))
        return str(event.value)

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            name = self._name(event)
            if name in found:
                raise YamlError(f"{name!r} is there twice.", _line(event))
            found[name] = self._value(next(self._events), (*path, name))
            # People look for a field where its name is; a block begins on the line below.
            self.lines[*path, name] = _line(event)
        return found

    def _list(self, path: Path) -> list[Any]:
        found: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, (*path, len(found))))
        return found


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
