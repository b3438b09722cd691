from typing import Any

import pytest

from keystead.web.edge import HeadRefusedError, read_head

HOSTS = frozenset({b"127.0.0.1", b"localhost", b"[::1]", b"gateway.example:8443"})


def scope(*headers: tuple[bytes, bytes], version: str = "1.1") -> dict[str, Any]:
    return {"type": "http", "http_version": version, "headers": list(headers)}


@pytest.mark.parametrize(
    "host", [b"127.0.0.1", b"127.0.0.1:5397", b"LOCALHOST:80", b"[::1]", b"[::1]:5397", b"gateway.example:8443"]
)
def test_our_own_names_are_answered(host: bytes) -> None:
    assert read_head(scope((b"host", host)), HOSTS)[b"host"] == host


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"evil.example",
        b"localhost/#@evil",
        b"localhost?x=",
        b"127.0.0.1:80:80",
        b"gateway.example",
        b"localhost.evil",
    ],
)
def test_any_other_host_is_refused(host: bytes) -> None:
    with pytest.raises(HeadRefusedError):
        read_head(scope((b"host", host)), HOSTS)


def test_no_host_is_refused() -> None:
    with pytest.raises(HeadRefusedError):
        read_head(scope(), HOSTS)


@pytest.mark.parametrize("name", [b"host", b"authorization", b"x-api-key", b"content-length", b"content-type"])
def test_a_doubled_header_with_one_meaning_is_refused(name: bytes) -> None:
    with pytest.raises(HeadRefusedError):
        read_head(scope((b"host", b"localhost"), (name, b"localhost"), (name, b"localhost")), HOSTS)


def test_lines_of_a_list_header_are_one_list() -> None:
    headers = read_head(scope((b"host", b"localhost"), (b"anthropic-beta", b"a"), (b"anthropic-beta", b"b")), HOSTS)
    assert headers[b"anthropic-beta"] == b"a, b"


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    with pytest.raises(HeadRefusedError):
        read_head(scope((b"host", b"localhost"), (b"transfer-encoding", b"chunked"), version="1.0"), HOSTS)
