"""A KEK in a file of its own: the default, which needs no service.

The file is two lines of ASCII:

    keystead-root-key-1 local:3f9c…
    <base64 of 32 random bytes>

Its protection is the file system's, so a file that anyone else could read or replace is refused rather than used.
"""

import base64
import binascii
import os
import secrets
import shlex
import stat
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keystead.domain.errors import IntegrityError, VaultError
from keystead.vault.envelope import KEY_BYTES, frame

_FORMAT = "keystead-root-key-1"
_ID_PREFIX = "local:"
_MODE = 0o600
_OTHERS = 0o077
_MAX_FILE_BYTES = 4096
_SUITE = b"\x01"
_NONCE_BYTES = 12


class LocalKek:
    """AES-256-GCM under a key read from a file.

    A wrap is `0x01 | nonce (12) | ciphertext + tag (16)`, its AAD the KEK's id and the context. Random nonces are
    safe here: one KEK wraps one root key per organization and rotation, far below 2³² messages.
    """

    def __init__(self, identifier: str, key: bytes) -> None:
        """Hold `key` (32 bytes) under `identifier`."""
        self.id = identifier
        self._cipher = AESGCM(key)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the KEK from `path`.

        Raises:
            VaultError: the file is missing, is a link, belongs to someone else, can be read by others, or is
                not a root key file. The error says what to do about it.
        """
        return cls(*_parse(_read_private(path), path))

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a new KEK and write it to `path`, private from its first moment and durable on return.

        Raises:
            VaultError: the file exists already (it is never overwritten: keys may be wrapped under it), or it
                cannot be written.
        """
        identifier = _ID_PREFIX + secrets.token_hex(8)
        key = secrets.token_bytes(KEY_BYTES)
        _write_private(path, f"{_FORMAT} {identifier}\n{base64.b64encode(key).decode()}\n".encode())
        return cls(identifier, key)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Return `key` encrypted for `context`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _SUITE + nonce + self._cipher.encrypt(nonce, key, self._aad(context))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key wrapped earlier for `context`.

        Raises:
            IntegrityError: the bytes, the context or the KEK are not those of the wrap.
        """
        if wrapped[:1] != _SUITE:
            raise _unwrap_failure()
        nonce, sealed = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, self._aad(context))
        except (InvalidTag, ValueError):  # ValueError: cut so short that not even the nonce is whole
            raise _unwrap_failure() from None

    def _aad(self, context: bytes) -> bytes:
        return frame(self.id) + context


def _unwrap_failure() -> IntegrityError:
    return IntegrityError("A root key in the database does not open: it was altered, moved or wrapped by another KEK.")


def _read_private(path: Path) -> bytes:
    # One open, then checks on the descriptor: a check by name could be about another file than the one read.
    # O_NONBLOCK, so that a pipe put in the file's place cannot hold the start up.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        _require_private(os.fstat(descriptor), path)
        return os.read(descriptor, _MAX_FILE_BYTES)
    finally:
        os.close(descriptor)


def _require_private(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, "is not a regular file", "Put the root key file there.")
    if status.st_uid != os.geteuid():
        raise _refusal(path, "belongs to another user", f"Run: chown {os.geteuid()} {shlex.quote(str(path))}")
    if status.st_mode & _OTHERS:
        raise _refusal(path, "can be read or changed by others", f"Run: chmod 600 {shlex.quote(str(path))}")


def _cannot_open(path: Path, error: OSError) -> VaultError:
    if isinstance(error, FileNotFoundError):
        return _refusal(
            path, "does not exist", "Restore it from your backup: stored keys open with no other.", code="kek_missing"
        )
    if path.is_symlink():
        return _refusal(path, "is a symbolic link", "Set KEYSTEAD_KEK_FILE to the file itself.")
    return _refusal(path, f"cannot be read ({error.strerror})", "Let the user that runs Keystead read it.")


def _parse(content: bytes, path: Path) -> tuple[str, bytes]:
    broken = _refusal(
        path, "is not a whole root key file", "Restore it from your backup: stored keys open with no other."
    )
    try:
        head, encoded = content.decode("ascii").splitlines()
        form, identifier = head.split(" ")
        key = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise broken from None  # the cause could carry a part of the key
    if form != _FORMAT or not identifier.startswith(_ID_PREFIX) or len(key) != KEY_BYTES:
        raise broken
    return identifier, key


def _write_private(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    except FileExistsError as error:
        raise _refusal(path, "exists already", "Use it, or name another file.", code="kek_exists") from error
    except OSError as error:
        raise _refusal(path, f"cannot be created ({error.strerror})", "Make its folder writable.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _refusal(path, f"cannot be written ({error.strerror})", "Free some space on the disk.") from error


def _sync_folder(folder: Path) -> None:
    # The file's name is durable only once its folder is (POSIX fsync covers the file's content alone).
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(path: Path, problem: str, next_step: str, *, code: str = "kek_refused") -> VaultError:
    return VaultError(f"The root key file {path} {problem}.", code=code, next_step=next_step)
