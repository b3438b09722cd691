"""What a virtual key is narrowed to: it only ever takes away from what its owner is granted. Pure."""

from collections.abc import Iterable
from ipaddress import IPv6Network, ip_network
from typing import Final

import msgspec

from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import CredentialId
from keystead.domain.traffic import Endpoint

_MAPPED: Final = IPv6Network("::ffff:0:0/96")


class Narrowing(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may at most be used for; None (or an empty data class) does not narrow. See `domain.access`."""

    models: tuple[str, ...] | None = None
    credential_ids: tuple[CredentialId, ...] | None = None
    endpoints: tuple[Endpoint, ...] | None = None
    networks: tuple[str, ...] | None = None
    data_class: str = ""
    max_output_tokens: int | None = None
    expires_at: int | None = None


def source_networks(written: Iterable[str]) -> tuple[str, ...]:
    """Return source networks in their normal form (`10.0.0.0/8`; one address is a network of one), each once.

    Raises:
        InvalidRequestError: `network_invalid`. Bits beyond the prefix are a slip of the pen in one of the two, and an
            IPv4 network in IPv6 clothes would match nothing: callers are compared by the address they really have.
    """
    found: dict[str, None] = {}
    for text in written:
        try:
            network = ip_network(text)
        except ValueError:
            raise _invalid(text) from None
        if isinstance(network, IPv6Network) and network.overlaps(_MAPPED) and network.prefixlen >= _MAPPED.prefixlen:
            raise _invalid(text)
        found[str(network)] = None
    return tuple(found)


def _invalid(text: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{text[:64]!r} is not a network.",
        code="network_invalid",
        param="networks",
        next_step="Write CIDR without bits beyond the prefix: 10.0.0.0/8, 2001:db8::/32, or one address.",
    )
