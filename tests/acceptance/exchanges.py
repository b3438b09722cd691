"""Recorded exchanges as the replay needs them: the call a client makes, what the provider answers, what is expected.

The files in tests/fixtures/exchanges have an `expected` member and are held to exactly; those in the folder that
TEST_RECORDED names (real traffic) are held to the counts they know. Of these only `provider`, `url` and `response_body`
must be there: the rest follows (see `whole`).
"""

import json
import os
import random
import re
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

import msgspec

from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import COUNTS
from keystead.providers.table import PROVIDERS

_OURS: Final = Path(__file__).parents[1] / "fixtures" / "exchanges"
_RECORDED: Final = os.environ.get("TEST_RECORDED", "")

KINDS: Final = (
    (r"/chat/completions$", Dialect.OPENAI, Endpoint.CHAT),
    (r"/completions$", Dialect.OPENAI, Endpoint.COMPLETIONS),
    (r"/responses$", Dialect.OPENAI, Endpoint.RESPONSES),
    (r"/embeddings$", Dialect.OPENAI, Endpoint.EMBEDDINGS),
    (r"/moderations$", Dialect.OPENAI, Endpoint.MODERATIONS),
    (r"/images/\w+$", Dialect.OPENAI, Endpoint.IMAGES),
    (r"/audio/speech$", Dialect.OPENAI, Endpoint.SPEECH),
    (r"/audio/transcriptions$", Dialect.OPENAI, Endpoint.TRANSCRIPTION),
    (r"/messages$", Dialect.ANTHROPIC, Endpoint.MESSAGES),
    (r":(generateContent|streamGenerateContent)$", Dialect.GEMINI, Endpoint.GENERATE),
    (r":(embedContent|batchEmbedContents)$", Dialect.GEMINI, Endpoint.EMBEDDINGS),
    (r"/converse(-stream)?$", Dialect.BEDROCK, Endpoint.CONVERSE),
)
"""What is spoken under a provider's path."""
_MODEL: Final = re.compile(r"/models?/([^/:]+)")
_PATHS: Final = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "moderations": "/v1/moderations",
    "images": "/v1/images/generations",
    "speech": "/v1/audio/speech",
    "transcription": "/v1/audio/transcriptions",
    "messages": "/v1/messages",
}
_WITHOUT_JSON: Final = frozenset({Endpoint.TRANSCRIPTION, Endpoint.RESPONSE_STATE})
_USAGE_OBJECT: Final = re.compile(rb'"(?:usage|usageMetadata|usage_metadata)"\s*:\s*\{')
_EVENT_END: Final = re.compile(rb"(?:\r\n|\n|\r){2}")
_BOUNDARY: Final = "exchange-boundary"


def whole(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return a file's fields with what follows from the others; None: it is no call that is read here."""
    path = urlsplit(fields.get("url", "")).path
    kind = next((each[1:] for each in KINDS if re.search(each[0], unquote(path))), None)
    if "dialect" not in fields and kind is None:
        return None
    dialect, endpoint = kind or ("", "")
    asked = fields.get("request_body")
    if isinstance(asked, str) and asked.startswith("{"):
        asked = json.loads(asked)
    named = _MODEL.search(path)
    text = fields.get("response_body") or ""
    frames = "response_body_base64" in fields
    stream = frames or "streamGenerateContent" in path or text.lstrip().startswith(("data:", "event:", ":"))
    types = {True: "text/event-stream", False: "application/json"}
    follows = {
        "dialect": dialect,
        "endpoint": endpoint,
        "stream": stream,
        "status": 200,
        "request_model": (asked if isinstance(asked, dict) else {}).get("model")
        or (unquote(named[1]) if named else "m-1"),
        "response_headers": {"content-type": "application/vnd.amazon.eventstream" if frames else types[stream]},
        "expected_usage": {},
    }
    return {**follows, **fields, "request_body": asked, "response_body": text}


class Exchange(msgspec.Struct, frozen=True):
    """One exchange."""

    name: str
    fields: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read it from its file; None: it is no call that is read here."""
        fields = whole(json.loads(path.read_bytes()))
        return None if fields is None else cls(path.stem, fields)

    @property
    def provider(self) -> str:
        """A name in providers.table."""
        name: str = self.fields["provider"]
        return name

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for and came."""
        return bool(self.fields["stream"]) and self.status == 200

    @property
    def status(self) -> int:
        """The provider's HTTP status."""
        return int(self.fields["status"])

    @property
    def body(self) -> bytes:
        """The provider's answer."""
        text: str = self.fields["response_body"]
        return text.encode()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The provider's headers."""
        return tuple(self.fields["response_headers"].items())

    @property
    def replayable(self) -> bool:
        """Whether its request is known, and the gateway sends such calls to that provider unchanged over the network."""
        pair = (Dialect(self.fields["dialect"]), Endpoint(self.fields["endpoint"]))
        known = self.fields["request_body"] is not None or pair[1] in _WITHOUT_JSON
        row = PROVIDERS.get(self.provider)
        if row is None or "response_body_base64" in self.fields:
            return False
        return known and row.name != "sandbox" and pair in row.endpoints and not row.quirks.publisher_paths

    # -- what the client sends ------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The gateway's path and query for the call."""
        endpoint, model = self.fields["endpoint"], self.fields["request_model"]
        if endpoint == "response_state":
            return f"/v1/responses/{json.loads(self.body)['id']}"
        if self.fields["dialect"] == "gemini":
            return f"/v1beta/models/{model}:{self._verb()}"
        if endpoint == "converse":
            return f"/model/{quote(model, safe='')}/converse"
        if endpoint == "count_tokens":
            return (
                "/v1/messages/count_tokens" if self.fields["dialect"] == "anthropic" else "/v1/responses/input_tokens"
            )
        return _PATHS[endpoint]

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "GET" if self.fields["endpoint"] == "response_state" else "POST"

    @property
    def sent(self) -> bytes | None:
        """The request body that the provider got."""
        if self.method == "GET":
            return None
        if self.fields["endpoint"] == "transcription":
            return self._form()
        return json.dumps(self.fields["request_body"]).encode()

    def asked(self, credential: str) -> bytes | None:
        """Return the request body of a client whose credential is called `credential`.

        It is what the provider gets, unless the model's own name begins with its provider's (`groq/compound`).
        """
        model = self.fields["request_model"]
        if self.sent is None or model.partition("/")[0] != self.provider:
            return self.sent
        return json.dumps(self.fields["request_body"] | {"model": f"{credential}/{model}"}).encode()

    @property
    def content_type(self) -> str:
        """The request body's."""
        form = self.fields["endpoint"] == "transcription"
        return f"multipart/form-data; boundary={_BOUNDARY}" if form else "application/json"

    def _verb(self) -> str:
        if self.fields["endpoint"] == "count_tokens":
            return "countTokens"
        if self.fields["endpoint"] == "embeddings":
            return "batchEmbedContents" if "requests" in self.fields["request_body"] else "embedContent"
        if not self.fields["stream"]:
            return "generateContent"
        events = "event-stream" in self.fields["response_headers"]["content-type"]
        return "streamGenerateContent?alt=sse" if events else "streamGenerateContent"

    def _form(self) -> bytes:
        fields = {"model": self.fields["request_model"]} | ({"stream": "true"} if self.fields["stream"] else {})
        lines = [
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        lines.append(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n'
            f"Content-Type: audio/mpeg\r\n\r\nID3\r\n--{_BOUNDARY}--\r\n"
        )
        return "".join(lines).encode()

    # -- what is expected -----------------------------------------------------------------------------------------

    @property
    def usage_is_asked_for_by_us(self) -> bool:
        """Whether the gateway asks for the usage chunk of this stream and keeps it to itself."""
        body = self.fields["request_body"] or {}
        options = body.get("stream_options") or {}
        return (
            bool(body.get("stream"))
            and self.fields["endpoint"] in {"chat", "completions"}
            and not options.get("include_usage")
            and PROVIDERS[self.provider].quirks.stream_usage_option
        )

    def for_client(self, body: bytes) -> bytes:
        """Return what of `body` the client gets: all, but for a usage chunk that it did not ask for."""
        if not self.usage_is_asked_for_by_us or "event-stream" not in dict(self.headers)["content-type"]:
            return body
        return b"".join(event for event in _events(body) if not _is_usage_chunk(event))

    @property
    def before_usage(self) -> int | None:
        """Where the answer's first usage begins."""
        found = _USAGE_OBJECT.search(self.body)
        return found.start() if found else None

    def wrong_counts(self, attempt: dict[str, Any]) -> dict[str, Any]:
        """Return the recorded counts of `attempt` that are not the expected ones, each with what was expected."""
        counts = dict.fromkeys(COUNTS, 0) | attempt["usage"]
        expected = self.fields["expected_usage"] or {}
        if "expected" in self.fields:
            wanted = dict.fromkeys(COUNTS, 0) | {name: count for name, count in expected.items() if name != "units"}
            wanted["units"] = expected.get("units", {})
        else:
            wanted = {name: count for name, count in expected.items() if name in (*COUNTS, *_TOTALS)}
        found = counts | {"units": attempt["units"]} | {name: _total(counts, name) for name in _TOTALS}
        return {name: (found[name], count) for name, count in wanted.items() if found[name] != count}


_TOTALS: Final = ("input_total", "output_total")


def _total(counts: dict[str, int], name: str) -> int:
    written = {"output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens"}
    return sum(count for field, count in counts.items() if (field in written) == (name == "output_total"))


def _events(body: bytes) -> list[bytes]:
    ends = [0, *(match.end() for match in _EVENT_END.finditer(body))]
    return [body[start:end] for start, end in zip(ends, [*ends[1:], len(body)], strict=True)]


def _is_usage_chunk(event: bytes) -> bool:
    data = event.strip().removeprefix(b"data:")
    try:
        chunk = json.loads(data)
    except ValueError:
        return False
    return isinstance(chunk, dict) and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)


def chopped(body: bytes, chance: random.Random) -> tuple[bytes, ...]:
    """Return `body` in pieces of random sizes."""
    cuts = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(1, 40)))
    pieces = (body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True))
    return tuple(piece for piece in pieces if piece)


def exchanges() -> dict[str, Exchange]:
    """Return every exchange that can be replayed, by name."""
    files = sorted(_OURS.glob("*.json")) + (sorted(Path(_RECORDED).glob("*.json")) if _RECORDED else [])
    return {each.name: each for each in map(Exchange.read, files) if each is not None and each.replayable}
