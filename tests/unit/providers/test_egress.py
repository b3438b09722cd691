"""Origins have one reading; addresses that are not public are not connected to."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError, PolicyDenied
from keystead.providers.egress import EgressGuard, parse_origin
from tests.fakes.special_addresses import SPECIAL_V4, SPECIAL_V6

CLOSED = EgressGuard(())

SPECIAL: tuple[IPv4Network | IPv6Network, ...] = (*SPECIAL_V4, *SPECIAL_V6)


def allowed(guard: EgressGuard, address: str, *, port: int = 443, host: str = "x.example") -> bool:
    try:
        guard.check_address(address, port=port, host=host)
    except PolicyDenied:
        return False
    return True


@st.composite
def special_addresses(draw: st.DrawFn) -> str:
    network = draw(st.sampled_from(SPECIAL))
    offset = draw(st.integers(0, network.num_addresses - 1))
    return str(network[offset])


@given(special_addresses())
def test_no_address_of_a_special_block_is_connected_to(address: str) -> None:
    assert not allowed(CLOSED, address)


@given(special_addresses().filter(lambda text: "." in text and ":" not in text))
def test_a_special_ipv4_address_inside_an_ipv6_one_is_not_either(address: str) -> None:
    number = int(IPv4Address(address))
    for embedded in (
        number,  # IPv4-compatible
        0xFFFF << 32 | number,  # mapped
        int(IPv6Address("64:ff9b::")) | number,  # NAT64
        int(IPv6Address("64:ff9b:1::")) | number,  # local NAT64
        int(IPv6Address("2002::")) | number << 80,  # 6to4
        int(IPv6Address("2001::")) | number ^ 0xFFFFFFFF,  # Teredo
    ):
        assert not allowed(CLOSED, str(IPv6Address(embedded)))


@pytest.mark.parametrize("network", SPECIAL, ids=str)
def test_both_ends_of_every_special_block_are_refused(network: IPv4Network | IPv6Network) -> None:
    assert not allowed(CLOSED, str(network[0]))
    assert not allowed(CLOSED, str(network[-1]))


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "104.18.7.192",
        "172.32.0.1",
        "100.128.0.1",
        "168.63.129.17",
        "192.0.1.1",
        "223.255.255.255",
        "2606:4700::6812:7c0",
        "2a00:1450:4001::200a",
        "2001:4860:4860::8888",
        "64:ff9b::808:808",
    ],
)
def test_public_addresses_are(address: str) -> None:
    assert allowed(CLOSED, address)


@given(st.integers(0, 2**128 - 1))
def test_no_ipv6_address_outside_global_unicast_is_but_for_public_nat64(number: int) -> None:
    address = IPv6Address(number)
    if address not in IPv6Network("2000::/3") and address not in IPv6Network("64:ff9b::/96"):
        assert not allowed(CLOSED, str(address))


@pytest.mark.parametrize("text", ["", "x", "127.0.0.1 ", "fe80::1%eth0", "2606:4700::1%25eth0", "1.2.3", "0x7f.1"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    assert not allowed(CLOSED, text)


# The allow-list


@pytest.mark.parametrize(
    ("entry", "address", "port", "host"),
    [
        ("127.0.0.1", "127.0.0.1", 1, "127.0.0.1"),
        ("127.0.0.1:8000", "127.0.0.1", 8000, "127.0.0.1"),
        ("10.0.0.0/8", "10.9.9.9", 443, "any.example"),
        ("10.0.0.0/8:8000", "10.9.9.9", 8000, "any.example"),
        ("::1", "::1", 8000, "::1"),
        ("[::1]", "::1", 8000, "::1"),
        ("[::1]:8000", "::1", 8000, "::1"),
        ("[fd00::/8]:8000", "fd00::7", 8000, "any.example"),
        ("fd00::/8", "fd00::7", 8000, "any.example"),
        ("vllm.internal", "10.0.0.5", 8000, "vllm.internal"),
        ("VLLM.Internal:8000", "192.168.1.5", 8000, "vllm.internal"),
        ("vllm.internal", "127.0.0.1", 8000, "vllm.internal"),
        ("169.254.169.254", "169.254.169.254", 80, "169.254.169.254"),
    ],
)
def test_an_entry_opens_what_it_names(entry: str, address: str, port: int, host: str) -> None:
    assert allowed(EgressGuard((entry,)), address, port=port, host=host)


@pytest.mark.parametrize(
    ("entry", "address", "port", "host"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8001, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.2", 8000, "127.0.0.2"),
        ("127.0.0.1", "::ffff:127.0.0.1", 8000, "x.example"),
        ("10.0.0.0/8:8000", "10.9.9.9", 443, "any.example"),
        ("vllm.internal:8000", "10.0.0.5", 443, "vllm.internal"),
        ("vllm.internal", "10.0.0.5", 8000, "other.internal"),
        ("vllm.internal", "10.0.0.5", 8000, "vllm.internal.evil.example"),
        ("vllm.internal", "169.254.169.254", 80, "vllm.internal"),
        ("vllm.internal", "168.63.129.16", 80, "vllm.internal"),
        ("vllm.internal", "100.100.100.200", 80, "vllm.internal"),
        ("vllm.internal", "fd00:ec2::254", 80, "vllm.internal"),
        ("vllm.internal", "fe80::1", 80, "vllm.internal"),
        ("vllm.internal", "0.0.0.0", 80, "vllm.internal"),
        ("vllm.internal", "224.0.0.1", 80, "vllm.internal"),
    ],
)
def test_an_entry_opens_nothing_else(entry: str, address: str, port: int, host: str) -> None:
    assert not allowed(EgressGuard((entry,)), address, port=port, host=host)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "host:",
        "host:0",
        "host:65536",
        "host:x",
        "http://host",
        "host/path",
        "10.0.0.0/33",
        "a b",
        "*.example",
        "user@host",
        "host:٣",
        "exämple",
        "[::1",
        "[1.2.3.4]",
        "[host]:80",
        "host:80:90",
    ],
)
def test_an_entry_that_is_none_is_refused_at_start(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        EgressGuard((entry,))


# Origins


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://api.openai.com", "https://api.openai.com"),
        ("https://api.openai.com/", "https://api.openai.com"),
        ("https://API.OpenAI.com:443", "https://api.openai.com"),
        ("https://api.openai.com:8443", "https://api.openai.com:8443"),
        ("https://8.8.8.8", "https://8.8.8.8"),
        ("https://[2606:4700:0:0::6812:7C0]", "https://[2606:4700::6812:7c0]"),
        ("https://[2606:4700::1]:8443", "https://[2606:4700::1]:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://my_vllm", "https://my_vllm"),
    ],
)
def test_an_origin_has_one_normal_form(text: str, normal: str) -> None:
    assert CLOSED.check_origin(text) == normal
    assert parse_origin(normal).text == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.openai.com",
        "//api.openai.com",
        "https:api.openai.com",
        "https:/api.openai.com",
        "https:///api.openai.com",
        "HTTPS://api.openai.com",
        "ftp://api.openai.com",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "javascript:alert(1)",
        "https://api.openai.com/v1",
        "https://api.openai.com//",
        "https://api.openai.com?x",
        "https://api.openai.com#x",
        "https://api.openai.com/#@evil.example",
        "https://api.openai.com#@evil.example",
        "https://api.openai.com?@evil.example",
        "https://api.openai.com\\@evil.example",
        "https://evil.example\\.openai.com",
        "https://api.openai.com\\",
        "https:\\\\api.openai.com",
        "https://user@api.openai.com",
        "https://user:pass@api.openai.com",
        "https://@api.openai.com",
        "https://api.openai.com@evil.example",
        "https://api.openai.com:443@evil.example",
        "https://api.openai.com:",
        "https://api.openai.com:0",
        "https://api.openai.com:0443",
        "https://api.openai.com:65536",
        "https://api.openai.com:443:443",
        "https://api.openai.com:+443",
        "https://api.openai.com:\uff14\uff14\uff13",
        "https://api.openai.com.",
        "https://.api.openai.com",
        "https://api..openai.com",
        "https://-api.openai.com",
        "https://api-.openai.com",
        "https://api.openai.com\t",
        "https://api.openai.com\n",
        "https://api.open\tai.com",
        "https://api.open\nai.com",
        " https://api.openai.com",
        "https://api.openai.com ",
        "https://api.openai.com\x00",
        "https://api.openai.com%2eevil.example",
        "https://%61pi.openai.com",
        "https://api\uff0eopenai\uff0ecom",
        "https://api。openai.com",
        "https://\uff41pi.openai.com",
        "https://bücher.example",
        "https://ⓔvil.example",
        "https://0x7f.1",
        "https://0x7f000001",
        "https://2130706433",
        "https://017700000001",
        "https://127.1",
        "https://127.0.1",
        "https://0177.0.0.1",
        "https://0x7f.0.0.1",
        "https://127.0.0.01",
        "https://256.1.1.1",
        "https://1.2.3.4.5",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "https://x.0x7f",
        "https://[::1",
        "https://::1",
        "https://[::1%25eth0]",
        "https://[fe80::1%eth0]",
        "https://[1.2.3.4]",
        "https://[v1.x]",
        "https://[]",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 127}example",
    ],
)
def test_an_origin_with_two_readings_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        CLOSED.check_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://127.0.0.1",
        "https://10.0.0.1:8443",
        "https://169.254.169.254",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[64:ff9b::7f00:1]",
        "https://[2002:7f00:1::]",
        "https://[::127.0.0.1]",
        "https://0.0.0.0",
        "https://168.63.129.16",
    ],
)
def test_a_literal_private_origin_is_denied_unless_allowed(text: str) -> None:
    with pytest.raises(PolicyDenied):
        CLOSED.check_origin(text)
    host = parse_origin(text).host
    assert EgressGuard((host,)).check_origin(text) == parse_origin(text).text


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("http://vllm.internal:8000", "vllm.internal"),
        ("http://vllm.internal:8000", "vllm.internal:8000"),
        ("http://127.0.0.1:11434", "127.0.0.0/8:11434"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://8.8.8.8", "8.8.8.8"),
    ],
)
def test_plain_http_goes_only_where_the_operator_allowed_it(text: str, entry: str) -> None:
    assert EgressGuard((entry,)).check_origin(text) == text
    with pytest.raises((InvalidRequestError, PolicyDenied)):
        CLOSED.check_origin(text)


def test_a_network_entry_does_not_open_plain_http_to_a_name() -> None:
    with pytest.raises(InvalidRequestError, match="Plain http"):
        EgressGuard(("10.0.0.0/8",)).check_origin("http://vllm.internal")


@given(st.text(max_size=60))
def test_whatever_is_accepted_is_plain_ascii_and_stable(text: str) -> None:
    try:
        origin = parse_origin(f"https://{text}")
    except InvalidRequestError:
        return
    assert origin.text.isascii()
    assert parse_origin(origin.text) == origin
    assert not set(origin.host) & set("@/\\?#% \t\r\n")
    if origin.address is not None:
        assert str(ip_address(origin.address)) == origin.host
