"""Token endpoints without a network, and a service account whose key is nobody's."""

import json
from collections.abc import AsyncGenerator, Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keystead.domain.errors import ProviderError
from keystead.providers.authorization import Authorized
from keystead.providers.request import UpstreamRequest

EMAIL = "gateway@example-project.iam.gserviceaccount.com"


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def service_account(*, bits: int = 2048, **changes: Any) -> str:
    """A key file as Google Cloud makes it."""
    pem = rsa_key(bits).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    document = {
        "type": "service_account",
        "project_id": "example-project",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": pem,
        "client_email": EMAIL,
        "client_id": "100000000000000000000",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    kept = {name: value for name, value in (document | changes).items() if value is not None}
    return json.dumps(kept, indent=2)


class Asked(msgspec.Struct, kw_only=True):
    """One request to a token endpoint."""

    url: str
    form: dict[str, str]
    json: Any
    headers: dict[str, str]
    hidden: tuple[str, ...]


class Response:
    """A scripted answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: list[tuple[str, str]] = []
        self.content_type = "application/json"
        self.upstream_request_id = ""
        self.upload_url = ""
        self._body = body

    async def chunks(self) -> AsyncGenerator[bytes]:
        yield self._body

    async def body(self, _limit: int) -> bytes:
        return self._body

    def close(self) -> None: ...


Script = Callable[[Asked], "tuple[int, Any] | ProviderError"]


class TokenServers:
    """Every token endpoint at once, as a transport."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []

    async def open(self, request: UpstreamRequest, authorized: Authorized) -> Response:
        is_form = dict(request.headers)["content-type"] == "application/x-www-form-urlencoded"
        asked = Asked(
            url=request.url,
            form=dict(parse_qsl(request.body.decode())) if is_form else {},
            json=None if is_form else json.loads(request.body),
            headers=dict(authorized.headers),
            hidden=authorized.hidden,
        )
        self.asked.append(asked)
        answer = self.script(asked)
        if isinstance(answer, ProviderError):
            raise answer
        status, value = answer
        return Response(status, value if isinstance(value, bytes) else json.dumps(value).encode())

    async def close(self) -> None: ...
