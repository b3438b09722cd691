"""What was found: one of each kind, made small, and kept in a file."""

import hashlib
import time
import traceback
from collections import Counter
from pathlib import Path

import msgspec

from tests.fuzz.target import Target

_REDUCING_S = 2.0


class Find(msgspec.Struct, frozen=True, kw_only=True):
    """An input for which something does not hold."""

    target: str
    number: int
    words: str
    where: str
    """The end of the traceback."""
    file: Path


class Finds:
    """Tries inputs, and keeps what does not hold."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[tuple[str, str]] = set()
        self._counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many there are, of different kinds."""
        return len(self._known)

    def count(self, target: Target) -> int:
        """Return how many of them are a target's."""
        return sum(1 for name, _ in self._known if name == target.name)

    def tried(self, target: Target, data: bytes, number: int) -> Find | None:
        """Try an input; return what was found if it is of a new kind."""
        kind = _kind(target, data)
        if not kind or (target.name, kind) in self._known:
            return None
        self._known.add((target.name, kind))
        small = reduced(target, data, kind)
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{target.name.replace(' ', '-')}-{hashlib.sha256(small).hexdigest()[:12]}"
        file = self._folder / name
        file.write_bytes(small)
        try:
            target.check(small)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
            where = "".join(traceback.format_exception(error)[-4:])
            return Find(target=target.name, number=number, words=repr(error)[:300], where=where, file=file)
        return None


def _kind(target: Target, data: bytes) -> str:
    """Return what goes wrong and where; empty: nothing."""
    try:
        target.check(data)
    except Exception as error:  # noqa: BLE001 - whatever a parser lets out is a find
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "keystead" in frame.filename]
        at = ours[-1] if ours else last
        words = str(error)[:60] if isinstance(error, AssertionError) else ""
        return f"{type(error).__name__} {words} {Path(at.filename).name}:{at.name}:{last.lineno}"
    return ""


def reduced(target: Target, data: bytes, kind: str) -> bytes:
    """Return the smallest input that is found soon and goes wrong in the same way."""
    end = time.monotonic() + _REDUCING_S
    size = max(1, len(data) // 2)
    while size and time.monotonic() < end:
        at = 0
        while at < len(data) and time.monotonic() < end:
            shorter = data[:at] + data[at + size :]
            if _kind(target, shorter) == kind:
                data = shorter
            else:
                at += size
        size //= 2
    return data
