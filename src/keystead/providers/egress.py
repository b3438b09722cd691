r"""Where requests may go: what an origin is, and which addresses a socket may connect to. Pure.

Two checks, at two moments:

    1. `check_origin`, when a credential is stored: the text has one strict reading, or it is refused. Parsers that
       disagree about `https://a\@b`, `0x7f.1` or full-width digits are how destinations get smuggled past a check.
    2. `check_address`, when a socket connects: the numeric address is judged, so neither DNS nor a clever
       spelling can lead to a private network.

The deny table is our own. Python's `ipaddress.is_global` (3.11) calls NAT64 and 6to4 forms of loopback, multicast
and Azure's wire server 168.63.129.16 global. Here, an IPv4 address is refused if it lies in any special-purpose
block of the IANA registry, and an IPv6 address unless it is plain global unicast (or NAT64 of an allowed IPv4
address, which is how IPv6-only networks reach IPv4 providers).
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from keystead.domain.errors import InvalidRequestError, PolicyDenied

# https://www.iana.org/assignments/iana-ipv4-special-registry, multicast, and cloud platform services.
_DENIED_V4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure wire server
        "169.254.0.0/16",  # link-local; the clouds' metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# https://www.iana.org/assignments/iana-ipv6-special-registry, as far as it lies inside 2000::/3.
_DENIED_V6: Final = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments: Teredo (embeds IPv4), benchmarking, ORCHID …
        "2001:db8::/32",
        "2002::/16",  # 6to4: embeds IPv4
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")

# What an allow-list entry by *name* can open. Metadata services and the like must be named by address: whoever
# controls the DNS of an allowed name must not thereby reach them.
_NAMEABLE: Final = tuple(
    ip_network(block)
    for block in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
_METADATA: Final = (ip_address("fd00:ec2::254"), ip_address("fd20:ce::254"), ip_address("100.100.100.200"))

_ORIGIN: Final = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([1-9][0-9]{0,4}))?/?")
_RULE: Final = re.compile(r"(?:\[([0-9A-Fa-f:./]+)\]|([A-Za-z0-9._/-]+))(?::([1-9][0-9]{0,4}))?")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# A last label like these makes the whole host a number for some parser (WHATWG URL, inet_aton).
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_MAX_HOST_LENGTH: Final = 253


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A destination in its one normal form."""

    scheme: str
    host: str
    """Lower case; an IPv6 address without brackets."""
    port: int
    address: str | None
    """The host, where it is a literal address."""

    @property
    def text(self) -> str:
        """The normal form: lower case, no default port, no trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")


def parse_origin(text: str) -> Origin:
    """Read scheme, host and port strictly.

    Raises:
        InvalidRequestError: anything but `http(s)://host[:port]` in ASCII: a path, a user, a backslash, a numeric
            host that is not a plain address, a trailing dot, a zone id …
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise _bad_origin("It takes the form https://host or https://host:port, without path, user or query.")
    scheme, host = match[1], match[2].lower()
    port = int(match[3]) if match[3] else _DEFAULT_PORTS[scheme]
    if port > 65535:
        raise _bad_origin("The port is out of range.")
    address = _literal(host)
    if address is not None:
        return Origin(scheme=scheme, host=str(address), port=port, address=str(address))
    labels = host.split(".")
    if len(host) > _MAX_HOST_LENGTH or any(_LABEL.fullmatch(label) is None for label in labels):
        raise _bad_origin("The host name is not valid.")
    return Origin(scheme=scheme, host=host, port=port, address=None)


class EgressGuard:
    """The operator's allow-list over the deny table."""

    def __init__(self, allow: tuple[str, ...]) -> None:
        """Take entries `host`, `host:port`, address or CIDR, each optionally with `:port` (IPv6 in brackets then).

        Raises:
            ValueError: an entry is none of these.
        """
        rules = [_parse_rule(entry) for entry in allow]
        self._hosts = frozenset((where, port) for where, port in rules if isinstance(where, str))
        self._networks = tuple((where, port) for where, port in rules if not isinstance(where, str))

    def check_origin(self, origin: str) -> str:
        """Return the normal form of `origin` if a credential may point there.

        Raises:
            InvalidRequestError: it is not an origin, or it is plain http to a place the operator did not allow.
            PolicyDenied: it is a literal address of a private or special network.
        """
        parsed = parse_origin(origin)
        if parsed.address is not None:
            self.check_address(parsed.address, port=parsed.port, host=parsed.host)
        if parsed.scheme == "http" and not self._named(parsed):
            raise InvalidRequestError(
                "Plain http is for endpoints the operator allowed by name or address; use https.",
                code="insecure_origin",
                param="origin",
                next_step="Use https, or ask the operator to add the host to KEYSTEAD_EGRESS_ALLOW.",
            )
        return parsed.text

    def check_address(self, address: str, *, port: int, host: str) -> None:
        """Let a socket connect to `address`, which `host` resolved to (or is).

        Raises:
            PolicyDenied: the address is not on the public Internet and the operator did not allow it.
        """
        ip = _address(address)
        if ip is None or not self._allowed(ip, port, host):
            raise PolicyDenied(
                "The endpoint's address is in a private or special network.",
                code="egress_denied",
                next_step="Ask the operator to add it to KEYSTEAD_EGRESS_ALLOW, if it should be reached.",
            )

    def _allowed(self, ip: IPv4Address | IPv6Address, port: int, host: str) -> bool:
        if _is_public(ip) or any(ip in network and rule in {None, port} for network, rule in self._networks):
            return True
        named = (host, None) in self._hosts or (host, port) in self._hosts
        return named and ip not in _METADATA and any(ip in network for network in _NAMEABLE)

    def _named(self, origin: Origin) -> bool:
        if origin.address is None:
            return (origin.host, None) in self._hosts or (origin.host, origin.port) in self._hosts
        ip = ip_address(origin.address)
        return any(ip in network and port in {None, origin.port} for network, port in self._networks)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in _DENIED_V4)
    if ip in _NAT64:
        return _is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _GLOBAL_UNICAST and not any(ip in block for block in _DENIED_V6)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `host` spells, None for a name; refuse what only some parsers take for an address."""
    if host.startswith("["):
        address = _address(host[1:-1])
        if not isinstance(address, IPv6Address):
            raise _bad_origin("The IPv6 address is not valid.")
        return address
    if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]) is None:
        return None
    address = _address(host)
    if address is None:
        raise _bad_origin("A numeric host must be an IPv4 address in its usual form.")
    return address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if "%" in text:  # a zone id names an interface of this machine
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def _parse_rule(entry: str) -> tuple[str | IPv4Network | IPv6Network, int | None]:
    """Read one allow-list entry as (host or network, port or None for any)."""
    bare = _network(entry)
    if bare is not None:  # also a bare IPv6 address, whose colons are no port
        return bare, None
    match = _RULE.fullmatch(entry)
    if match is not None:
        bracketed, plain, digits = match.groups()
        port = int(digits) if digits else None
        where = _network(bracketed or plain)
        if port is None or port <= 65535:
            if where is not None and (bracketed is None or isinstance(where, IPv6Network)):
                return where, port
            if plain and all(_LABEL.fullmatch(label) for label in plain.lower().split(".")):
                return plain.lower(), port
    raise ValueError(f"{entry!r} is not host, address or CIDR with an optional port")


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _bad_origin(why: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The endpoint address is not valid. {why}",
        code="invalid_origin",
        param="origin",
        next_step="Give the provider's endpoint as scheme, host and optional port.",
    )
