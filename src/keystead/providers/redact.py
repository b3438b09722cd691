"""Take the key, and what was made from it, out of what a provider says. Pure.

Providers do echo keys: in 401 bodies ("Incorrect API key provided: sk-…"), in headers, in error events inside a
stream. The key must not reach the client or a log that way.
"""

from collections.abc import Iterable, Iterator
from typing import Final

MASK: Final = b"[redacted]"

MIN_SECRET_BYTES: Final = 12
"""Shorter "keys" are placeholders (`ollama`, `EMPTY`, `not-needed`): taking such a word out of answers would
alter them and protect nothing."""

_FRAGMENT_BYTES: Final = 8
"""Error bodies may show a shortened key (`sk-proj-ab…wxyz`); runs of this many bytes of it go as well."""

_BLOCK_BYTES: Final = _FRAGMENT_BYTES // 2
"""Any such run holds one whole block of the key, cut at multiples of this: finding those is finding all."""


class Redactor:
    """Replaces one key in a stream of chunks, also where it lies across their borders.

    Bytes are held back only while the end of a chunk could be the beginning of the key.
    """

    __slots__ = ("_bytes", "_held", "_secret")

    def __init__(self, secret: str) -> None:
        encoded = secret.encode()
        self._secret = encoded if len(encoded) >= MIN_SECRET_BYTES else b""
        self._bytes = frozenset(self._secret)
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may be passed on now."""
        secret = self._secret
        if not secret:
            return chunk
        if self._held:
            chunk = self._held + chunk
            self._held = b""
        if secret in chunk:
            chunk = chunk.replace(secret, MASK)
        # The last byte decides for nearly every chunk: no key holds the newline that ends an event.
        if chunk and chunk[-1] in self._bytes:
            start = chunk.find(secret[:1], max(0, len(chunk) - len(secret) + 1))
            while start != -1:
                if secret.startswith(chunk[start:]):
                    self._held = chunk[start:]
                    return chunk[:start]
                start = chunk.find(secret[:1], start + 1)
        return chunk

    def finish(self) -> bytes:
        """Return what was held back: the stream ended, so it was not the key."""
        held, self._held = self._held, b""
        return held

    def holds(self, data: bytes) -> bool:
        """Say whether the key is in `data`."""
        return bool(self._secret) and self._secret in data

    def whole(self, data: bytes) -> bytes:
        """Return `data`, which is complete, without the key."""
        secret = self._secret
        return data.replace(secret, MASK) if secret and secret in data else data

    def error(self, data: bytes) -> bytes:
        """Return a complete error body without the key and without recognisable parts of it."""
        data = self.whole(data)
        kept = bytearray()
        clean = 0
        for first, last in sorted(self._parts_in(data)):
            if last > clean:
                if first >= clean:
                    kept += data[clean:first] + MASK
                clean = last
        return bytes(kept + data[clean:]) if clean else data

    def _parts_in(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield where `data` holds a fragment of the key, as long as it is."""
        secret = self._secret
        for start in range(0, len(secret) - _BLOCK_BYTES + 1, _BLOCK_BYTES):
            block = secret[start : start + _BLOCK_BYTES]
            at = data.find(block)
            while at != -1:
                first, last = at, at + _BLOCK_BYTES
                while first and start - at + first and data[first - 1] == secret[start - at + first - 1]:
                    first -= 1
                while last < len(data) and data[last : last + 1] == secret[start - at + last : start - at + last + 1]:
                    last += 1
                if last - first >= _FRAGMENT_BYTES:
                    yield first, last
                at = data.find(block, last)


class Redactors:
    """Replaces several secrets: each takes what the one before it lets through."""

    __slots__ = ("_each",)

    def __init__(self, secrets: Iterable[str]) -> None:
        self._each = tuple(Redactor(secret) for secret in secrets)

    def feed(self, chunk: bytes) -> bytes:
        """Return what may be passed on now."""
        for redactor in self._each:
            chunk = redactor.feed(chunk)
        return chunk

    def finish(self) -> bytes:
        """Return what was held back: the stream ended, so it was none of them."""
        rest = b""
        for redactor in self._each:
            rest = redactor.feed(rest) + redactor.finish()
        return rest

    def holds(self, data: bytes) -> bool:
        """Say whether any of them is in `data`."""
        return any(redactor.holds(data) for redactor in self._each)

    def whole(self, data: bytes) -> bytes:
        """Return `data`, which is complete, without any of them."""
        for redactor in self._each:
            data = redactor.whole(data)
        return data

    def error(self, data: bytes) -> bytes:
        """Return a complete error body without any of them and without recognisable parts of them."""
        for redactor in self._each:
            data = redactor.error(data)
        return data


AnyRedactor = Redactor | Redactors


def redactor_of(secrets: tuple[str, ...]) -> AnyRedactor:
    """Return what takes `secrets` out."""
    return Redactor(secrets[0]) if len(secrets) == 1 else Redactors(secrets)
