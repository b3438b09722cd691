"""T5: every special-purpose address is out of reach, also inside an IPv6 address.

Python's `ipaddress.is_global` calls NAT64 and 6to4 forms of loopback, multicast and Azure's wire server global.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import PolicyDenied
from keystead.providers.egress import EgressGuard
from tests.attacks.conftest import Stage
from tests.fakes.special_addresses import SPECIAL_V4, SPECIAL_V6

GUARD = EgressGuard(())
KEY = "sk-proj-attack-special-b1c9d7f3b9d5e2a4860"


def inside(networks: Sequence[IPv4Network | IPv6Network]) -> st.SearchStrategy[int]:
    return st.sampled_from(networks).flatmap(
        lambda network: st.integers(int(network.network_address), int(network.broadcast_address))
    )


def disguises(number: int, noise: int = 0) -> tuple[IPv6Address, ...]:
    """Return every IPv6 address that a translator or a tunnel takes for the IPv4 address `number`."""
    return (
        IPv6Address(number),  # ::a.b.c.d
        IPv6Address(0xFFFF << 32 | number),  # ::ffff:a.b.c.d
        IPv6Address(0xFFFF0000 << 32 | number),  # ::ffff:0:a.b.c.d (SIIT)
        IPv6Address(0x64FF9B << 96 | number),  # NAT64
        IPv6Address(0x64FF9B0001 << 80 | number),  # local-use NAT64
        IPv6Address(0x2002 << 112 | number << 80 | noise),  # 6to4
        IPv6Address(0x20010000 << 96 | noise << 32 | number ^ 0xFFFFFFFF),  # Teredo
        IPv6Address(0xFE80 << 112 | 0x5EFE << 32 | number),  # ISATAP
    )


def refused(address: object) -> bool:
    try:
        GUARD.check_address(str(address), port=443, host="provider.example")
    except PolicyDenied:
        return True
    return False


@given(inside(SPECIAL_V4))
def test_no_special_ipv4_address_is_connected_to(number: int) -> None:
    assert refused(IPv4Address(number))


@given(inside(SPECIAL_V6))
def test_no_special_ipv6_address_is_connected_to(number: int) -> None:
    assert refused(IPv6Address(number))


@given(inside(SPECIAL_V4), st.integers(0, 2**16 - 1))
def test_no_special_ipv4_address_is_reached_through_ipv6(number: int, noise: int) -> None:
    assert [str(form) for form in disguises(number, noise) if not refused(form)] == []


@given(inside(SPECIAL_V4))
def test_other_spellings_of_an_address_are_refused(number: int) -> None:
    address = IPv4Address(number)
    octets = str(address).split(".")
    for text in (
        str(number),
        hex(number),
        oct(number),
        ".".join(hex(int(o)) for o in octets),
        f"{address}.",
        f" {address}",
    ):
        assert refused(text)


@pytest.mark.parametrize("address", ["1.1.1.1", "104.18.7.192", "2606:4700::1", "64:ff9b::101:101"])
def test_the_public_internet_is_reached(address: str) -> None:
    assert not refused(address)


@pytest.mark.parametrize("address", ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "100.100.100.200"])
def test_an_allowed_name_does_not_open_a_metadata_service(address: str) -> None:
    guard = EgressGuard(("vllm.internal",))
    with pytest.raises(PolicyDenied):
        guard.check_address(address, port=80, host="vllm.internal")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("network", [*SPECIAL_V4, *SPECIAL_V6], ids=str)
async def test_the_gateway_keeps_no_key_for_a_special_address(stage: Stage, network: IPv4Network | IPv6Network) -> None:
    gateway, first = stage.gateway, network.network_address
    hidden = disguises(int(first)) if isinstance(first, IPv4Address) else ()
    for address in (first, network.broadcast_address, *hidden):
        host = f"[{address}]" if address.version == 6 else str(address)
        body = {"name": "special", "provider": "openai", "key": KEY, "origin": f"https://{host}", "force": True}
        told = await gateway.admin("POST", "/credentials", body, expect=403)
        assert told["code"] == "egress_denied"
