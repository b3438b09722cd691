"""The sockets under the transport: names resolved once, addresses checked, TLS verified.

A name is resolved by our resolver, every address it gives is checked, and the connector connects to exactly those
addresses: there is no second look-up that could answer differently (DNS rebinding, T6). The socket factory checks
again at the moment of connecting, also for literal addresses, which the connector does not send through the
resolver; without a known host it refuses.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Final

import truststore
from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from keystead.domain.errors import PolicyDenied
from keystead.providers.egress import EgressGuard

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → numeric addresses."""

destination_host: Final[ContextVar[str]] = ContextVar("destination_host")
"""The host that the running request is for: the connector makes its sockets in this context or a copy of it."""

_DNS_CACHE_S: Final = 30

_KEEP_ALIVE_S: Final = 15.0
"""How long an unused connection is kept. Well below the idle limit of the providers' edges (60 s and more), so
that a request is not written into a connection that the other side is just closing: a POST lost that way may have
been billed and cannot be sent again safely."""


class EgressRefusedError(OSError):
    """The address may not be connected to. An OSError, so that the connector takes it for a failed connection."""


class CheckedResolver(AbstractResolver):
    """Resolves a name and keeps the addresses that the guard lets through."""

    def __init__(self, guard: EgressGuard, lookup: Lookup) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the interface's; the connector asks for any
    ) -> list[ResolveResult]:
        """Return the allowed addresses of `host`.

        Raises:
            EgressRefusedError: it has addresses, and none is allowed.
            OSError: it cannot be resolved.
        """
        addresses = await self._lookup(host, port)
        allowed = [address for address in addresses if self._lets_through(address, port, host)]
        if addresses and not allowed:
            raise EgressRefusedError("no address may be connected to")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in allowed
        ]

    async def close(self) -> None:
        """Hold nothing."""

    def _lets_through(self, address: str, port: int, host: str) -> bool:
        try:
            self._guard.check_address(address, port=port, host=host)
        except PolicyDenied:
            return False
        return True


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Ask the operating system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


def connector(guard: EgressGuard, lookup: Lookup, ca_file: str) -> TCPConnector:
    """Return the pool of connections; it must be made in the event loop it serves."""

    def checked_socket(
        info: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[str | int | bytes, ...]],
    ) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        try:
            guard.check_address(str(sockaddr[0]), port=int(sockaddr[1]), host=destination_host.get(""))
        except PolicyDenied as error:
            raise EgressRefusedError("the address may not be connected to") from error
        return socket.socket(family, kind, protocol)

    return TCPConnector(
        ssl=tls_context(ca_file),
        resolver=CheckedResolver(guard, lookup),
        ttl_dns_cache=_DNS_CACHE_S,
        keepalive_timeout=_KEEP_ALIVE_S,
        # The gateway bounds requests in flight; a second, smaller bound here would only hide a queue.
        limit=0,
        socket_factory=checked_socket,
    )


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that verifies: with the system's authorities, or with those of `ca_file` alone."""
    context = ssl.create_default_context(cafile=ca_file) if ca_file else truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
