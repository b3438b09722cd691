"""Which modules read what they have not written themselves, and which targets run them."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import keystead
from tests.fuzz.target import Target

_SOURCE: Final = Path(keystead.__file__).parent
_READS: Final = frozenset(
    {
        "FormParser",
        "MultipartParser",
        "SimpleCookie",
        "b64decode",
        "extract_compact",
        "fromhex",
        "fromisoformat",
        "loads",
        "parse_qs",
        "parse_qsl",
        "parsedate_to_datetime",
        "safe_load",
        "unpack",
        "unpack_from",
        "unquote",
        "unquote_to_bytes",
        "urlsafe_b64decode",
        "urlsplit",
    }
)
"""What a module calls that takes a text or bytes apart."""
_DECODES: Final = frozenset({"decode", "decoded", "msgspec.json.decode", "msgspec.json.Decoder", "msgspec.convert"})
"""What it calls that takes JSON apart; the first two are our own."""
_ROUNDS: Final = 4
"""How many of its seeds, and of the inputs made of them, a target is tried with to see what it runs."""


def readers() -> frozenset[str]:
    """Return the modules that take text or bytes apart, such as `dialects.body`."""
    return frozenset(
        ".".join(file.relative_to(_SOURCE).with_suffix("").parts)
        for file in _SOURCE.rglob("*.py")
        if any(map(_reads, ast.walk(ast.parse(file.read_bytes()))))
    )


def _reads(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
        return False
    name = ast.unparse(node.func)
    return name in _DECODES or name.split(".")[-1] in _READS


def run_by(target: Target) -> frozenset[str]:
    """Return the modules of which a target runs something."""
    files: set[str] = set()
    inputs = [data for number, seed in enumerate(target.seeds[:_ROUNDS]) for data in (seed, target.case(number))]
    with _watching(files):
        for data in inputs:
            target.check(data)
    found = (Path(file) for file in files)
    return frozenset(
        ".".join(file.relative_to(_SOURCE).with_suffix("").parts) for file in found if file.is_relative_to(_SOURCE)
    )


@contextmanager
def _watching(files: set[str]) -> Iterator[None]:
    """Collect the files of all functions that are called."""

    def called(frame: FrameType, _: str, __: Any) -> None:
        files.add(frame.f_code.co_filename)

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield
    finally:
        sys.settrace(before)
