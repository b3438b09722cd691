"""Health and metrics of the process: `/livez`, `/readyz` for anyone, `/metrics` for an operator's admin token.

The two open ones say nothing but yes or no and why in one word; they change no state.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

import msgspec

from keystead.domain.access import Administrator, Permission
from keystead.domain.errors import AuthenticationError, KeysteadError, PolicyDenied
from keystead.domain.traffic import Dialect
from keystead.telemetry import Metrics
from keystead.web.errors import error_body
from keystead.web.receive import Send
from keystead.web.relay import send_whole

PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})

_TEXT: Final = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_JSON: Final = (b"content-type", b"application/json")


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this process should get traffic."""

    ready: bool
    reason: str
    """`ready`, `starting`, `draining` or `storage_unavailable`."""


class Operations:
    """The process's own endpoints."""

    def __init__(
        self,
        *,
        readiness: Callable[[], Readiness],
        administrator: Callable[[str], Administrator | None],
        metrics: Metrics,
        measure: Callable[[], None],
    ) -> None:
        """`measure` sets the gauges before they are shown."""
        self._readiness = readiness
        self._administrator = administrator
        self._metrics = metrics
        self._measure = measure

    async def serve(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], send: Send) -> None:
        """Answer one of `PATHS`."""
        if scope["method"] not in {"GET", "HEAD"}:
            await send_whole(send, 405, [_JSON, (b"allow", b"GET, HEAD")], b'{"error":"method_not_allowed"}')
            return
        if scope["path"] == "/livez":
            await send_whole(send, 200, [_JSON], b'{"alive":true}')
            return
        if scope["path"] == "/readyz":
            readiness = self._readiness()
            await send_whole(send, 200 if readiness.ready else 503, [_JSON], msgspec.json.encode(readiness))
            return
        try:
            self._authorise(headers)
        except KeysteadError as error:
            await send_whole(send, error.status, [_JSON], error_body(error, Dialect.OPENAI, ""))
            return
        self._measure()
        await send_whole(send, 200, [_TEXT], self._metrics.exposition())

    def _authorise(self, headers: dict[bytes, bytes]) -> None:
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        administrator = self._administrator(token) if scheme.lower() == "bearer" else None
        if administrator is None:
            raise AuthenticationError(next_step="Send an admin token (ksa_…) as Authorization: Bearer.")
        # They count every organization's requests together: for whoever runs the installation, and for no tenant of it.
        if not administrator.may(Permission.PLATFORM_OPERATIONS):
            raise PolicyDenied("This is for the operator of the platform.", next_step="Ask who runs the platform.")
