"""One question to a token endpoint, over the transport that everything goes over, and what a refusal there means.

The errors hold nothing of what was sent or answered but the endpoint's error code: whoever calls a model reads them.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass
from keystead.providers.authorization import Authorized
from keystead.providers.request import OWN_HEADERS, UpstreamRequest
from keystead.providers.row import Auth
from keystead.providers.tokens import Grant
from keystead.providers.transport import Transport

Headers = tuple[tuple[str, str], ...]

_PATIENCE_S: Final = 20.0
"""An inference request waits behind it."""

_MAX_ANSWER_BYTES: Final = 64 * 1024
_LIFETIMES_S: Final = (1.0, 24 * 3600.0)
_CODE: Final = re.compile(r"[A-Za-z_]{1,60}")
_ENTRA_CODE: Final = re.compile(r"\bAADSTS[0-9]{4,9}\b")
_UNAVAILABLE: Final = frozenset({"temporarily_unavailable", "server_error"})


class TokenEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where tokens are asked for."""

    title: str
    """As it is told."""
    origin: str
    target: str

    async def ask(
        self,
        transport: Transport,
        *,
        form: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        bearer: str | None = None,
        prove: Callable[[UpstreamRequest], Headers] | None = None,
        hidden: tuple[str, ...],
    ) -> dict[str, Any]:
        """Ask and return what was answered.

        Args:
            transport: the guarded one: this is a request to the outside like any other.
            form: what is sent, as a form;
            json: or as JSON.
            bearer: what proves the caller, where that is not in the form;
            prove: or what makes that from the whole request.
            hidden: every secret in what is sent.

        Raises:
            ProviderError: no answer, or a refusal. The model's provider was not asked.
        """
        body = urlencode(form).encode() if form is not None else msgspec.json.encode(json)
        kind = "application/x-www-form-urlencoded" if form is not None else "application/json"
        request = UpstreamRequest(
            method="POST",
            origin=self.origin,
            target=self.target,
            headers=(("content-type", kind), ("accept", "application/json"), *OWN_HEADERS),
            body=body,
            auth=_BEARER,
        )
        proof: Headers = () if bearer is None else ((_BEARER.header, _BEARER.prefix + bearer),)
        if prove is not None:
            proof = prove(request)
        status, answer = await self._exchange(transport, request, Authorized(headers=proof, hidden=hidden))
        value = _object(answer)
        if status >= 400:
            raise self._refused(status, value)
        return value

    async def _exchange(
        self, transport: Transport, request: UpstreamRequest, authorized: Authorized
    ) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                response = await transport.open(request, authorized)
                try:
                    return response.status, await response.body(_MAX_ANSWER_BYTES)
                finally:
                    response.close()
        except (ProviderError, TimeoutError) as error:
            code = error.code if isinstance(error, ProviderError) else "token_timeout"
            raise _failed(f"{self.title} could not be reached ({code}).", ErrorClass.UNREACHABLE) from None

    def _refused(self, status: int, value: dict[str, Any]) -> ProviderError:
        error = value.get("error")
        if isinstance(aws := value.get("Error"), dict):
            error = aws.get("Code")
        inner = error.get("status") if isinstance(error, dict) else error  # Google's APIs; OAuth (RFC 6749 §5.2)
        code = inner if isinstance(inner, str) and _CODE.fullmatch(inner) else f"status {status}"
        described = _ENTRA_CODE.search(str(value.get("error_description", "")))
        said = f"{code}, {described[0]}" if described else code
        if status >= 500 or code in _UNAVAILABLE:
            return _failed(f"{self.title} is not available ({said}).", ErrorClass.UNREACHABLE)
        if status == 429:
            return _failed(f"{self.title} gives no more tokens for now ({said}).", ErrorClass.THROTTLED)
        if status == 403:
            return _failed(
                f"{self.title} knows the key, which may not get a token ({said}).", ErrorClass.PERMISSION_DENIED
            )
        return _failed(f"{self.title} refused the key ({said}).", ErrorClass.AUTH_FAILED)

    def unreadable(self) -> ProviderError:
        """Return the error of an answer that holds no token."""
        return _failed(f"{self.title} answered without a token.", ErrorClass.PROTOCOL)

    def grant(self, value: Mapping[str, Any]) -> Grant:
        """Read an OAuth answer (RFC 6749 §5.1).

        Raises:
            ProviderError: it holds no usable token.
        """
        token, lifetime = value.get("access_token"), value.get("expires_in", 0)
        if isinstance(lifetime, str) and lifetime.isdecimal():
            lifetime = int(lifetime)
        if not isinstance(token, str) or not token or not isinstance(lifetime, int | float):
            raise self.unreadable()
        return Grant(token=token, lifetime_s=bounded_lifetime(lifetime))


def bounded_lifetime(seconds: float) -> float:
    """Return a lifetime that somebody else told, as far as it is believed."""
    return min(max(seconds, _LIFETIMES_S[0]), _LIFETIMES_S[1])


_BEARER: Final = Auth(header="Authorization", prefix="Bearer ")


def bearer(token: str) -> Authorized:
    """Return the proof that an access token is."""
    return Authorized(headers=((_BEARER.header, _BEARER.prefix + token),), hidden=(token,))


def _object(answer: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _failed(message: str, error_class: ErrorClass) -> ProviderError:
    return ProviderError(message, error_class=error_class, sent=False, code="no_access_token")
