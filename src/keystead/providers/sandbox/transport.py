"""The sandbox as a Transport."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, Final

import msgspec

from keystead.providers import failures
from keystead.providers.authorization import Authorized
from keystead.providers.request import UpstreamRequest
from keystead.providers.sandbox import anthropic, gemini, openai
from keystead.providers.sandbox.prompt import Json, Prompt
from keystead.providers.sandbox.script import LABEL, Reply, Script, reply_to, script_for

_WRONG_KEY: Final = "wrong"
_CUT_AFTER_EVENTS: Final = 6
_JSON: Final = "application/json"
_SSE: Final = "text/event-stream"

Whole = Callable[[Prompt, Reply, str], Any]
Stream = Callable[[Prompt, Reply, str], Iterable[bytes]]
ErrorBody = Callable[[int, str], Any]


class SandboxTransport:
    """Answers in process; it opens no connection and holds nothing."""

    async def open(self, request: UpstreamRequest, authorized: Authorized) -> "SandboxResponse":
        """Answer `request`."""
        path, _, query = request.target.partition("?")
        error_body = _error_body(path)
        if authorized.hidden[0].startswith(_WRONG_KEY):
            return _refusal(error_body, 401, f"{LABEL} This key is not valid.")
        if request.method == "GET":
            return _listing(path, error_body)
        try:
            body = msgspec.json.decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return _refusal(error_body, 400, f"{LABEL} The body is not a JSON object.")
        mark = hashlib.sha256(request.body).hexdigest()[:24]
        return await _answered(path, query, body, mark)

    async def close(self) -> None:
        """Do nothing."""


class SandboxResponse:
    """An answer that is made, and paced while it is read."""

    __slots__ = ("_parts", "_script", "content_type", "headers", "status", "upload_url", "upstream_request_id")

    def __init__(
        self,
        *,
        status: int,
        content_type: str,
        parts: Iterable[bytes],
        request_id: str,
        script: Script | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.status = status
        self.content_type = content_type
        self.upstream_request_id = request_id
        self.upload_url = ""
        self.headers = [("content-type", content_type), ("x-request-id", request_id), *headers]
        self._parts = parts
        self._script = script

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes, at the script's pace.

        Raises:
            ProviderError: the script cuts the answer.
        """
        script = self._script
        for number, part in enumerate(self._parts):
            if script is not None:
                if script.cut and number == _CUT_AFTER_EVENTS:
                    raise failures.CUT.error()
                if script.pause_s and number:
                    await asyncio.sleep(script.pause_s)
            yield part
        if script is not None and script.cut:
            raise failures.CUT.error()

    async def body(self, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            ProviderError: the script cuts the answer, or it is larger than `limit`.
        """
        data = b"".join([part async for part in self.chunks()])
        if len(data) > limit:
            raise failures.TOO_LARGE.error()
        return data

    def close(self) -> None:
        """Forget the rest."""
        self._parts = ()


async def _answered(path: str, query: str, body: Json, mark: str) -> SandboxResponse:
    error_body = _error_body(path)
    whole, stream, prompt = _generation(path, query, body)
    model = prompt.model if prompt is not None else str(body.get("model", "")) or _path_model(path)
    script = script_for(model)
    if script is None:
        return _refusal(error_body, 404, f"{LABEL} There is no model sandbox/{model[:80]}.")
    if script.delay_s:
        await asyncio.sleep(script.delay_s)
    if script.status != 200:
        return _refusal(error_body, script.status, f"{LABEL} You asked for status {script.status}.")
    if prompt is None or whole is None or stream is None:
        return _simple(path, body, mark)
    reply = reply_to(prompt, script)
    if not prompt.stream:
        if script.fail_inside:
            return _refusal(error_body, 500, f"{LABEL} You asked for a failure.")
        return _json(200, whole(prompt, reply, mark), mark, script)
    parts = stream(prompt, reply, mark)
    if script.fail_inside:
        parts = _failing(parts, path)
    sse = "/models/" not in path or "alt=sse" in query
    return SandboxResponse(
        status=200, content_type=_SSE if sse else _JSON, parts=parts, request_id=f"req_{mark}", script=script
    )


def _generation(path: str, query: str, body: Json) -> tuple[Whole | None, Stream | None, Prompt | None]:
    """Return how to answer where text is generated, Nones for the other endpoints."""
    if path.endswith("/chat/completions"):
        return openai.chat, openai.chat_stream, openai.read_chat(body)
    if path.endswith("/responses"):
        return openai.response, openai.response_stream, openai.read_responses(body)
    if path.endswith("/completions"):
        return openai.completion, openai.completion_stream, openai.read_completion(body)
    if path.endswith("/messages"):
        return anthropic.message, anthropic.message_stream, anthropic.read(body)
    verb = path.rpartition(":")[2]
    if verb in {"generateContent", "streamGenerateContent"}:
        sent = gemini.answer_stream if "alt=sse" in query else gemini.answer_array
        prompt = gemini.read(body, _path_model(path), stream=verb == "streamGenerateContent")
        return gemini.answer, sent, prompt
    return None, None, None


def _simple(path: str, body: Json, mark: str) -> SandboxResponse:
    """Answer the endpoints that generate no text."""
    value: Any
    if path.endswith("/embeddings"):
        value = openai.embeddings(body)
    elif path.endswith("/moderations"):
        value = openai.moderation(body, mark)
    elif path.endswith("/count_tokens"):
        value = anthropic.token_count(anthropic.read(body))
    elif path.endswith(":countTokens"):
        value = gemini.token_count(gemini.read(body, _path_model(path), stream=False))
    elif path.endswith(":embedContent"):
        value = gemini.embedding(body)
    elif path.endswith(":batchEmbedContents"):
        value = gemini.embeddings(body)
    else:
        return _refusal(_error_body(path), 404, f"{LABEL} There is no such path.")
    return _json(200, value, mark)


def _listing(path: str, error_body: ErrorBody) -> SandboxResponse:
    """Answer `GET /models` and `GET /models/{model}`.

    OpenAI's and Anthropic's lists share a path; the entry holds the fields of both, as extra fields hurt neither.
    """
    name = _path_model(path)
    if name and script_for(name) is None:
        return _refusal(error_body, 404, f"{LABEL} There is no such model.")
    if path.startswith("/v1beta"):
        return _json(200, gemini.model(name) if name else gemini.models(), "models")
    if not path.startswith("/v1/models"):
        return _refusal(error_body, 404, f"{LABEL} There is no such path.")
    if name:
        return _json(200, anthropic.model(name) | openai.model(name), "models")
    merged = [theirs | ours for theirs, ours in zip(anthropic.models()["data"], openai.models()["data"], strict=True)]
    return _json(200, anthropic.models() | openai.models() | {"data": merged}, "models")


def _failing(parts: Iterable[bytes], path: str) -> Iterable[bytes]:
    """Yield the first events, then one that tells of a failure, in the dialect's way."""
    yield from itertools.islice(parts, _CUT_AFTER_EVENTS)
    message = f"{LABEL} You asked for a failure inside the stream."
    if path.startswith("/v1beta"):
        yield gemini.stream_error(message)
    elif path.endswith("/messages"):
        yield anthropic.stream_error(message)
    else:
        yield openai.stream_error(path, message)


def _refusal(error_body: ErrorBody, status: int, message: str) -> SandboxResponse:
    # Gemini tells the wait in the body.
    waits = status in {429, 503, 529} and error_body is not gemini.error
    return SandboxResponse(
        status=status,
        content_type=_JSON,
        parts=(msgspec.json.encode(error_body(status, message)),),
        request_id="req_sandbox",
        headers=(("retry-after", "1"),) if waits else (),
    )


def _json(status: int, value: Any, mark: str, script: Script | None = None) -> SandboxResponse:
    data = msgspec.json.encode(value)
    # In two parts, so that a cut answer is a cut one.
    parts = (data[: len(data) // 2], data[len(data) // 2 :]) if script is not None and script.cut else (data,)
    return SandboxResponse(status=status, content_type=_JSON, parts=parts, request_id=f"req_{mark}", script=script)


def _error_body(path: str) -> ErrorBody:
    if path.startswith("/v1beta"):
        return gemini.error
    return anthropic.error if path.startswith("/v1/messages") else openai.error


def _path_model(path: str) -> str:
    _, found, rest = path.partition("/models/")
    return rest.partition(":")[0].replace("%2F", "/") if found else ""
