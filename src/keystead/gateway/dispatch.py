"""Walk the attempt: build the request, lease the key, prove the caller, open the upstream. The only importer of the vault's lease."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from keystead.domain.credential import Credential
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.departure import ClientLeftError
from keystead.gateway.embed import SeriesTranslation
from keystead.gateway.flight import Flight
from keystead.gateway.outgoing import Outgoing, outgoing
from keystead.gateway.series import Series
from keystead.providers import request
from keystead.providers.authorization import Authorizers
from keystead.providers.failures import FIRST_BYTE_TIMEOUT
from keystead.providers.sockets import Sockets
from keystead.providers.table import PROVIDERS
from keystead.providers.transport import Transport, UpstreamResponse
from keystead.vault.lease import LeaseDoor

_UNAUTHORIZED: Final = 401


class Dispatch:
    """Sends attempts to their providers."""

    def __init__(
        self,
        *,
        lease_door: LeaseDoor,
        authorizers: Authorizers,
        transport_for: Callable[[str], Transport],
        sockets: Sockets,
        total_timeout_s: float,
    ) -> None:
        """Wire the door to plaintext and the ways to providers (`transport_for` takes a provider's name).

        Several calls for one request may take `total_timeout_s` together.
        """
        self._lease_door = lease_door
        self._authorizers = authorizers
        self._transport_for = transport_for
        self._sockets = sockets
        self._total_timeout_s = total_timeout_s

    async def launch(self, flight: Flight) -> None:
        """Ask the provider and hand the response's head to the flight.

        Raises:
            KeysteadError: the vault, the request or the provider failed; the flight is for the caller to end.
            ClientLeftError: the client left while the provider had not answered; the flight has ended.
        """
        step = flight.step
        try:
            out = outgoing(flight.ask, step, flight.translation)
            response = await _in_time(self._open(flight, out), step.first_byte_timeout_s)
        except asyncio.CancelledError:
            await flight.cancel()
            if flight.client_left and flight.gave_up_waiting():
                raise ClientLeftError from None
            raise
        if response.status == _UNAUTHORIZED:
            self._authorizers.refused(step.credential)
        if isinstance(flight.translation, SeriesTranslation) and response.status < 400:
            response = self._series(flight, out, response, flight.translation.further)
        flight.answered(response, withhold_usage=out.withhold_usage)
        if flight.translation is not None and flight.answers:
            flight.translation.check(response.content_type)

    async def _open(self, flight: Flight, out: Outgoing) -> UpstreamResponse:
        """Send one call, with a proof of its own, and return its answer's head."""
        step, ask = flight.step, flight.ask
        dialect, endpoint = step.wire
        upstream = request.build(
            step.provider,
            step.credential,
            dialect=dialect,
            endpoint=endpoint,
            path_tail=out.tail,
            method=ask.method,
            model=step.model,
            query=out.query,
            stream=ask.stream,
            client_headers={**ask.headers, **out.headers}.items(),
            body=out.body,
            upload=ask.upload,
        )
        secret = await self._lease_door.lease(step.credential, step.version)
        authorized = await self._authorizers.authorize(step.provider, upstream, step.credential, secret)
        if endpoint is Endpoint.REALTIME:
            return await self._sockets.connect(upstream, authorized)
        return await self._transport_for(step.provider.name).open(upstream, authorized)

    def _series(
        self, flight: Flight, out: Outgoing, begun: UpstreamResponse, further: Sequence[bytes]
    ) -> UpstreamResponse:
        """Return the answer that all calls of a request make together."""

        def wanted() -> bool:
            if flight.client_left:  # what is asked is billed, and nobody would read it
                flight.abort()
            return not flight.client_left

        return Series(
            begun,
            further,
            provider=flight.step.provider.name,
            ask=lambda body: self._open(flight, msgspec.structs.replace(out, body=body)),
            wanted=wanted,
            total_timeout_s=self._total_timeout_s,
        )

    async def look(self, credential: Credential, dialect: Dialect, endpoint: Endpoint, tail: str) -> UpstreamResponse:
        """Look at what is stored under a credential, for the gateway itself and no caller.

        Raises:
            KeysteadError: the vault or the provider failed.
        """
        assert credential.active is not None, "a credential of the snapshot that is looked with is usable"
        provider = PROVIDERS[credential.provider]
        upstream = request.build(provider, credential, dialect=dialect, endpoint=endpoint, path_tail=tail, method="GET")
        secret = await self._lease_door.lease(credential, credential.active)
        authorized = await self._authorizers.authorize(provider, upstream, credential, secret)
        return await self._transport_for(provider.name).open(upstream, authorized)


async def _in_time(opening: Awaitable[UpstreamResponse], seconds: float | None) -> UpstreamResponse:
    """Wait for the answer's head, with less patience than the transport's own where a route has less."""
    if seconds is None:
        return await opening
    try:
        async with asyncio.timeout(seconds):
            return await opening
    except TimeoutError:
        raise FIRST_BYTE_TIMEOUT.error() from None
