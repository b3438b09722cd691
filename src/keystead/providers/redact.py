"""Take the key out of what a provider says. Pure.

Providers do echo keys: in 401 bodies ("Incorrect API key provided: sk-…"), in headers, in error events inside a
stream. The key must not reach the client or a log that way.
"""

from typing import Final

MASK: Final = b"[redacted]"

MIN_SECRET_BYTES: Final = 12
"""Shorter "keys" are placeholders (`ollama`, `EMPTY`, `not-needed`): taking such a word out of answers would
alter them and protect nothing."""

_FRAGMENT_BYTES: Final = 8
"""Error bodies may show a shortened key (`sk-proj-ab…wxyz`); runs of this many bytes of it go as well."""

_MAX_FRAGMENT_SCAN_BYTES: Final = 65_536


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
        secret = self._secret
        if not secret or len(data) > _MAX_FRAGMENT_SCAN_BYTES:
            return data
        size = _FRAGMENT_BYTES
        fragments = frozenset(secret[at : at + size] for at in range(len(secret) - size + 1))
        kept = bytearray()
        at, clean = 0, 0
        while at <= len(data) - size:
            if data[at : at + size] not in fragments:
                at += 1
                continue
            kept += data[clean:at] + MASK
            at += size
            while at < len(data) and data[at - size + 1 : at + 1] in fragments:
                at += 1
            clean = at
        return bytes(kept + data[clean:]) if clean else data
