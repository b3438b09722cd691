"""Walk the attempt: lease the key, build the request, open the upstream. The only importer of the vault's lease."""

import asyncio
from collections.abc import Callable

from keystead.domain.errors import KeysteadError
from keystead.gateway.departure import ClientLeftError
from keystead.gateway.flight import Flight
from keystead.gateway.outgoing import outgoing
from keystead.providers import request
from keystead.providers.transport import Transport
from keystead.vault.lease import LeaseDoor


class Dispatch:
    """Sends attempts to their providers."""

    def __init__(self, *, lease_door: LeaseDoor, transport_for: Callable[[str], Transport]) -> None:
        """Wire the door to plaintext and the transports (`transport_for` takes a provider's name)."""
        self._lease_door = lease_door
        self._transport_for = transport_for

    async def launch(self, flight: Flight) -> None:
        """Ask the provider and hand the response's head to the flight.

        Raises:
            KeysteadError: the vault, the request or the provider failed; the flight has ended and is recorded.
            ClientLeftError: the client left while the provider had not answered; the same holds.
        """
        plan, ask = flight.plan, flight.ask
        try:
            out = outgoing(ask, plan)
            upstream = request.build(
                plan.provider,
                plan.credential,
                dialect=ask.dialect,
                endpoint=ask.endpoint,
                path_tail=ask.tail,
                method=ask.method,
                model=plan.model,
                query=ask.query.decode("latin-1"),
                client_headers=ask.headers.items(),
                body=out.body,
            )
            secret = await self._lease_door.lease(plan.credential, plan.version)
            response = await self._transport_for(plan.provider.name).open(upstream, secret)
        except KeysteadError as error:
            await flight.fail(error)
            raise
        except asyncio.CancelledError:
            await flight.cancel()
            if flight.client_left and flight.gave_up_waiting():
                raise ClientLeftError from None
            raise
        flight.answered(response, withhold_usage=out.withhold_usage)
