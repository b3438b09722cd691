"""Everything else that reads foreign bytes: framing, metering, refusals, lists, paths, headers, forms, documents."""

import math
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

import msgspec

from keystead.cli.document_file import read_document
from keystead.cli.litellm.translate import translate
from keystead.cli.problem import CommandError
from keystead.cli.yaml_tree import YamlError, read_yaml
from keystead.dialects.body import check_model, read_json, rewrite
from keystead.dialects.eventstream import FrameSplitter, read_frame
from keystead.dialects.json_array import JsonArraySplitter
from keystead.dialects.multipart import read_fields, replace_field, texts_of
from keystead.dialects.sse import SseSplitter, UsageChunkFilter, data_of, event_name
from keystead.dialects.translating import UnreadableError
from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.secret import Secret
from keystead.domain.traffic import Dialect, Endpoint
from keystead.identity.virtual_keys import parse
from keystead.ledger.webhook import read_notice, verify
from keystead.metering.meter import meter_for
from keystead.providers.classify import classify
from keystead.providers.listing import read_page
from keystead.providers.redact import redactor_of
from keystead.providers.token_request import TokenEndpoint, _object
from keystead.web.edge import read_head
from keystead.web.paths import match, split_root
from keystead.web.presented import error_dialect, models_dialect, presented_key
from tests.fuzz import seeds
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target, chance_of, chopped

_LIMIT: Final = 2048
_WEEK_S: Final = 366 * 86_400.0
_SECRET: Final = "sk-proj-canary-7f3b1c9d5e2a4860"
_NOW_US: Final = 1_790_000_000_000_000


def targets() -> list[Target]:
    """Return a target for each of them."""
    streams = [each for each in seeds.exchanges() if each["stream"]]
    sse = [each["response_body"].encode() for each in streams]
    return [
        Target("framing sse", Shape.SSE, lambda: sse, _check_sse),
        Target(
            "framing frames", Shape.FRAMES, lambda: seeds.streams((Dialect.BEDROCK, Endpoint.CONVERSE)), _check_frames
        ),
        Target("framing array", Shape.JSON, lambda: [*sse, b'[{"a":"\\"}"},[1],2,{"b":{}}]'], _check_array),
        Target("framing usage filter", Shape.SSE, lambda: sse, _check_filter),
        Target("redaction", Shape.BYTES, lambda: [_SECRET.encode(), f'{{"a":"{_SECRET}"}}'.encode()], _check_redactor),
        *(_metering(each) for each in _kinds()),
        Target("refusals", Shape.JSON, seeds.errors, _check_refusal),
        Target("lists of models", Shape.JSON, seeds.lists, lambda data: _ignore(read_page(data))),
        Target("tokens", Shape.JSON, _tokens, _check_token),
        Target("payments", Shape.JSON, _payments, _check_payment),
        Target("bodies", Shape.JSON, lambda: seeds.requests((Dialect.OPENAI, Endpoint.CHAT)), _check_body),
        Target("paths", Shape.BYTES, _paths, _check_path),
        Target("headers", Shape.BYTES, _heads, _check_head),
        Target("forms", Shape.BYTES, _forms, check_form),
        Target("documents", Shape.BYTES, seeds.documents, _check_document),
        Target("LiteLLM", Shape.BYTES, seeds.documents, _check_litellm),
    ]


def _ignore(_: object) -> None:
    """Take what nothing is expected of."""


# -- framing ----------------------------------------------------------------------------------------------------------


class _Splitter(Protocol):
    dropped: int

    def feed(self, chunk: bytes) -> list[bytes]: ...


def _cut(splitter: _Splitter, chunks: Iterable[bytes], held: Callable[[], int]) -> list[bytes]:
    found = []
    for chunk in chunks:
        found += splitter.feed(chunk)
        assert held() <= _LIMIT + len(chunk) + 32, "more is held than the limit"
    return found


def _check_sse(data: bytes) -> None:
    assert b"".join([*(whole := SseSplitter()).feed(data), whole.tail()]) == data, "bytes were lost"
    first, second = SseSplitter(limit=_LIMIT), SseSplitter(limit=_LIMIT)
    one = _cut(first, [data], first.pending)
    assert _cut(second, chopped(data), second.pending) == one
    assert second.tail() == first.tail()
    assert second.dropped == first.dropped
    for event in one:
        data_of(event)
        event_name(event)


def _check_frames(data: bytes) -> None:
    with suppress(UnreadableError):
        whole = FrameSplitter(limit=_LIMIT)
        one = _cut(whole, [data], lambda: len(whole.tail()))
        again = FrameSplitter(limit=_LIMIT)
        assert _cut(again, chopped(data), lambda: len(again.tail())) == one
        assert again.tail() == whole.tail()
        for frame in one:
            read_frame(frame)


def _check_array(data: bytes) -> None:
    whole, again = JsonArraySplitter(limit=_LIMIT), JsonArraySplitter(limit=_LIMIT)
    one = _cut(whole, [data], lambda: len(whole._buffer))
    assert _cut(again, chopped(data), lambda: len(again._buffer)) == one
    assert again.dropped == whole.dropped


def _check_filter(data: bytes) -> None:
    whole, again = UsageChunkFilter(), UsageChunkFilter()
    one = whole.feed(data) + whole.flush()
    assert b"".join([*map(again.feed, chopped(data)), again.flush()]) == one
    assert len(one) <= len(data)


def _check_redactor(data: bytes) -> None:
    cut, whole = redactor_of((_SECRET,)), redactor_of((_SECRET,))
    out = b"".join([*map(cut.feed, chopped(data)), cut.finish()])
    assert out == whole.feed(data) + whole.finish()
    assert _SECRET.encode() not in out
    assert _SECRET.encode() not in whole.error(data)


# -- metering ---------------------------------------------------------------------------------------------------------


def _kinds() -> list[tuple[str, str, bool]]:
    return sorted({(each["dialect"], each["endpoint"], bool(each["stream"])) for each in seeds.exchanges()})


def _metering(kind: tuple[str, str, bool]) -> Target:
    dialect, endpoint, stream = kind
    exchanges = [
        each for each in seeds.exchanges() if (each["dialect"], each["endpoint"], bool(each["stream"])) == kind
    ]
    bodies = [each["response_body"].encode() for each in exchanges]
    if (dialect, endpoint, stream) == ("openai", "chat", True):
        bodies += seeds.streams((Dialect.OPENAI, Endpoint.CHAT))
    shape = Shape.SSE if stream else Shape.JSON
    name = f"metering {dialect} {endpoint}{' stream' if stream else ''}"
    return Target(name, shape, lambda: bodies, partial(check_meter, kind, [each["provider"] for each in exchanges]))


def check_meter(kind: tuple[str, str, bool], providers: list[str], data: bytes, *, stated: str | None = None) -> None:
    dialect, endpoint, stream = kind
    chance = chance_of(data)
    provider = chance.choice(providers)
    types = ["text/event-stream", "application/json", "application/vnd.amazon.eventstream", ""]
    content_type = types[not stream] if chance.random() < 0.8 else chance.choice(types)
    complete = chance.random() < 0.8
    readings = []
    for chunks in ([data], chopped(data)):
        meter = meter_for(
            provider,
            Dialect(dialect),
            Endpoint(endpoint),
            stream=stream,
            content_type=content_type,
            request_model="m-1",
            stated=stated,
        )
        for chunk in chunks:
            meter.feed(chunk)
        readings.append(meter.finish(complete=complete))
    assert readings[0] == readings[1], "cut elsewhere, it counts something else"
    usage = readings[0].usage
    assert 0 <= usage.input_total < 2**62
    assert 0 <= usage.output_total < 2**62
    assert len(readings[0].raw or "") <= len(data) + _LIMIT
    msgspec.json.encode(readings[0])


# -- providers --------------------------------------------------------------------------------------------------------


def _check_refusal(data: bytes) -> None:
    chance = chance_of(data)
    status = chance.choice((200, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529, 599))
    words = data[:200].decode("latin-1")
    names = (
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        "x-ratelimit-reset",
        "x-ratelimit-remaining",
        "x-amzn-errortype",
    )
    headers = [
        (chance.choice(names), chance.choice((words, "0", "1e999", "-5", "99999999999999", "Thu, 99 Foo 99999")))
    ]
    provider = chance.choice(("openai", "anthropic", "google", "bedrock", "openrouter", "xai"))
    refusal = classify(provider, status, headers, data, now_us=_NOW_US)
    wait = refusal.retry_after_s
    assert wait is None or (math.isfinite(wait) and wait >= 0), "a wait that never ends"
    assert len(refusal.message) <= 4096


def _tokens() -> list[bytes]:
    return [
        b'{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}',
        b'{"error":"invalid_grant","error_description":"AADSTS70011: no","expires_in":"3599","Error":{"Code":"x"}}',
        b'{"error":{"status":"PERMISSION_DENIED","message":"no"}}',
    ]


def _check_token(data: bytes) -> None:
    endpoint = msgspec.structs.replace(_ENDPOINT)
    value = _object(data)
    with suppress(KeysteadError):
        grant = endpoint.grant(value)
        assert 0 <= grant.lifetime_s < _WEEK_S
    endpoint._refused(403, value)


_ENDPOINT: Final = TokenEndpoint(title="Google", origin="https://a.example", target="/token")


def _payments() -> list[bytes]:
    return [
        b'{"id":"evt_1","organization":"org_1","amount":"10.00","currency":"USD","reference":"x"}',
        b"t=1790000000,v1=" + b"a" * 64,
    ]


def _check_payment(data: bytes) -> None:
    with suppress(KeysteadError):
        verify(data.decode("latin-1"), data, secrets=(Secret("a-shared-secret"),), now_us=_NOW_US)
    with suppress(KeysteadError):
        read_notice(data)


# -- what callers send ------------------------------------------------------------------------------------------------


def _check_body(data: bytes) -> None:
    try:
        body = read_json(data)
    except InvalidRequestError:
        return
    try:
        again = read_json(rewrite(body, model="another", include_usage=body.stream))
    except InvalidRequestError:
        assert body.stream, "what was read is refused"  # `stream_options` is looked at only where usage is asked for
        return
    assert (again.model, again.wants_usage) == ("another", body.stream)
    assert again.members.keys() - {"stream_options"} == (body.members.keys() | {"model"}) - {"stream_options"}


def _paths() -> list[bytes]:
    return [
        b"/v1/chat/completions",
        b"/openai/v1/responses/resp_1/cancel",
        b"/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        b"/bedrock/model/arn%3Aaws%3Abedrock%2Fx/converse-stream",
        b"/v1/models/openrouter%2Fauto",
        b"openrouter/anthropic/claude:beta@x",
        b"ks_01jabcdefghjkmnpqrstvwxyz0_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_abcdef",
    ]


def _check_path(data: bytes) -> None:
    text = data.decode("latin-1")
    root, path = split_root(text)
    for method in ("GET", "POST", "DELETE"):
        found = match(method, path, models_dialect=root or Dialect.OPENAI)
        if found is not None:
            assert ".." not in found.tail or "{model}" in found.tail
            assert len(found.model or "") <= 2048
    with suppress(InvalidRequestError):
        assert check_model(text).isascii()
    parse(text)


def _heads() -> list[bytes]:
    return [
        b"host: localhost\nauthorization: Bearer ks_1\ncontent-length: 3\n\nkey=abc&alt=sse",
        b"host: localhost:80\nx-api-key: ks_1\nanthropic-version: 2023-06-01\ntransfer-encoding: chunked\n\n",
        b"host: localhost\nx-goog-api-key: ks_1\nupgrade: websocket\n\nk%65y=abc",
    ]


def _check_head(data: bytes) -> None:
    head, _, query = data.partition(b"\n\n")
    pairs = [tuple(line.split(b": ", 1)) for line in head.split(b"\n") if b": " in line]
    scope: dict[str, Any] = {"headers": pairs, "http_version": "1.1"}
    with suppress(KeysteadError):
        headers = read_head(scope, frozenset({b"localhost"}))
        models_dialect(headers)
        error_dialect(query.decode("latin-1"), headers)
        key, rest = presented_key(headers, query)
        parse(key)
        assert b"key" not in {unquote_to_bytes(pair.partition(b"=")[0]) for pair in rest.split(b"&")}


def _forms() -> list[bytes]:
    return [
        (
            b'multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n\x00\xff\r\n'
            b"--b--\r\n"
        ),
        (
            b'multipart/form-data; boundary="b b"; charset=utf-8\n--b b\r\nContent-Disposition: form-data; name=model; '
            b"filename*=UTF-8''na%C3%AFve\r\n\r\nx\r\n--b b--"
        ),
    ]


def check_form(data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    try:
        found = read_fields(body, kind, ("model", "stream"))
    except InvalidRequestError:
        return
    texts = texts_of(body, kind)
    assert all(0 <= text.start <= text.end <= len(body) for text in texts)
    for text in texts:
        text.spelling.write(text.spelling.read(body[text.start : text.end]))
    if found.get("model"):
        again = read_fields(replace_field(body, kind, "model", "another"), kind, ("model", "stream"))
        assert again == {**found, "model": "another"}


# -- documents --------------------------------------------------------------------------------------------------------

_FOLDER: Final = tempfile.TemporaryDirectory()


def _check_document(data: bytes) -> None:
    file = Path(_FOLDER.name) / "keystead.yaml"
    file.write_bytes(data)
    with suppress(CommandError):
        document = read_document(str(file))
        msgspec.json.encode(document.as_json())


def _check_litellm(data: bytes) -> None:
    try:
        tree = read_yaml(data.decode())
    except (YamlError, UnicodeDecodeError):
        return
    found = translate(tree)
    msgspec.json.encode(found.document)
    assert all(finding.line > 0 for finding in found.findings)
