"""The blocks that nobody may connect to: written down a second time, not taken from the code under test.

https://www.iana.org/assignments/iana-ipv4-special-registry and …-ipv6-special-registry, the multicast blocks, and the
clouds' own addresses.
"""

from ipaddress import IPv4Network, IPv6Network
from typing import Final

SPECIAL_V4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
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
        "255.255.255.255/32",
        "168.63.129.16/32",
        "169.254.169.254/32",
        "100.100.100.200/32",
    )
)
SPECIAL_V6: Final = tuple(
    IPv6Network(block)
    for block in (
        "::/128",
        "::1/128",
        "::ffff:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2001::/32",
        "2001:2::/48",
        "2001:db8::/32",
        "2001:10::/28",
        "2001:20::/28",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
        "fec0::/10",
        "::/96",
        "fd00:ec2::254/128",
    )
)
