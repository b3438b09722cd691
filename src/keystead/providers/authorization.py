"""What proves a caller to a provider: the key itself in a header, or something made from it.

Which of them a provider takes is data in its row (`Provider.scheme`). An authorizer is asked once for each attempt,
after the key is leased and before anything is sent; the transport adds what it answers to the request, and takes the
secrets among it out of what the provider says.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from keystead.domain.credential import Credential
from keystead.domain.secret import Secret
from keystead.providers.request import UpstreamRequest
from keystead.providers.row import Provider, Scheme


class Authorized(msgspec.Struct, frozen=True, kw_only=True):
    """Proof for one request. Like the key, it is dropped with the attempt."""

    headers: tuple[tuple[str, str], ...]
    """What proves the caller to the provider; sent after the request's own."""
    hidden: tuple[str, ...]
    """The secrets that must not appear in an answer. The first is what the provider was shown, or was made from."""

    def __repr__(self) -> str:
        """Return nothing of them."""
        return "Authorized(…)"


class Authorizer(Protocol):
    """A way to prove a caller."""

    async def authorize(self, request: UpstreamRequest, credential: Credential, secret: Secret) -> Authorized:
        """Return what `request` must carry. `secret` is the key that `credential` was given, as it was given.

        Raises:
            ProviderError: no proof can be had; nothing was sent to the provider. Its class says whose fault that is.
        """


class Authorizers:
    """The way of each scheme; whoever has none is shown the key itself."""

    def __init__(
        self, ways: Mapping[Scheme, Authorizer], *, forget: Callable[[Credential], None] = lambda _credential: None
    ) -> None:
        """Take the ways other than the plain one; `forget` is told of a credential whose proof was refused."""
        self._ways = ways
        self._forget = forget

    async def authorize(
        self, provider: Provider, request: UpstreamRequest, credential: Credential, secret: Secret
    ) -> Authorized:
        """Return what `request` to `provider` must carry.

        Raises:
            ProviderError: see `Authorizer`.
        """
        way = self._ways.get(provider.scheme)
        if way is None:  # the plain way waits for nothing
            return with_key(request, secret)
        return await way.authorize(request, credential, secret)

    def refused(self, credential: Credential) -> None:
        """Take note that the provider did not take the proof: the next one is made anew."""
        self._forget(credential)


def with_key(request: UpstreamRequest, secret: Secret) -> Authorized:
    """Put the key itself into the header that the request's dialect carries it in."""
    key = secret.reveal()
    return Authorized(headers=((request.auth.header, request.auth.prefix + key),), hidden=(key,))
