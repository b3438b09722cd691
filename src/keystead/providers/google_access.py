"""Access to Google Cloud: a service account's key or the gateway's own workload identity, exchanged for a token.

    service account   an assertion signed with its key goes to oauth2.googleapis.com (RFC 7523)
    workload identity the platform's token goes to sts.googleapis.com (RFC 8693), and what comes back to
                      iamcredentials.googleapis.com, where a service account is impersonated

The hosts are fixed, and so is the audience of an assertion: nothing that came with a key says where it is sent.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.secret import Secret
from keystead.domain.service_account import ServiceAccount, read_service_account
from keystead.providers.authorization import Authorized
from keystead.providers.identity import Identity, is_federated
from keystead.providers.request import UpstreamRequest
from keystead.providers.token_request import TokenEndpoint, bearer, bounded_lifetime
from keystead.providers.tokens import Grant, TokenSource
from keystead.providers.transport import Transport

GOOGLE_TOKENS: Final = "https://oauth2.googleapis.com"
_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_LIFETIME_S: Final = 3600
_BEARER_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"

_STS: Final = TokenEndpoint(title="Google's token exchange", origin="https://sts.googleapis.com", target="/v1/token")
_IAM_ORIGIN: Final = "https://iamcredentials.googleapis.com"


class Sign(Protocol):
    """The vault's signer."""

    def __call__(self, private_key: str, *, key_id: str, claims: Mapping[str, Any]) -> str:
        """Return `claims` as a JWT signed with RS256."""


class GoogleAccess:
    """The authorizer of Google Cloud's APIs."""

    def __init__(
        self,
        *,
        transport: Transport,
        tokens: TokenSource,
        sign: Sign,
        identity: Identity,
        clock: Clock,
        origin: str = GOOGLE_TOKENS,
    ) -> None:
        """Ask for tokens over `transport`; `origin` is where assertions are sent."""
        self._transport = transport
        self._tokens = tokens
        self._sign = sign
        self._identity = identity
        self._clock = clock
        self._endpoint = TokenEndpoint(title="Google's token endpoint", origin=origin, target="/token")

    async def authorize(self, _request: UpstreamRequest, credential: Credential, secret: Secret) -> Authorized:
        """Return what a request must carry: an access token."""

        async def fetch() -> Grant:
            if is_federated(credential):
                return await self._federated(credential)
            return await self._granted(read_service_account(secret.reveal()))

        return bearer(await self._tokens.token(credential, fetch))

    async def _granted(self, account: ServiceAccount) -> Grant:
        now_s = self._clock.now_us() // 1_000_000
        claims = {
            "iss": account.client_email,
            "scope": _SCOPE,
            "aud": _AUDIENCE,
            "iat": now_s,
            "exp": now_s + _LIFETIME_S,
        }
        assertion = self._sign(account.private_key, key_id=account.private_key_id, claims=claims)
        form = {"grant_type": _BEARER_GRANT, "assertion": assertion}
        return self._endpoint.grant(await self._endpoint.ask(self._transport, form=form, hidden=(assertion,)))

    async def _federated(self, credential: Credential) -> Grant:
        subject = self._identity.google()
        form = {
            "grant_type": _EXCHANGE_GRANT,
            "audience": credential.settings["audience"],
            "scope": _SCOPE,
            "requested_token_type": _ACCESS_TOKEN,
            "subject_token": subject,
            "subject_token_type": _JWT,
        }
        grant = _STS.grant(await _STS.ask(self._transport, form=form, hidden=(subject,)))
        account = credential.settings.get("service_account")
        return grant if account is None else await self._impersonated(account, grant.token)

    async def _impersonated(self, account: str, token: str) -> Grant:
        endpoint = TokenEndpoint(
            title="Google's IAM credentials",
            origin=_IAM_ORIGIN,
            target=f"/v1/projects/-/serviceAccounts/{quote(account, safe='@')}:generateAccessToken",
        )
        json = {"scope": [_SCOPE], "lifetime": f"{_LIFETIME_S}s"}
        answer = await endpoint.ask(self._transport, json=json, bearer=token, hidden=(token,))
        access, until = answer.get("accessToken"), _instant_s(answer.get("expireTime"))
        if not isinstance(access, str) or not access or until is None:
            raise endpoint.unreadable()
        return Grant(token=access, lifetime_s=bounded_lifetime(until - self._clock.now_us() / 1_000_000))


def _instant_s(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError):
        return None
