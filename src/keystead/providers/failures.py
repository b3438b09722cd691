"""What went wrong on the wire, in our words: the one border where the HTTP library's exceptions end.

The texts hold nothing of the original messages: those may carry hosts, addresses or header values.
"""

from typing import Final

import aiohttp
import msgspec

from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass
from keystead.providers.connect import EgressRefusedError


class Failure(msgspec.Struct, frozen=True):
    """One way an exchange fails."""

    code: str
    message: str
    error_class: ErrorClass
    sent: bool
    """Whether the provider may have seen the request, and so may bill it."""

    def error(self) -> ProviderError:
        """Return it as the error to raise: 504 where time ran out, else 502."""
        return ProviderError(
            self.message,
            error_class=self.error_class,
            sent=self.sent,
            code=self.code,
            status=504 if self.error_class is ErrorClass.TIMEOUT else 502,
        )


def _unsent(code: str, message: str) -> Failure:
    return Failure(code, message, ErrorClass.UNREACHABLE, sent=False)


def _late(code: str, message: str) -> Failure:
    return Failure(code, message, ErrorClass.TIMEOUT, sent=True)


def _garbled(code: str, message: str) -> Failure:
    return Failure(code, message, ErrorClass.PROTOCOL, sent=True)


CONNECT_TIMEOUT: Final = Failure(
    "connect_timeout", "The provider could not be reached in time.", ErrorClass.TIMEOUT, sent=False
)
CONNECT_FAILED: Final = _unsent("connect_failed", "The provider could not be reached.")
DNS_FAILED: Final = _unsent("dns_failed", "The provider's name could not be resolved.")
TLS_CERTIFICATE: Final = _unsent("tls_certificate", "The provider's TLS certificate is not valid for its name.")
TLS_FAILED: Final = _unsent("tls_failed", "TLS with the provider failed.")
EGRESS_DENIED: Final = _unsent("egress_denied", "The endpoint's address is not one the operator allows.")
ORIGIN_REFUSED: Final = _unsent("invalid_origin", "The endpoint's address is not valid.")
KEY_UNUSABLE: Final = _unsent("invalid_key_format", "The credential's key holds characters that no header may hold.")
REQUEST_UNUSABLE: Final = _unsent("invalid_request", "The request could not be formed.")
FIRST_BYTE_TIMEOUT: Final = _late("first_byte_timeout", "The provider did not begin to answer in time.")
IDLE_TIMEOUT: Final = _late("idle_timeout", "The provider fell silent inside its answer.")
TOTAL_TIMEOUT: Final = _late("total_timeout", "The provider's answer took too long.")
NOT_HTTP: Final = _garbled("upstream_protocol", "The provider's answer is not valid HTTP.")
CUT: Final = _garbled("upstream_cut", "The provider's answer was cut before its end.")
TOO_LARGE: Final = _garbled("upstream_too_large", "The provider's answer is larger than the gateway passes on.")
REDIRECT: Final = _garbled("upstream_redirect", "The provider answered with a redirect, which is not followed.")
ENCODED: Final = _garbled("upstream_encoding", "The provider sent a compressed answer, though identity was asked for.")
DISCONNECTED: Final = Failure(
    "upstream_disconnected",
    "The provider closed the connection before it answered; it may have done the work.",
    ErrorClass.UNREACHABLE,
    sent=True,
)

# First match wins: the library's classes overlap (a certificate error is a connector error is an OSError).
_OPENING: Final[tuple[tuple[type[BaseException], Failure], ...]] = (
    (EgressRefusedError, EGRESS_DENIED),
    (aiohttp.ConnectionTimeoutError, CONNECT_TIMEOUT),
    (aiohttp.ClientConnectorCertificateError, TLS_CERTIFICATE),
    (aiohttp.ClientConnectorSSLError, TLS_FAILED),
    (aiohttp.ClientConnectorDNSError, DNS_FAILED),
    (aiohttp.ClientConnectorError, CONNECT_FAILED),
    (aiohttp.SocketTimeoutError, FIRST_BYTE_TIMEOUT),
    (TimeoutError, TOTAL_TIMEOUT),
    (aiohttp.ClientResponseError, NOT_HTTP),
    (aiohttp.ClientPayloadError, NOT_HTTP),
    (ValueError, REQUEST_UNUSABLE),
)
_READING: Final[tuple[tuple[type[BaseException], Failure], ...]] = (
    (aiohttp.SocketTimeoutError, IDLE_TIMEOUT),
    (TimeoutError, TOTAL_TIMEOUT),
)

OPENING_ERRORS: Final = (aiohttp.ClientError, OSError, ValueError)
"""What the library raises before an answer; TimeoutError is an OSError."""
READING_ERRORS: Final = (aiohttp.ClientError, OSError)
"""What it raises inside one."""


def opening_failed(error: Exception) -> ProviderError:
    """Say why no answer came."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, EgressRefusedError):
        return EGRESS_DENIED.error()
    return _match(_OPENING, error, DISCONNECTED)


def reading_failed(error: Exception) -> ProviderError:
    """Say why an answer that had begun did not come to its end."""
    return _match(_READING, error, CUT)


def _match(
    table: tuple[tuple[type[BaseException], Failure], ...], error: Exception, otherwise: Failure
) -> ProviderError:
    for kind, failure in table:
        if isinstance(error, kind):
            return failure.error()
    return otherwise.error()
