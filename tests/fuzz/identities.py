"""What identity providers answer: what they say of themselves, their keys, and tokens."""

import asyncio
import json
from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import OKPKey

from keystead.domain.errors import KeysteadError
from keystead.domain.secret import Secret
from keystead.identity import id_token
from keystead.providers.egress import EgressGuard
from keystead.web.console.relying_party import RelyingParty
from tests.fakes.clock import FakeClock
from tests.fuzz.documents import private_key
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target

_ISSUER: Final = "https://id.example"
_NOW_S: Final = 1_790_000_000


def targets() -> list[Target]:
    """Return a target for each of them."""
    return [
        Target("ID tokens", Shape.BYTES, _tokens, _check_token),
        Target("claims", Shape.JSON, lambda: [msgspec.json.encode(_claims())], _check_claims),
        Target("published keys", Shape.JSON, lambda: [msgspec.json.encode({"keys": [jwk()]})], _check_published),
        Target("discovery", Shape.JSON, _discoveries, _check_discovery),
    ]


def jwk() -> dict[str, Any]:
    return {**_signer().as_dict(private=False), "kid": "k1", "use": "sig", "alg": "EdDSA"}


@cache
def _signer() -> OKPKey:
    raw = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return OKPKey.import_key(raw)


def _claims() -> dict[str, Any]:
    return {
        "iss": _ISSUER,
        "aud": ["us"],
        "azp": "us",
        "sub": "u-1",
        "exp": _NOW_S + 300,
        "iat": _NOW_S,
        "nonce": "n",
        "email": "Ada@example.org",
        "email_verified": True,
        "amr": ["mfa"],
    }


def signed(payload: bytes) -> str:
    return jws.serialize_compact({"alg": "Ed25519", "kid": "k1"}, payload, _signer(), algorithms=["Ed25519"])


@cache
def _token() -> str:
    return signed(msgspec.json.encode(_claims()))


def _tokens() -> list[bytes]:
    return [_token().encode(), b"eyJhbGciOiJub25lIn0.e30.", signed(b"[" * 5_000).encode()]


def _read(token: str, keys: list[Any]) -> id_token.Identity:
    return id_token.read(token, keys, issuer=_ISSUER, client_id="us", nonce="n", now_s=_NOW_S)


def _check_token(data: bytes) -> None:
    with suppress(KeysteadError):
        assert _read(data.decode("latin-1"), [jwk()]).subject == "u-1", "somebody whom nobody named"


def _check_claims(data: bytes) -> None:
    with suppress(KeysteadError):
        assert _read(signed(data), [jwk()]).issuer == _ISSUER


class _Answers:
    """A transport that always answers the same."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers

    async def open(self, *_: Any) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

        async def body(_: int) -> bytes:
            return answer

        return SimpleNamespace(status=200, body=body)


def _entered(*answers: bytes) -> None:
    party = RelyingParty(
        transport=cast("Any", _Answers(list(answers))), guard=EgressGuard(()), clock=FakeClock(_NOW_S * 1_000_000)
    )

    async def enter() -> None:
        await party.departure(
            issuer=_ISSUER, client_id="us", return_address="https://a/", state="s", nonce="n", verifier="v"
        )
        await party.identity(
            issuer=_ISSUER,
            client_id="us",
            client_secret=Secret("secret"),
            return_address="https://a/",
            said_issuer=_ISSUER,
            code="c",
            nonce="n",
            verifier="v",
        )

    with suppress(KeysteadError):
        asyncio.run(enter())


def _discoveries() -> list[bytes]:
    return [
        json.dumps(
            {
                "issuer": _ISSUER,
                "authorization_endpoint": f"{_ISSUER}/authorize?p=1",
                "token_endpoint": f"{_ISSUER}/token",
                "jwks_uri": f"{_ISSUER}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "authorization_response_iss_parameter_supported": True,
                "id_token": "a.b.c",
                "keys": [],
            }
        ).encode()
    ]


def _check_discovery(data: bytes) -> None:
    _entered(data)
    _entered(_discoveries()[0], data)


def _check_published(data: bytes) -> None:
    _entered(_discoveries()[0], msgspec.json.encode({"id_token": _token()}), data)
