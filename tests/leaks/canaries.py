"""Looking for secrets in everything that a gateway gives off, in whatever form they might have got there."""

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

import msgspec

RUN = 12
"""Characters of a secret in a row that count as a find. A mask shows four."""


class Canary(msgspec.Struct, frozen=True):
    """One secret."""

    name: str
    text: str
    public: int = 0
    """How many of its first characters are public: a provider's prefix, a virtual key's id."""

    @property
    def secret(self) -> str:
        return self.text[self.public :]


class Find(msgspec.Struct, frozen=True):
    """A secret where none may be."""

    canary: str
    form: str
    place: str
    around: str


def find(canaries: Iterable[Canary], place: str, data: bytes) -> Iterator[Find]:
    """Yield every secret of which `data` holds `RUN` characters in a row, plain or in another form."""
    for canary in canaries:
        for form, text in forms(canary.secret):
            at = _first_run(text, data)
            if at is not None:
                around = data[max(0, at - 40) : at + 40]
                yield Find(canary.name, form, place, repr(around))


def forms(secret: str) -> list[tuple[str, bytes]]:
    """Return the secret as it would look in other clothes."""
    raw = secret.encode()
    found = {"plain": raw, "reversed": raw[::-1], "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    found |= {"lower case": raw.lower(), "upper case": raw.upper(), "URL": quote(secret, safe="").encode()}
    found["JSON"] = json.dumps(secret)[1:-1].encode()
    found["UTF-16"] = secret.encode("utf-16-le")
    for skip in range(3):  # wherever it lies among the bytes that were encoded together
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            whole = raw[skip : skip + (len(raw) - skip) // 3 * 3]
            found[f"{name}+{skip}"] = encode(whole)
    distinct = {text: form for form, text in reversed(found.items())}
    return [(form, text) for text, form in distinct.items()]


def _first_run(text: bytes, data: bytes) -> int | None:
    """Return where `data` holds any `RUN` bytes in a row of `text`.

    Any such run holds a whole block of half its length at one of the block's multiples, so looking for those few
    blocks is enough, and each find is then stretched to see how long it really is.
    """
    block = RUN // 2
    for start in range(0, len(text) - block + 1, block):
        piece = text[start : start + block]
        at = data.find(piece)
        while at >= 0:
            first, last = at, at + block
            low, high = start, start + block
            while low > 0 and first > 0 and text[low - 1] == data[first - 1]:
                low, first = low - 1, first - 1
            while high < len(text) and last < len(data) and text[high] == data[last]:
                high, last = high + 1, last + 1
            if last - first >= RUN:
                return first
            at = data.find(piece, at + 1)
    return None
