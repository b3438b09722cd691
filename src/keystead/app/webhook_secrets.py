"""The secrets of webhooks, read once at the start from a file that nobody else can read.

Payment notices come in signed with one, and the operator's alerts go out signed with one.
"""

from pathlib import Path
from typing import Final

from keystead.app.private_file import read_private, refusal
from keystead.domain.errors import GatewayError
from keystead.domain.secret import Secret
from keystead.ledger.webhook import MIN_SECRET_LENGTH

MAX_SECRETS: Final = 2
"""The one in use, and beside it the next one or the one before, while they change."""
_CODE: Final = "webhook_secret_refused"


def load_webhook_secrets(name: str, *, variable: str) -> tuple[Secret, ...]:
    """Return the secrets in the file `name`, one a line; none if there is no name, which means no webhook.

    Args:
        name: the file's.
        variable: the setting that names it, for the refusal.

    Raises:
        GatewayError: the file is missing, is a link, belongs to someone else, can be read by others, is empty, or
            holds a secret that is too short. Nothing is served then: an empty secret signs for everybody.
    """
    if not name:
        return ()

    def refused(problem: str, next_step: str) -> GatewayError:
        return refusal(problem, next_step, variable=variable, code=_CODE)

    lines = read_private(Path(name).expanduser(), variable=variable, code=_CODE).split()
    if not 1 <= len(lines) <= MAX_SECRETS:
        raise refused(f"holds {len(lines)} secrets", f"Write one secret into it, or {MAX_SECRETS} during a change.")
    if any(len(line) < MIN_SECRET_LENGTH for line in lines):
        raise refused(
            f"holds a secret of less than {MIN_SECRET_LENGTH} characters", "Make one with `openssl rand -hex 32`."
        )
    if not all(line.isascii() and line.decode("ascii").isprintable() for line in lines):
        raise refused("holds other than printable ASCII", "Make a secret with `openssl rand -hex 32`.")
    return tuple(Secret(line.decode("ascii")) for line in lines)
