"""What is asked of an organization's identity provider: where its endpoints and keys are, and who somebody is.

Everything goes over the transport that every request to the outside goes over: checked addresses, TLS verified, no
redirects. Answers are bounded, and so is the time. What does not change for an hour is kept for an hour; keys are
fetched once more when a token names one that is not among them, and not again for half a minute.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import structlog

from keystead.domain.clock import HOUR_US, Clock
from keystead.domain.errors import GatewayError, InvalidRequestError, PolicyDenied, ProviderError
from keystead.domain.secret import Secret
from keystead.identity.id_token import Identity, UnknownKeyError, not_proven, read
from keystead.providers.authorization import Authorized
from keystead.providers.egress import EgressGuard
from keystead.providers.request import OWN_HEADERS, UpstreamRequest
from keystead.providers.row import Auth
from keystead.providers.transport import Transport
from keystead.web.admin.rooms import Check

log = structlog.get_logger(__name__)

_DISCOVERY: Final = "/.well-known/openid-configuration"
_REACHED: Final = f"Keystead must reach it by https, and find {_DISCOVERY} there."
_UNUSABLE: Final = "Your identity provider cannot be used now."
_URL: Final = re.compile(r"(https?://[^/?#\s]+)(/[!$-;=?-~]*)?", re.ASCII)
"""Printable ASCII without a fragment, quotes or angles; of the origin the guard has its own, strict reading."""
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_PATIENCE_S: Final = 10.0
_MAX_BYTES: Final = 256 * 1024
_MAX_KEYS: Final = 100
_MAX_KEPT: Final = 256
_REFETCH_US: Final = 30_000_000
_NONE: Final = Authorized(headers=(), hidden=())
_AUTH: Final = Auth(header="Authorization")


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Keys(msgspec.Struct, frozen=True, kw_only=True):
    fetched_us: int
    keys: tuple[dict[str, Any], ...]


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    fetched_us: int
    metadata: Metadata


class RelyingParty:
    """Asks identity providers."""

    def __init__(self, *, transport: Transport, guard: EgressGuard, clock: Clock) -> None:
        """Ask over `transport`, where `guard` lets it."""
        self._transport = transport
        self._guard = guard
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._keys: dict[str, _Keys] = {}

    async def departure(
        self, *, issuer: str, client_id: str, return_address: str, state: str, nonce: str, verifier: str
    ) -> str:
        """Return the address at which somebody signs in.

        Raises:
            GatewayError: the provider does not say where, or not as it must.
        """
        metadata = await self._metadata(issuer)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": client_id,
                "redirect_uri": return_address,
                "scope": "openid email profile",
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        origin, target = self._place(metadata.authorization_endpoint)
        return f"{origin}{target}{'&' if '?' in target else '?'}{query}"

    async def identity(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: Secret,
        return_address: str,
        said_issuer: str | None,
        code: str,
        nonce: str,
        verifier: str,
    ) -> Identity:
        """Return who somebody is that came back with `code`.

        Raises:
            AuthenticationError: the provider takes the code for nobody, or its token is not as it must be.
            GatewayError: it cannot be asked.
        """
        metadata = await self._metadata(issuer)
        # Who answers must be who was asked (RFC 9207): else one provider's code would be given to another.
        if said_issuer != issuer and (
            said_issuer is not None or metadata.authorization_response_iss_parameter_supported
        ):
            raise not_proven("It was issued by somebody else.")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": return_address,
            "code_verifier": verifier,
        }
        token = await self._redeem(metadata, form, client_id, client_secret.reveal())
        now_s = self._clock.now_us() // 1_000_000
        keys = await self._published(metadata.jwks_uri)
        try:
            return read(token, keys.keys, issuer=issuer, client_id=client_id, nonce=nonce, now_s=now_s)
        except UnknownKeyError:
            if self._clock.monotonic_us() < keys.fetched_us + _REFETCH_US:
                raise
        self._keys.pop(metadata.jwks_uri, None)
        keys = await self._published(metadata.jwks_uri)
        return read(token, keys.keys, issuer=issuer, client_id=client_id, nonce=nonce, now_s=now_s)

    async def look_at(self, issuer: str) -> tuple[Check, ...]:
        """Return what is right and wrong with what a provider says of itself now; nothing of it is kept."""
        try:
            _, told = await self._ask(issuer.rstrip("/") + _DISCOVERY, _NONE)
        except GatewayError as error:
            return (_wrong("discovery", error.message.removeprefix(_UNUSABLE).strip(), _REACHED),)
        return (
            Check(name="discovery", state="ok", message="It says where its endpoints are."),
            _called(told.get("issuer"), issuer),
            *(self._placed(told.get(name), name.replace("_", " ")) for name in _ENDPOINTS),
            _pkce(told.get("code_challenge_methods_supported")),
            await self._keys_of(told.get("jwks_uri")),
        )

    def _placed(self, address: object, name: str) -> Check:
        try:
            self._place(address if isinstance(address, str) else "")
        except GatewayError as error:
            return _wrong(
                name, error.message.removeprefix(_UNUSABLE).strip(), "It must be https, and not in your network."
            )
        return Check(name=name, state="ok", message="It may be asked.")

    async def _keys_of(self, address: object) -> Check:
        try:
            _, answer = await self._ask(address if isinstance(address, str) else "", _NONE)
        except GatewayError as error:
            return _wrong("keys", error.message.removeprefix(_UNUSABLE).strip(), "Its ID tokens are checked by them.")
        keys = answer.get("keys")
        if not isinstance(keys, list) or not 0 < len(keys) <= _MAX_KEYS:
            return _wrong("keys", "It publishes none, or too many.", "Its ID tokens are checked by them.")
        return Check(name="keys", state="ok", message=f"It publishes {len(keys)}.")

    async def _redeem(self, metadata: Metadata, form: dict[str, str], client_id: str, secret: str) -> str:
        """Return the ID token that a code stands for."""
        headers: tuple[tuple[str, str], ...] = ()
        hidden: tuple[str, ...] = (secret,)
        methods = metadata.token_endpoint_auth_methods_supported
        if "client_secret_basic" in methods or "client_secret_post" not in methods:
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749 §2.3.1
            basic = base64.b64encode(pair.encode()).decode()
            headers, hidden = (("Authorization", f"Basic {basic}"),), (secret, basic)
        else:
            form = form | {"client_id": client_id, "client_secret": secret}
        status, answer = await self._ask(
            metadata.token_endpoint, Authorized(headers=headers, hidden=hidden), body=urlencode(form).encode()
        )
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            code = answer.get("error")
            log.warning("identity_provider_refused", status=status, error=code if _is_word(code) else "")
            raise not_proven("It does not know this sign-in, or not this application.")
        return token

    async def _metadata(self, issuer: str) -> Metadata:
        kept = self._told.get(issuer)
        if kept is not None and self._clock.monotonic_us() < kept.fetched_us + HOUR_US:
            return kept.metadata
        _, answer = await self._ask(issuer.rstrip("/") + _DISCOVERY, _NONE)
        try:
            metadata = msgspec.convert(answer, Metadata)
        except msgspec.ValidationError as error:
            raise _unusable("It does not say where its endpoints are.") from error
        if metadata.issuer != issuer:
            raise _unusable("It calls itself by another issuer.")
        for address in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            self._place(address)
        if len(self._told) >= _MAX_KEPT:
            self._told.clear()
        self._told[issuer] = _Told(fetched_us=self._clock.monotonic_us(), metadata=metadata)
        return metadata

    async def _published(self, address: str) -> _Keys:
        kept = self._keys.get(address)
        if kept is not None and self._clock.monotonic_us() < kept.fetched_us + HOUR_US:
            return kept
        _, answer = await self._ask(address, _NONE)
        given = answer.get("keys")
        if not isinstance(given, list) or len(given) > _MAX_KEYS:
            raise _unusable("It does not publish its keys.")
        keys = tuple(key for key in given if isinstance(key, dict))
        if len(self._keys) >= _MAX_KEPT:
            self._keys.clear()
        self._keys[address] = made = _Keys(fetched_us=self._clock.monotonic_us(), keys=keys)
        return made

    async def _ask(
        self, address: str, authorized: Authorized, *, body: bytes | None = None
    ) -> tuple[int, Mapping[str, Any]]:
        """Return status and JSON object of an answer; with a body, POST it as a form."""
        origin, target = self._place(address)
        kind = () if body is None else (("content-type", "application/x-www-form-urlencoded"),)
        request = UpstreamRequest(
            method="GET" if body is None else "POST",
            origin=origin,
            target=target,
            headers=(*kind, ("accept", "application/json"), *OWN_HEADERS),
            body=body or b"",
            auth=_AUTH,
        )
        try:
            async with asyncio.timeout(_PATIENCE_S):
                response = await self._transport.open(request, authorized)
                content = await response.body(_MAX_BYTES)
        except TimeoutError as error:
            raise _unusable("It took too long.") from error
        except ProviderError as error:
            raise _unusable("It could not be reached, or did not answer as it must.") from error
        try:
            answer = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or (body is None and response.status != 200):
            raise _unusable("It did not answer as it must.")
        return response.status, answer

    def _place(self, address: str) -> tuple[str, str]:
        """Return origin and target of an address that may be asked."""
        found = _URL.fullmatch(address)
        if found is None:
            raise _unusable("One of its addresses is not an address.")
        try:
            return self._guard.check_origin(found[1]), found[2] or "/"
        except (InvalidRequestError, PolicyDenied) as error:
            raise _unusable("One of its addresses is not allowed.") from error


def _called(told: object, issuer: str) -> Check:
    if told == issuer:
        return Check(name="issuer", state="ok", message="It calls itself so, to the letter.")
    said = f"It calls itself {told[:300]!r}." if isinstance(told, str) else "It does not say what it calls itself."
    return _wrong("issuer", said, "Write the issuer as it does, if it is the provider that you mean.")


def _pkce(methods: object) -> Check:
    if methods is None:
        message = "It does not say whether it takes PKCE with S256, which every sign-in uses. Most do."
        return Check(name="PKCE", state="warning", message=message, next_step="Sign in once to see.")
    if isinstance(methods, list) and "S256" in methods:
        return Check(name="PKCE", state="ok", message="It takes S256.")
    return _wrong("PKCE", "It does not take S256.", "Allow PKCE with S256 for the application there.")


def _wrong(name: str, message: str, next_step: str) -> Check:
    return Check(name=name, state="failure", message=message, next_step=next_step)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z_]{1,60}", value) is not None


def _unusable(why: str) -> GatewayError:
    return GatewayError(
        f"Your identity provider cannot be used now. {why}",  # as `_UNUSABLE`; the reference of errors is read from here
        code="identity_provider_unusable",
        status=502,
        next_step="Try again in a while; if it stays so, tell an administrator of your organization.",
    )
