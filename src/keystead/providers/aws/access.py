"""Access to Bedrock: a bearer key, an access key, or a role that is taken with one or with the gateway's own identity.

    bearer key        goes out as it is
    access key        signs each request, all of it; what a signature proves holds for minutes and for these bytes alone
    role              sts.{region}.amazonaws.com lends keys for an hour to whoever may take it

The hosts are AWS's own, made from the credential's region: nothing else that came with a key says where it is sent.
"""

from typing import Any, Final

import msgspec

from keystead.domain.access_key import AccessKey, is_document, read_access_key
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError, ProviderError
from keystead.domain.secret import Secret
from keystead.domain.traffic import ErrorClass
from keystead.providers.authorization import Authorized, with_key
from keystead.providers.aws.sigv4 import sign
from keystead.providers.bedrock import BEDROCK
from keystead.providers.identity import Identity, is_federated
from keystead.providers.request import UpstreamRequest
from keystead.providers.token_request import TokenEndpoint, bounded_lifetime
from keystead.providers.tokens import Grant, TokenSource
from keystead.providers.transport import Transport

_SERVICE: Final = "bedrock"
"""What signatures for bedrock-runtime are made out to."""
_LIFETIME_S: Final = 3600
"""The longest that every role allows."""
_CHINA: Final = "cn-"


class AwsAccess:
    """The authorizer of Amazon Bedrock."""

    def __init__(
        self, *, transport: Transport, tokens: TokenSource, identity: Identity, clock: Clock, sts_origin: str = ""
    ) -> None:
        """Borrow keys over `transport`; `sts_origin` is where, if not from the region's own endpoint."""
        self._transport = transport
        self._tokens = tokens
        self._identity = identity
        self._clock = clock
        self._sts_origin = sts_origin

    async def authorize(self, request: UpstreamRequest, credential: Credential, secret: Secret) -> Authorized:
        """Return what `request` must carry: a bearer key, or a signature."""
        text = secret.reveal()
        if not is_federated(credential) and not is_document(text):
            return with_key(request, secret)

        async def fetch() -> Grant:
            return await self._borrowed(credential, None if is_federated(credential) else _read(text))

        if is_federated(credential) and "role_arn" not in credential.settings:
            raise _unusable("A credential with identity=workload needs the setting role_arn.", "role_missing")
        if "role_arn" in credential.settings:
            text = await self._tokens.token(credential, fetch)
        key = _read(text)
        headers = sign(request, key, region=_region(credential), service=_SERVICE, at_us=self._clock.now_us())
        lent = () if key.session_token is None else (key.session_token,)
        return Authorized(headers=headers, hidden=(key.secret_access_key, *lent))

    async def _borrowed(self, credential: Credential, key: AccessKey | None) -> Grant:
        """Take the credential's role, with a key or with the gateway's own identity."""
        region, settings = _region(credential), credential.settings
        form = {
            "Version": "2011-06-15",
            "RoleArn": settings["role_arn"],
            "RoleSessionName": "keystead",
            "DurationSeconds": str(_LIFETIME_S),
        }
        endpoint = TokenEndpoint(title="AWS STS", origin=self._sts_origin or _sts(region), target="/")
        if key is None:
            token = self._identity.aws()
            form |= {"Action": "AssumeRoleWithWebIdentity", "WebIdentityToken": token}
            answer = await endpoint.ask(self._transport, form=form, hidden=(token,))
        else:
            form["Action"] = "AssumeRole"
            if "external_id" in settings:
                form["ExternalId"] = settings["external_id"]

            def prove(request: UpstreamRequest) -> tuple[tuple[str, str], ...]:
                return sign(request, key, region=region, service="sts", at_us=self._clock.now_us())

            answer = await endpoint.ask(self._transport, form=form, prove=prove, hidden=(key.secret_access_key,))
        return self._grant(endpoint, answer, form["Action"])

    def _grant(self, endpoint: TokenEndpoint, answer: dict[str, Any], action: str) -> Grant:
        try:
            found = answer[f"{action}Response"][f"{action}Result"]["Credentials"]
            key = AccessKey(
                access_key_id=found["AccessKeyId"],
                secret_access_key=found["SecretAccessKey"],
                session_token=found["SessionToken"],
            )
            document = msgspec.json.encode(key).decode()
            read_access_key(document)
            lifetime_s = float(found["Expiration"]) - self._clock.now_us() / 1_000_000
        except (KeyError, TypeError, ValueError, InvalidRequestError):
            raise endpoint.unreadable() from None
        return Grant(token=document, lifetime_s=bounded_lifetime(lifetime_s))


def _read(document: str) -> AccessKey:
    try:
        return read_access_key(document)
    except InvalidRequestError as error:
        raise _unusable(error.message, "invalid_key_format") from None


def _region(credential: Credential) -> str:
    """Return the region that is called: what a credential says of itself, else what its address says."""
    region = credential.settings.get("region") or BEDROCK.region_of(credential.origin)
    if not region:
        raise _unusable(
            "The credential's address does not tell its AWS region; give it the setting region.", "region_missing"
        )
    return region


def _sts(region: str) -> str:
    return f"https://sts.{region}.amazonaws.com{'.cn' if region.startswith(_CHINA) else ''}"


def _unusable(message: str, code: str) -> ProviderError:
    return ProviderError(message, error_class=ErrorClass.AUTH_FAILED, sent=False, code=code)
