"""Every error code a person can meet, read from the source: its status, whose fault it is, and what it says.

An error is made by calling a class of the tree in `keystead.domain.errors` (or a function that returns one) with
`code="…"`; what such a call does not say is its class's own word.
"""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

import keystead
from keystead.domain.errors import KeysteadError

SOURCE: Final = Path(keystead.__file__).parent


class ErrorCode(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One code, with every way it is told."""

    code: str
    status: str
    fault: str
    messages: tuple[str, ...]
    next_step: str


class Maker(msgspec.Struct, frozen=True):
    """A function that returns an error."""

    returns: str
    """The name of the class."""
    parameters: tuple[str, ...]


def error_codes() -> list[ErrorCode]:
    """Return all codes, sorted."""
    classes = _classes()
    told: dict[str, list[tuple[type[KeysteadError], ast.Call | None]]] = {}
    for kind in classes.values():
        told.setdefault(kind.code, []).append((kind, None))
    for kind, call in _calls(classes):
        told.setdefault(_text(_keyword(call, "code")), []).append((kind, call))
    return sorted(_entry(code, ways) for code, ways in told.items())


def _classes() -> dict[str, type[KeysteadError]]:
    """Return the error classes by name; all modules are imported, so that none is missed."""
    for module in pkgutil.walk_packages(keystead.__path__, "keystead."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    found: dict[str, type[KeysteadError]] = {}
    waiting: list[type[KeysteadError]] = [KeysteadError]
    for kind in waiting:
        found[kind.__name__] = kind
        waiting += kind.__subclasses__()
    return found


def _calls(classes: dict[str, type[KeysteadError]]) -> Iterator[tuple[type[KeysteadError], ast.Call]]:
    trees = [ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))]
    shared = {name: maker for tree in trees for name, maker in _makers(tree).items() if not name.startswith("_")}
    for tree in trees:
        makers = shared | _makers(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                maker = makers.get(node.func.id)
                kind = classes.get(node.func.id if maker is None else maker.returns)
                said = node if maker is None else _spelled_out(node, maker.parameters)
                if kind is not None and _text(_keyword(said, "code")):
                    yield kind, said


def _makers(tree: ast.Module) -> dict[str, Maker]:
    """Return the functions that say what they return by a name: those among them that make errors are used as classes."""
    return {
        node.name: Maker(node.returns.id, tuple(each.arg for each in node.args.args))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name)
    }


def _spelled_out(call: ast.Call, parameters: tuple[str, ...]) -> ast.Call:
    """Return the call of a function with the names of its arguments, as `garbled("…", "unreadable_answer")` has none."""
    named = [ast.keyword(arg=name, value=value) for name, value in zip(parameters, call.args, strict=False)]
    return ast.Call(func=call.func, args=call.args, keywords=[*call.keywords, *named])


def _entry(code: str, ways: list[tuple[type[KeysteadError], ast.Call | None]]) -> ErrorCode:
    calls = [(kind, call) for kind, call in ways if call is not None]
    kind, call = calls[0] if calls else ways[0]
    # A class's own docstring is its message only where nothing more precise is said under the code.
    messages = [_message(call) or _own_words(kind) for kind, call in calls] or [_own_words(kind) for kind, _ in ways]
    return ErrorCode(
        code=code,
        status=_status(kind, _keyword(call, "status")),
        fault=kind.fault.value,
        messages=tuple(dict.fromkeys(messages)),
        next_step=_text(_keyword(call, "next_step")) or kind.next_step,
    )


def _own_words(kind: type[KeysteadError]) -> str:
    return (kind.__doc__ or "").strip()


def _message(call: ast.Call) -> str:
    said = (_text(value) for value in (_keyword(call, "message"), *call.args))
    return next((text for text in said if text and text != _text(_keyword(call, "code"))), "")


def _status(kind: type[KeysteadError], said: ast.expr | None) -> str:
    if said is None:
        return str(kind.status)
    return str(said.value) if isinstance(said, ast.Constant) else "varies"


def _keyword(call: ast.Call | None, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None) if call else None


def _text(value: ast.expr | None) -> str:
    """Return the text of a literal; what is filled in at run time is shown as `…`."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in value.values)  # type: ignore[misc]
    return ""
