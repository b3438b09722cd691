"""Access to Azure with Microsoft Entra ID: an application's secret or the gateway's own workload identity.

A credential with the settings `tenant_id` and `client_id` is an application's; its key is the client secret. Without
them its key is the resource's own, and goes out as it is.
"""

from typing import Final

from keystead.domain.credential import Credential
from keystead.domain.secret import Secret
from keystead.providers.authorization import Authorized, with_key
from keystead.providers.entra import ENTRA
from keystead.providers.identity import Identity, is_federated
from keystead.providers.request import UpstreamRequest
from keystead.providers.token_request import TokenEndpoint, bearer
from keystead.providers.tokens import Grant, TokenSource
from keystead.providers.transport import Transport

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class EntraAccess:
    """The authorizer of Azure's AI resources."""

    def __init__(
        self, *, transport: Transport, tokens: TokenSource, identity: Identity, public_origin: str = ENTRA["public"][0]
    ) -> None:
        """Ask for tokens over `transport`; `public_origin` is the authority of the public cloud."""
        self._transport = transport
        self._tokens = tokens
        self._identity = identity
        self._public_origin = public_origin

    async def authorize(self, request: UpstreamRequest, credential: Credential, secret: Secret) -> Authorized:
        """Return what `request` must carry: an access token, or the resource's own key."""
        if "client_id" not in credential.settings:
            return with_key(request, secret)

        async def fetch() -> Grant:
            return await self._granted(credential, secret)

        return bearer(await self._tokens.token(credential, fetch))

    async def _granted(self, credential: Credential, secret: Secret) -> Grant:
        settings = credential.settings
        cloud = settings.get("cloud", "public")
        origin, scope = ENTRA[cloud]
        endpoint = TokenEndpoint(
            title="Microsoft Entra ID",
            origin=self._public_origin if cloud == "public" else origin,
            target=f"/{settings['tenant_id']}/oauth2/v2.0/token",
        )
        if is_federated(credential):
            proof = self._identity.entra()
            form = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": proof}
        else:
            proof = secret.reveal()
            form = {"client_secret": proof}
        form |= {"grant_type": "client_credentials", "client_id": settings["client_id"], "scope": scope}
        return endpoint.grant(await endpoint.ask(self._transport, form=form, hidden=(proof,)))
