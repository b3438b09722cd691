"""The public keys that may sign catalogue updates, read once at the start."""

import stat
from pathlib import Path
from typing import Final

from keystead.app.private_file import refusal
from keystead.domain.errors import GatewayError
from keystead.vault.signatures import TrustedKeys

VARIABLE: Final = "KEYSTEAD_CATALOGUE_KEYS_FILE"
_CODE: Final = "catalogue_keys_refused"
_MAX_BYTES: Final = 64 * 1024


def load_catalogue_keys(name: str) -> TrustedKeys:
    """Return the keys in the file `name`; none if there is no name, and then no update is taken.

    Raises:
        GatewayError: the file cannot be read, may be changed by others, or holds anything but Ed25519 public keys.
    """
    if not name:
        return TrustedKeys()

    def refused(problem: str, next_step: str) -> GatewayError:
        return refusal(problem, next_step, variable=VARIABLE, code=_CODE)

    path = Path(name).expanduser()
    try:
        with path.open("rb") as stream:
            status = path.stat()
            text = stream.read(_MAX_BYTES)
    except OSError as error:
        raise refused(f"cannot be read ({error.strerror})", "Put the file there, or unset the setting.") from error
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise refused("may be changed by others than its owner", "Take that right away: `chmod go-w`.")
    try:
        return TrustedKeys.from_pem(text)
    except ValueError as error:
        raise refused(f"holds {error}", "Write public keys into it, as `openssl pkey -pubout` does.") from error
