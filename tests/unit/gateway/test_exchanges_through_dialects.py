"""Each exchange of tests/fixtures/exchanges, and recorded real ones, through every other dialect: there and back.

With TEST_RECORDED naming a folder, its files are read too: one JSON object each, with at least `provider`, `url` and
`response_body` (`response_body_base64` for frames). What such an answer says is what two
readers make of it that share no code: the product, and `heard`.
"""

import base64
import json
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.eventstream import ChecksumMismatch

from keystead.domain.errors import InvalidRequestError, ProviderError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import Reading, Usage
from keystead.gateway.ask import Ask
from keystead.gateway.translate import CHATS, ChatTranslation, translated
from keystead.metering.meter import meter_for
from keystead.providers.table import PROVIDERS
from tests.acceptance.exchanges import chopped, whole
from tests.acceptance.valid import valid_body
from tests.unit.gateway.heard import Heard, Wire, heard
from tests.unit.gateway.test_outgoing import ask

FOLDERS = [Path(__file__).parents[2] / "fixtures" / "exchanges"]
if recorded := os.environ.get("TEST_RECORDED"):
    FOLDERS.append(Path(recorded))

BODIES: dict[Wire, dict[str, Any]] = {
    (Dialect.OPENAI, Endpoint.CHAT): {"model": "any", "messages": [{"role": "user", "content": "Hi"}]},
    (Dialect.OPENAI, Endpoint.RESPONSES): {"model": "any", "input": "Hi"},
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): {
        "model": "any",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "Hi"}],
    },
    (Dialect.GEMINI, Endpoint.GENERATE): {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    (Dialect.BEDROCK, Endpoint.CONVERSE): {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
}
STREAMED: dict[Wire, dict[str, Any]] = {
    (Dialect.OPENAI, Endpoint.CHAT): {"stream": True, "stream_options": {"include_usage": True}},
    (Dialect.OPENAI, Endpoint.RESPONSES): {"stream": True},
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): {"stream": True},
}
"""The others say it in the path."""
SPEAKERS: dict[Wire, tuple[str, str]] = {
    (Dialect.OPENAI, Endpoint.CHAT): ("openai", "/v1/chat/completions"),
    (Dialect.OPENAI, Endpoint.RESPONSES): ("openai", "/v1/responses"),
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): ("anthropic", "/v1/messages"),
    (Dialect.GEMINI, Endpoint.GENERATE): ("google", "/v1beta/models/m-1:generateContent"),
    (Dialect.BEDROCK, Endpoint.CONVERSE): ("bedrock", "/model/m-1/converse"),
}
"""Who is spoken to in each, and where."""
OTHERWISE = {"pause_turn": "stop", "": "stop"}
"""Ends that only one dialect has a word for, or that a provider does not tell."""


class Exchange(msgspec.Struct, frozen=True):
    """An answer that can be translated."""

    provider: str
    wire: Wire
    stream: bool
    body: bytes
    request: Any
    """What was asked for it, if that was recorded."""


def load(path: Path) -> Exchange | None:
    """Read a file; None: it is not a chat, or none that can be asked for from another dialect, or no longer as it came."""
    fields = whole(json.loads(path.read_bytes()))
    if fields is None:
        return None
    wire = (Dialect(fields["dialect"]), Endpoint(fields["endpoint"]))
    provider = PROVIDERS.get(fields["provider"])
    if fields["status"] != 200 or wire not in CHATS or provider is None or wire not in provider.endpoints:
        return None
    body = base64.b64decode(fields.get("response_body_base64", "")) or fields["response_body"].encode()
    if fields["stream"] and wire[0] is not Dialect.BEDROCK and body.lstrip().startswith(b"["):
        return None  # Gemini's stream of an array, which is not asked for
    if b'"function_call": {' in body and wire[1] is Endpoint.CHAT:
        return None  # functions, as they were before tools
    exchange = Exchange(provider.name, wire, bool(fields["stream"]), body, fields["request_body"])
    try:
        heard(wire, body, stream=exchange.stream)
    except ChecksumMismatch:
        return None  # whoever recorded it changed its words
    return exchange


EXCHANGES = {
    path.stem: exchange
    for folder in FOLDERS
    for path in sorted(folder.glob("*.json"))
    if (exchange := load(path)) is not None
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_answer_says_the_same_to_callers_of_every_other_dialect(name: str) -> None:
    exchange = EXCHANGES[name]
    said = heard(exchange.wire, exchange.body, stream=exchange.stream)
    reading = _metered(exchange)
    for caller in CHATS:
        if caller != exchange.wire:
            _says_the_same(exchange, caller, said, reading)


def _says_the_same(exchange: Exchange, caller: Wire, said: Heard, reading: Reading) -> None:
    asked = ask(
        {**BODIES[caller], **(STREAMED.get(caller, {}) if exchange.stream else {})},
        dialect=caller[0],
        endpoint=caller[1],
    )
    asked = msgspec.structs.replace(asked, stream=exchange.stream)
    way = translated(asked, PROVIDERS[exchange.provider], exchange.wire, model="m-1")
    usage = reading.usage if reading.source != "none" else None
    try:
        sent = _answered(way, exchange, usage)
    except ProviderError:
        assert said.error or not said.finish, "a whole answer is whole for everybody"
        return
    told = heard(caller, sent, stream=exchange.stream)
    if said.error:
        assert told.error or not told.finish
        return
    assert (told.calls, told.finish) == (said.calls, OTHERWISE.get(said.finish, said.finish)), caller
    if said.text or said.finish != "filter":  # what is kept back is told in words of our own
        assert told.text == said.text, caller
    if usage is not None:
        assert told.tokens == (usage.input_total, usage.output_total), caller


def _answered(way: ChatTranslation, exchange: Exchange, usage: Usage | None) -> bytes:
    """Return what the caller gets. A stream comes in pieces of any size."""
    if not exchange.stream:
        return way.whole(exchange.body, usage)
    pieces = chopped(exchange.body, random.Random(len(exchange.body)))
    return b"".join([*map(way.feed, pieces), way.end(usage)])


def _metered(exchange: Exchange) -> Reading:
    meter = meter_for(
        exchange.provider,
        *exchange.wire,
        stream=exchange.stream,
        content_type=_content_type(exchange),
        request_model="m-1",
    )
    meter.feed(exchange.body)
    return meter.finish(complete=True)


def _content_type(exchange: Exchange) -> str:
    if not exchange.stream:
        return "application/json"
    return "application/vnd.amazon.eventstream" if exchange.wire[0] is Dialect.BEDROCK else "text/event-stream"


@pytest.mark.parametrize("name", [name for name, exchange in EXCHANGES.items() if isinstance(exchange.request, dict)])
def test_a_request_is_valid_for_every_other_provider_or_refused_by_name(name: str) -> None:
    exchange = EXCHANGES[name]
    asked = ask(exchange.request, dialect=exchange.wire[0], endpoint=exchange.wire[1])
    asked = msgspec.structs.replace(asked, stream=exchange.stream)
    for wire, (provider, path) in SPEAKERS.items():
        if wire == exchange.wire:
            continue
        body, refused = _written(asked, provider, wire)
        if refused is not None:
            assert refused.code in {"not_translatable", "invalid_value"}
            assert refused.param
        if body is not None:
            valid_body(path, body)


def _written(asked: Ask, provider: str, wire: Wire) -> tuple[bytes | None, InvalidRequestError | None]:
    """Return what is sent, without what cannot be said; and why it would be refused where nothing may be left out."""
    refused = None
    for drop in (False, True):
        try:
            return translated(asked, PROVIDERS[provider], wire, model="m-1", drop=drop).body, refused
        except InvalidRequestError as error:
            refused = error
    return None, refused
