"""The gateway's own identity on the platform it runs on, for credentials that have no key of their own.

The platform (Kubernetes, a cloud's agent) writes a short-lived token into a file and renews it. Which file, only the
operator says, in the gateway's environment; and only the operator adds a credential that uses it: with it a caller
acts as the gateway, wherever that is trusted.
"""

from pathlib import Path
from typing import Final

from keystead.domain.credential import Credential
from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass

WORKLOAD: Final = "workload"
"""The value of the setting `identity`, and what stands where another credential's key does."""

_MAX_BYTES: Final = 16 * 1024


def is_federated(credential: Credential) -> bool:
    """Say whether a credential stands for the gateway's own identity."""
    return credential.settings.get("identity") == WORKLOAD


class Identity:
    """Reads the platform's tokens, anew each time: they are renewed every few minutes to hours."""

    def __init__(self, *, google_file: str = "", entra_file: str = "", aws_file: str = "") -> None:
        """Take the files; empty for none."""
        self._google_file = google_file
        self._entra_file = entra_file
        self._aws_file = aws_file

    def google(self) -> str:
        """Return the token that Google Cloud trusts.

        Raises:
            ProviderError: there is none.
        """
        return _read(self._google_file, "KEYSTEAD_GOOGLE_TOKEN_FILE")

    def entra(self) -> str:
        """Return the token that Microsoft Entra ID trusts.

        Raises:
            ProviderError: there is none.
        """
        return _read(self._entra_file, "AZURE_FEDERATED_TOKEN_FILE")

    def aws(self) -> str:
        """Return the token that AWS trusts.

        Raises:
            ProviderError: there is none.
        """
        return _read(self._aws_file, "AWS_WEB_IDENTITY_TOKEN_FILE")


def _read(file: str, variable: str) -> str:
    if not file:
        raise _unusable(f"The gateway has no workload identity: {variable} is not set.")
    try:
        with Path(file).open("rb") as opened:
            token = opened.read(_MAX_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token or not token.isprintable():
        raise _unusable(f"The file that {variable} names holds no token.")
    return token


def _unusable(message: str) -> ProviderError:
    return ProviderError(message, error_class=ErrorClass.UNREACHABLE, sent=False, code="no_workload_identity")
