"""Reading a file that holds a secret: nobody but the process's own user may be able to read it."""

import os
import stat
from pathlib import Path
from typing import Final

from keystead.domain.errors import GatewayError

_MAX_BYTES: Final = 4096


def read_private(path: Path, *, variable: str, code: str) -> bytes:
    """Return what is in a small file.

    Args:
        path: where it is.
        variable: the setting that names it, for the refusal.
        code: the refusal's.

    Raises:
        GatewayError: the file is missing, is a link, belongs to someone else, or can be read by others.
    """
    # One open, then checks on the descriptor: a check by name could be about another file than the one read.
    # O_NONBLOCK, so that a pipe put in the file's place cannot hold the start up.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise refusal(
            f"cannot be opened ({error.strerror})",
            "Put the file there, not a link, or unset the setting.",
            variable=variable,
            code=code,
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise refusal(
                "is not a file that only Keystead's user can read",
                "Give it to that user, with mode 600.",
                variable=variable,
                code=code,
            )
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)


def refusal(problem: str, next_step: str, *, variable: str, code: str) -> GatewayError:
    """Return the error of a file with a problem."""
    return GatewayError(f"The file that {variable} names {problem}.", code=code, next_step=next_step)
