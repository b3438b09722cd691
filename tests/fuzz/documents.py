"""What operators, members and identity providers hand over: signed updates, keys, tokens, settings, forms of the console."""

import asyncio
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.requests import Request

from keystead.app.passthrough_file import load_passthrough
from keystead.catalogue.facts import ModelCatalogue
from keystead.cli.settings_file import ApartError, merged
from keystead.connect.render import RenderedFile
from keystead.domain.access_key import is_document, read_access_key
from keystead.domain.errors import GatewayError, InvalidRequestError, KeysteadError
from keystead.domain.secret import Secret
from keystead.domain.service_account import read_service_account
from keystead.gateway.editions import PAYLOAD_TYPE, read
from keystead.metering.price_list import Catalogue
from keystead.metering.prices import load_snapshot
from keystead.policy.patterns import BUILT_IN
from keystead.policy.recognize import Recognizer, Recognizers
from keystead.policy.texts import json_texts
from keystead.providers.egress import EgressGuard, parse_origin
from keystead.vault.recognise import mask, require_inference_key
from keystead.vault.signatures import Envelope, TrustedKeys, sign
from keystead.web.admin.config.document import Document, canonical
from keystead.web.admin.endpoint import decode_body, decode_query
from keystead.web.admin.values import decode_cursor
from keystead.web.console.received import cookies_of, read_form
from tests.fuzz import seeds
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target

_FOLDER: Final = tempfile.TemporaryDirectory()
_ISSUER: Final = "https://id.example"
_NOW_S: Final = 1_790_000_000


def targets() -> list[Target]:
    """Return a target for each of them."""
    return [
        Target("signed updates", Shape.JSON, _envelopes, _check_envelope),
        Target("updates", Shape.JSON, _updates, _check_update),
        Target("public keys", Shape.BYTES, lambda: [public_pem()], check_public_keys),
        Target("pass-through lists", Shape.BYTES, _lists, check_list),
        Target("settings of programs", Shape.BYTES, _settings, check_settings),
        Target("keys", Shape.BYTES, _keys, _check_key),
        Target("origins", Shape.BYTES, _origins, check_origin),
        Target("recognisers", Shape.JSON, _personal, check_recognizers),
        Target("configurations", Shape.JSON, _configurations, _check_configuration),
        Target("queries", Shape.BYTES, lambda: [b"limit=20&cursor=YWJj&state=%C3%BC+x"], check_query),
        Target(
            "forms of the console", Shape.BYTES, lambda: [b'name=a+b&name=%C3%BC\ntheme=dark; x="a\\054b"'], check_form
        ),
    ]


# -- signed updates ---------------------------------------------------------------------------------------------------


@cache
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def public_pem() -> bytes:
    return private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _envelopes() -> list[bytes]:
    pem = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return [msgspec.json.encode(sign(b'{"format":1}', PAYLOAD_TYPE, Secret(pem.decode())))]


def _check_envelope(data: bytes) -> None:
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    with suppress(InvalidRequestError):
        opened = TrustedKeys.from_pem(public_pem()).open(envelope, PAYLOAD_TYPE)
        assert opened.payload == b'{"format":1}', "something was signed that nobody signed"


@cache
def _updates() -> list[bytes]:
    """An update with a few of the vendored prices and models."""
    prices = load_snapshot().catalogue.price_list
    models = ModelCatalogue().document
    few = {name: listed[:2] for name, listed in list(prices.providers.items())[:4]}
    some = {name: listed[:2] for name, listed in list(models.providers.items())[:4]}
    whole = {
        "format": 1,
        "prices": msgspec.structs.replace(prices, providers=few),
        "models": msgspec.structs.replace(models, providers=some),
    }
    return [msgspec.json.encode(whole)]


def _check_update(data: bytes) -> None:
    with suppress(InvalidRequestError):
        contents = read(data)
        if contents.prices is not None:
            catalogue = Catalogue(contents.prices)
            for provider in contents.prices.providers:
                for name in catalogue.names(provider):
                    catalogue.find(provider, name)
        if contents.models is not None:
            models = ModelCatalogue(contents.models)
            for provider in contents.models.providers:
                models.find(provider, "a")


def check_public_keys(data: bytes) -> None:
    with suppress(ValueError):
        assert TrustedKeys.from_pem(data).key_ids


# -- files and texts --------------------------------------------------------------------------------------------------


def _lists() -> list[bytes]:
    return [b"openai:\n- GET /v1/fine_tuning/jobs/{id}\n- POST /v1/{model}/x\nanthropic: [GET /v1/skills/{name}]\n"]


def check_list(data: bytes) -> None:
    file = Path(_FOLDER.name) / "passthrough.yaml"
    file.write_bytes(data)
    with suppress(GatewayError):
        load_passthrough(str(file))


def _settings() -> list[bytes]:
    return [
        b'{"env":{"A":"1"},"x":[1]}',
        b'model = "gpt-5"\n[tables.a]\nb = 1\n',
        b'# ours\n[model_providers.x]\nname = "y"\n',
    ]


def check_settings(data: bytes) -> None:
    with suppress(UnicodeDecodeError, ApartError):
        before = data.decode()
        for form, text in (
            ("json", '{"env":{"B":"2"}}'),
            ("toml", 'model = "m"\n[model_providers.keystead]\nname = "K"\n'),
        ):
            wanted = RenderedFile(path="~/x", format=cast("Any", form), text=text, needed=True)
            with suppress(ApartError):
                once = merged(before, wanted)
                assert merged(once, wanted) == once, "what is there is added again"


def _keys() -> list[bytes]:
    return [
        b'{"access_key_id":"AKIAEXAMPLE","secret_access_key":"s","session_token":"t"}',
        b'{"type":"service_account","client_email":"a@b.iam.gserviceaccount.com","private_key":"-----BEGIN PRIVATE KEY-----\\nx"}',
        b"sk-proj-abc",
        b"sk-ant-api03-abc",
    ]


def _check_key(data: bytes) -> None:
    with suppress(UnicodeDecodeError):
        text = data.decode()
        is_document(text)
        for read_it in (read_access_key, read_service_account):
            with suppress(InvalidRequestError):
                read_it(text)
        for provider in ("openai", "anthropic", "bedrock", "vertex", "google"):
            with suppress(InvalidRequestError):
                require_inference_key(provider, text)
                assert len(mask(provider, text)) <= 64, "more of a key than its mask"


def _origins() -> list[bytes]:
    return [
        b"https://api.example.com:8443",
        b"http://[::1]:80",
        b"https://127.0.0.1",
        b"https://xn--bcher-kva.example/",
    ]


def check_origin(data: bytes) -> None:
    text = data.decode("latin-1")
    with suppress(InvalidRequestError):
        origin = parse_origin(text)
        assert parse_origin(origin.text) == origin, "a normal form that is none"
    with suppress(KeysteadError):
        EgressGuard(()).check_origin(text)
    with suppress(KeysteadError, ValueError):
        EgressGuard((text,))
    with suppress(InvalidRequestError):
        decode_cursor(text)


def _personal() -> list[bytes]:
    return [
        b'{"messages":[{"role":"user","content":"4111 1111 1111 1111 and DE89 3704 0044 0532 0130 00, ada@example.org"}]}',
        b'{"input":"\\u0034111111111111111\\n-----BEGIN RSA PRIVATE KEY-----\\nabc","n":4111111111111111}',
        *seeds.requests(("openai", "chat"))[:3],  # type: ignore[arg-type]
    ]


@cache
def _recognizers() -> Recognizers:
    return Recognizers(
        Recognizer(organization_id="o", name=kind.replace("_", "-"), kind=kind, action="redact") for kind in BUILT_IN
    )


def check_recognizers(data: bytes) -> None:
    texts = json_texts(data)
    assert texts.body_with({}) == data
    found = _recognizers().scan(data)
    if found.redacted is not None:
        assert len(found.redacted) <= 24 * len(data)
        with suppress(InvalidRequestError):
            _recognizers().scan(found.redacted)


# -- what the admin API and the console are sent ----------------------------------------------------------------------


def _configurations() -> list[bytes]:
    return [
        (
            b'{"keystead":1,"organization":{"name":"Example"},"credentials":{"openai":{"provider":"openai","owner":"organization"}},'
            b'"routes":{"fast":{"attempts":[{"model":"openai/gpt-5-mini"}]}},"budgets":{"all":{"scope":"organization",'
            b'"amount":"100.00","period":"month"}}}'
        )
    ]


def _request(*, body: bytes = b"", query: bytes = b"", headers: list[tuple[bytes, bytes]]) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": query, "headers": headers}
    return Request(scope, receive)


def _check_configuration(data: bytes) -> None:
    request = _request(body=data, headers=[(b"content-type", b"application/json")])
    with suppress(InvalidRequestError):
        document = asyncio.run(decode_body(request, Document, timeout_s=60))
        assert canonical(canonical(document)) == canonical(document)
        msgspec.json.encode(canonical(document))


class _Query(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = 1
    cursor: str | None = None
    state: str = ""


def check_query(data: bytes) -> None:
    with suppress(InvalidRequestError):
        decode_cursor(decode_query(_request(query=data, headers=[]), _Query).cursor)


def check_form(data: bytes) -> None:
    body, _, cookie = data.partition(b"\n")
    request = _request(
        body=body, headers=[(b"content-type", b"application/x-www-form-urlencoded"), (b"cookie", cookie)]
    )
    cookies_of(request)
    with suppress(InvalidRequestError):
        asyncio.run(read_form(request))
