"""What is read in the other rooms: the sandbox, bills without a stream, queries of lists, sealed keys, pages of the console."""

import asyncio
import tempfile
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec

from keystead.cli.client import AdminClient
from keystead.cli.problem import CommandError
from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import Dialect
from keystead.gateway.holdings_list import _limit
from keystead.gateway.usable import UsableModel
from keystead.metering.request_log import _read_cursor
from keystead.providers.authorization import Authorized
from keystead.providers.google_access import _instant_s
from keystead.providers.request import UpstreamRequest
from keystead.providers.row import Auth
from keystead.providers.sandbox.transport import SandboxTransport
from keystead.vault.envelope import RootKey, open_sealed, provider_key_binding, seal
from keystead.vault.kek.local import LocalKek
from keystead.web.console.pages.months import days_of
from keystead.web.console.safety import is_own_path, require_same_origin
from keystead.web.models import _PAGE
from tests.fuzz.edges import check_meter
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target, chance_of

_NOW_US: Final = 1_790_000_000_000_000
_FOLDER: Final = tempfile.TemporaryDirectory()
_MODELS: Final = "/v1beta/models/tools:"


def targets() -> list[Target]:
    """Return a target for each of them."""
    return [
        *map(_sandbox, _ASKED),
        Target(
            "metering rerank",
            Shape.JSON,
            _ranked,
            partial(check_meter, ("openai", "rerank", False), ["cohere", "jina"]),
        ),
        Target(
            "metering caches",
            Shape.JSON,
            _caches,
            partial(check_meter, ("gemini", "cached_contents", False), ["google"]),
        ),
        Target(
            "instants",
            Shape.BYTES,
            lambda: [b"2026-01-02T03:04:05.123456Z", b"0001-01-01", b"9999-12-31T23:59:59"],
            _check_instant,
        ),
        Target(
            "queries of lists",
            Shape.BYTES,
            lambda: [b"limit=20&after_id=a&pageSize=3&pageToken=b", b"WzEsInJlcV8xIl0"],
            _check_list_query,
        ),
        Target("sealed keys", Shape.BYTES, lambda: [_sealed()], _check_sealed),
        Target("root key files", Shape.BYTES, lambda: [_kek_file()], _check_kek_file),
        Target(
            "origins of forms",
            Shape.BYTES,
            lambda: [b"https://a.example:8443\na.example:8443\n/console/x"],
            _check_form_origin,
        ),
        Target("months", Shape.BYTES, lambda: [b"month=2026-02", b"from=2026-01-02&to=2026-03-04"], _check_month),
        Target("answers to the command line", Shape.JSON, lambda: [b'{"items":[{"id":"a"}]}'], _check_client),
    ]


_TOOL: Final = b'{"type":"object","properties":{"a":{"type":"string","enum":["x"]},"b":{"$ref":"#/$defs/c"}},"$defs":{"c":{"type":"integer"}}}'
_ASKED: Final = {
    "/v1/chat/completions": b'{"model":"tools","stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"messages":['
    b'{"role":"user","content":[{"type":"text","text":"Hi"}]}],"tools":[{"type":"function","function":{"name":"f","parameters":'
    + _TOOL
    + b"}}]}",
    "/v1/responses": b'{"model":"json","input":[{"role":"user","content":"Hi"}],"text":{"format":{"type":"json_schema","schema":'
    + _TOOL
    + b"}}}",
    "/v1/completions": b'{"model":"echo","prompt":["a","b"],"max_tokens":9}',
    "/v1/messages": b'{"model":"tools","stream":true,"max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result",'
    b'"content":[{"type":"text","text":"x"}]}]}],"tools":[{"name":"f","input_schema":' + _TOOL + b"}]}",
    "/v1/messages/count_tokens": b'{"model":"echo","messages":[{"role":"user","content":"Hi"}]}',
    f"{_MODELS}generateContent": b'{"contents":[{"parts":[{"text":"Hi"}]}],"generationConfig":{"responseSchema":'
    + _TOOL
    + b',"maxOutputTokens":9}}',
    f"{_MODELS}streamGenerateContent": b'{"contents":[{"parts":[{"functionResponse":{"response":{}}}]}],"tools":[{"functionDeclarations":[{"name":"f",'
    b'"parameters":' + _TOOL + b"}]}]}",
    f"{_MODELS}batchEmbedContents": b'{"requests":[{"content":{"parts":[{"text":"a"}]},"outputDimensionality":9}]}',
    "/v1/embeddings": b'{"model":"echo","input":["a","b"],"dimensions":9,"encoding_format":"base64"}',
    "/v1/moderations": b'{"model":"echo","input":["a"]}',
}


def _sandbox(path: str) -> Target:
    name = path.removeprefix("/v1/").removeprefix(_MODELS)
    return Target(f"sandbox {name}", Shape.JSON, lambda: [_ASKED[path]], partial(_check_sandbox, path))


def _check_sandbox(path: str, data: bytes) -> None:
    request = UpstreamRequest(
        method="POST",
        origin="https://sandbox.invalid",
        target=path,
        headers=(),
        body=data,
        auth=Auth(header="authorization"),
    )

    async def answered() -> bytes:
        response = await SandboxTransport().open(request, Authorized(headers=(), hidden=("k",)))
        return await response.body(1 << 24)

    with suppress(KeysteadError):
        asyncio.run(answered())


def _ranked() -> list[bytes]:
    return [
        b'{"id":"r","results":[],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":9}}}',
        b'{"model":"jina","usage":{"total_tokens":9},"results":[]}',
    ]


def _caches() -> list[bytes]:
    return [
        (
            b'{"name":"cachedContents/a","model":"models/m","usageMetadata":{"totalTokenCount":9000},'
            b'"createTime":"2026-01-02T03:04:05Z","expireTime":"2026-01-02T04:04:05.5Z"}'
        ),
        b'{"model":"models/m","usageMetadata":{"totalTokenCount":9},"createTime":"2026-01-02T03:04:05","expireTime":"2026-01-02T04:04:05"}',
    ]


def _check_instant(data: bytes) -> None:
    _instant_s(data.decode("latin-1"))


def _check_list_query(data: bytes) -> None:
    given = dict(parse_qsl(data.decode("latin-1")))
    for dialect in (Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI):
        with suppress(InvalidRequestError):
            _PAGE[dialect](_usable(), given, "2026-01-01")
    with suppress(InvalidRequestError):
        _read_cursor(data.decode("latin-1"))
    with suppress(InvalidRequestError):
        assert 1 <= _limit(given.get("limit")) <= 100


@cache
def _usable() -> list[UsableModel]:
    return [UsableModel(name=name, names=frozenset({name}), provider="openai", known=None) for name in "abcde"]


# -- the vault --------------------------------------------------------------------------------------------------------

_ROOTS: Final = {1: RootKey(bytes(32))}
_BINDING: Final = provider_key_binding(
    organization_id=OrganizationId("org_1"),
    credential_id=CredentialId("cred_1"),
    version=1,
    provider="openai",
    origin="https://a.example",
)


@cache
def _sealed() -> bytes:
    return seal(_ROOTS[1], 1, _BINDING, b"sk-proj-abc")


def _check_sealed(data: bytes) -> None:
    with suppress(KeysteadError):
        assert open_sealed(_ROOTS, _BINDING, data) == b"sk-proj-abc", "what nobody sealed"


@cache
def _kek_file() -> bytes:
    path = Path(_FOLDER.name) / "made"
    LocalKek.create(path)
    return path.read_bytes()


def _check_kek_file(data: bytes) -> None:
    path = Path(_FOLDER.name) / "kek"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(data)
    with suppress(KeysteadError):
        kek = LocalKek.load(path)
        assert kek.unwrap(kek.wrap(b"k" * 32, b"c"), b"c") == b"k" * 32
    with suppress(KeysteadError):
        LocalKek.load(Path(_FOLDER.name) / "made").unwrap(data, b"c")


# -- pages, and the command line --------------------------------------------------------------------------------------


def _check_form_origin(data: bytes) -> None:
    origin, _, rest = data.decode("latin-1").partition("\n")
    host, _, path = rest.partition("\n")
    with suppress(KeysteadError):
        require_same_origin({"origin": origin, "host": host})
        assert host
    assert not is_own_path(path) or path.startswith("/console/")


def _check_month(data: bytes) -> None:
    zone = ZoneInfo(chance_of(data).choice(("Europe/Zurich", "Pacific/Apia", "UTC")))
    with suppress(InvalidRequestError):
        days = days_of(dict(parse_qsl(data.decode("latin-1"))), _NOW_US, zone)
        assert len(days.columns()) < 1000, "columns without end"


def _check_client(data: bytes) -> None:
    with suppress(CommandError):
        answer: Any = AdminClient("http://127.0.0.1:1", "t")._read(200, data)
        msgspec.json.encode(answer)
