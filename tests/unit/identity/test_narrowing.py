"""Source networks as people write them."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.identity.narrowing import source_networks


def test_networks_come_in_one_form_each_once() -> None:
    assert source_networks(["10.0.0.0/8", "192.0.2.7", "2001:DB8:0::/32", "10.0.0.0/8"]) == (
        "10.0.0.0/8",
        "192.0.2.7/32",
        "2001:db8::/32",
    )


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "10.0.0.0/33", "localhost", "10.0.0.0/8\n", "::ffff:10.0.0.0/104", "0x0a.0.0.0", "1.2.3"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        source_networks([text])
    assert (refused.value.code, refused.value.param) == ("network_invalid", "networks")


@given(st.text(max_size=40))
def test_whatever_is_written_is_a_network_or_refused(text: str) -> None:
    try:
        (found,) = source_networks([text])
    except InvalidRequestError:
        return
    assert str(ip_network(found)) == found
