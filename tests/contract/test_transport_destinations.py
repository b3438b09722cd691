"""Where the transport over the network may connect, and whom it trusts."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keystead.domain.traffic import ErrorClass
from tests.fakes.exchange import LIMIT, failure, proven, request, transport
from tests.fakes.provider import FakeProvider


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


async def test_a_name_that_does_not_resolve_was_not_sent() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(8, "nodename nor servname provided")

    lost = transport(lookup=unknown)
    error = await failure(lost, request("https://api.example.com"))
    assert (error.error_class, error.sent, error.code) == (ErrorClass.UNREACHABLE, False, "dns_failed")
    await lost.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "64:ff9b::7f00:1", "fe80::1"])
async def test_a_name_that_resolves_to_a_private_address_is_not_connected_to(fake: FakeProvider, address: str) -> None:
    async def private(host: str, port: int) -> Sequence[str]:
        return (address,)

    guarded = transport(allow=(), lookup=private)
    error = await failure(guarded, request(f"https://evil.example:{fake.port}"))
    assert (error.error_class, error.sent, error.code) == (ErrorClass.UNREACHABLE, False, "egress_denied")
    assert fake.connections == 0
    await guarded.close()


async def test_a_literal_private_address_is_refused_before_a_socket_is_made(fake: FakeProvider) -> None:
    guarded = transport(allow=())
    for origin in (f"https://127.0.0.1:{fake.port}", fake.origin, f"https://[::ffff:127.0.0.1]:{fake.port}"):
        error = await failure(guarded, request(origin))
        assert not error.sent
        assert error.code in {"egress_denied", "invalid_origin"}
    assert fake.connections == 0
    await guarded.close()


async def test_a_rebinding_name_never_leads_to_a_private_address(fake: FakeProvider) -> None:
    answers = iter([("203.0.113.1",), ("127.0.0.1",), ("127.0.0.1",)])
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    guarded = transport(allow=("203.0.113.0/24",), lookup=rebinding, connect_timeout_s=0.2)
    # The documentation network is not routed: the first answer is pinned, and the connect fails there.
    first = await failure(guarded, request(f"https://rebind.example:{fake.port}"))
    assert not first.sent
    assert asked == ["rebind.example"]
    await guarded.close()
    fresh = transport(allow=("203.0.113.0/24",), lookup=rebinding, connect_timeout_s=0.2)
    second = await failure(fresh, request(f"https://rebind.example:{fake.port}"))
    assert second.code == "egress_denied"
    assert fake.connections == 0
    await fresh.close()


async def test_an_allowed_name_reaches_its_private_address(fake: FakeProvider) -> None:
    async def private(host: str, port: int) -> Sequence[str]:
        return ("127.0.0.1",)

    allowed = transport(allow=(f"vllm.internal:{fake.port}",), lookup=private)
    response = await allowed.open(*proven(request(f"http://vllm.internal:{fake.port}")))
    assert response.status == 200
    await response.body(LIMIT)
    assert fake.calls[0].header("host") == f"vllm.internal:{fake.port}"
    error = await failure(allowed, request(fake.origin))
    assert error.code == "egress_denied"  # the name is allowed, the bare address is not
    await allowed.close()


# TLS


def authority(folder: Path, *, name: str, days_left: int = 1) -> tuple[ssl.SSLContext, Path]:
    """Make a self-signed certificate for `name`; return the server's context and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(days=days_left))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return context, chain


async def loopback(host: str, port: int) -> Sequence[str]:
    return ("127.0.0.1",)


async def test_tls_is_verified_against_the_given_authorities_and_the_name(tmp_path: Path) -> None:
    server, chain = authority(tmp_path, name="api.example")
    async with FakeProvider(tls=server) as fake:
        trusting = transport(allow=("api.example", "other.example"), lookup=loopback, ca_file=chain)
        response = await trusting.open(*proven(request(f"https://api.example:{fake.port}")))
        assert response.status == 200
        await response.body(LIMIT)
        wrong_name = await failure(trusting, request(f"https://other.example:{fake.port}"))
        assert (wrong_name.sent, wrong_name.code) == (False, "tls_certificate")
        await trusting.close()
        strict = transport(allow=("api.example",), lookup=loopback)
        unknown = await failure(strict, request(f"https://api.example:{fake.port}"))
        assert (unknown.sent, unknown.code) == (False, "tls_certificate")
        await strict.close()
        assert len(fake.calls) == 1


async def test_a_certificate_that_has_expired_is_none(tmp_path: Path) -> None:
    server, chain = authority(tmp_path, name="api.example", days_left=-1)
    async with FakeProvider(tls=server) as fake:
        trusting = transport(allow=("api.example",), lookup=loopback, ca_file=chain)
        expired = await failure(trusting, request(f"https://api.example:{fake.port}"))
        assert (expired.sent, expired.code) == (False, "tls_certificate")
        await trusting.close()
        assert fake.calls == []


async def test_https_to_a_plain_server_was_not_sent(fake: FakeProvider) -> None:
    plain = transport(allow=("api.example",), lookup=loopback)
    error = await failure(plain, request(f"https://api.example:{fake.port}"))
    assert not error.sent
    assert error.error_class is ErrorClass.UNREACHABLE
    assert not fake.calls
    await plain.close()
