"""An identity provider over loopback: discovery, keys, and an authorization code flow that checks what it is sent.

What it says and how it signs can be bent, so that a test sees what a relying party makes of it. People need no password:
whoever comes is `person`.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT_ID = "keystead"
CLIENT_SECRET = "client-secret-canary-5b1f2c/+ %"

RSA = RSAKey.generate_key(2048, private=True)
EC = ECKey.generate_key("P-256", private=True)
ED = OKPKey.generate_key("Ed25519", private=True)


def public(key: RSAKey | ECKey | OKPKey, key_id: str) -> dict[str, Any]:
    """Return what is published of a key."""
    return {**key.as_dict(private=False), "kid": key_id, "use": "sig"}


def signed(claims: bytes, *, algorithm: str, key: Any, key_id: str) -> str:
    """Return a token."""
    return jws.serialize_compact({"alg": algorithm, "kid": key_id}, claims, key, algorithms=[algorithm])


class FakeIdentityProvider:
    """One issuer with one application and one person at the keyboard."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        """Take the time from `now_s`."""
        self.now_s = now_s
        self.issuer = ""
        self.person: dict[str, Any] = {"sub": "248289761001", "email": "ada@example.com", "email_verified": True}
        self.claims: dict[str, Any] = {}
        """What the next tokens say otherwise; None: not at all."""
        self.metadata: dict[str, Any] = {}
        """What it says of itself otherwise."""
        self.says_issuer = False
        self.algorithm, self.key_id = "RS256", "one"
        self.key: RSAKey | ECKey | OKPKey = RSA
        self.keys = [public(RSA, "one")]
        self.bend: Callable[[bytes], str] | None = None
        """Makes the token of its claims, in the place of the signature."""
        self.asked: list[str] = []
        self.redirect_to = ""
        self.given: dict[str, dict[str, str]] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen on a free port of this machine."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.issuer = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    def authorize(self, query: dict[str, str]) -> str:
        """Return where a browser is sent back to that came with this query: the person says yes."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.given[code] = query
        back = {"code": code, "state": query["state"]} | ({"iss": self.issuer} if self.says_issuer else {})
        return f"{query['redirect_uri']}?{urlencode(back)}"

    async def _configuration(self, request: web.Request) -> web.Response:
        self.asked.append("configuration")
        if self.redirect_to:
            raise web.HTTPFound(self.redirect_to)
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": self.says_issuer,
            "code_challenge_methods_supported": ["S256"],
        }
        return web.json_response(told | self.metadata)

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append("keys")
        return web.json_response({"keys": self.keys})

    async def _authorize(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(self.authorize(dict(request.query)))

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        form = dict(parse_qsl(await request.text()))
        given = self.given.pop(form.get("code", ""), None)  # a code counts once
        if not self._is_the_application(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            given is None
            or given["redirect_uri"] != form.get("redirect_uri")
            or given["code_challenge"] != challenge.rstrip(b"=").decode()
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "exp": self.now_s() + 300,
            "iat": self.now_s(),
            "nonce": given["nonce"],
            **self.person,
            **self.claims,
        }
        content = web.json_response({name: value for name, value in claims.items() if value is not None}).body
        assert isinstance(content, bytes)
        token = (
            signed(content, algorithm=self.algorithm, key=self.key, key_id=self.key_id)
            if self.bend is None
            else self.bend(content)
        )
        return web.json_response({"access_token": "unused", "token_type": "Bearer", "id_token": token})

    @staticmethod
    def _is_the_application(request: web.Request, form: dict[str, str]) -> bool:
        header = request.headers.get("authorization", "")
        if header.startswith("Basic "):
            name, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            return (unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
