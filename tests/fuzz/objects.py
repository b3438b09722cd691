"""What names stored objects and models, and what comes by the line: references, batches, realtime, embeddings, counts."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from keystead.dialects.body import check_model, read_json
from keystead.dialects.counting import (
    TAILS,
    chat_body,
    counting_body,
    estimated_tokens,
    read_count,
    text_tokens,
    write_count,
)
from keystead.dialects.embeddings import EMBEDDERS
from keystead.dialects.id_words import MOST, id_words
from keystead.dialects.inner_model import with_inner_model
from keystead.dialects.named_models import named_models
from keystead.dialects.references import references_in
from keystead.dialects.stored_objects import as_shown, told
from keystead.dialects.translating import UnreadableError
from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.records import Cost
from keystead.domain.stored import ObjectKind
from keystead.domain.traffic import CostState, Dialect, Endpoint
from keystead.gateway.batch_lines import Line, anthropic_lines, openai_lines
from keystead.gateway.translate import CHATS
from keystead.metering.batch_results import BatchResults
from tests.fuzz import seeds
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target

_SLACK: Final = 64 * 1024


def targets() -> list[Target]:
    """Return a target for each of them."""
    return [
        *(_counting(dialect) for dialect in TAILS),
        Target("count answers", Shape.JSON, _counts, _check_count),
        *(_embedding(dialect) for dialect in EMBEDDERS),
        *(
            Target(f"embeddings answer {dialect}", Shape.JSON, _vectors, partial(_check_vectors, dialect))
            for dialect in EMBEDDERS
        ),
        Target("references", Shape.JSON, _bodies, check_references),
        Target("words that may be ids", Shape.JSON, _bodies, check_words),
        Target("words of forms", Shape.BYTES, lambda: [b"file=file-abc123&x=batch_1", *_bodies()], check_form_words),
        Target("names of models", Shape.JSON, _bodies, check_names),
        Target("stored objects", Shape.JSON, _objects, _check_object),
        Target("batch lines", Shape.BYTES, _batch_files, check_lines),
        Target("message batches", Shape.JSON, _message_batches, _check_message_batch),
        Target("batch results", Shape.JSON, _results, check_results),
    ]


def _chat(dialect: Dialect, endpoint: Endpoint) -> list[bytes]:
    return [*seeds.requests((dialect, endpoint))]


# -- counting ---------------------------------------------------------------------------------------------------------

_CHAT_OF: Final = {
    Dialect.ANTHROPIC: Endpoint.MESSAGES,
    Dialect.BEDROCK: Endpoint.CONVERSE,
    Dialect.GEMINI: Endpoint.GENERATE,
    Dialect.OPENAI: Endpoint.RESPONSES,
}


def _counting(dialect: Dialect) -> Target:
    wire = (dialect, _CHAT_OF[dialect])

    def asked() -> list[bytes]:
        whole = _chat(*wire)
        return [*whole, *(b'{"generateContentRequest":' + each + b"}" for each in whole[:2])]

    return Target(f"count requests {dialect}", Shape.JSON, asked, partial(_check_counting, *wire))


def _check_counting(dialect: Dialect, endpoint: Endpoint, body: bytes) -> None:
    with suppress(InvalidRequestError):
        chat = chat_body(dialect, body)
        request = CHATS[dialect, endpoint].read_request(chat, model="m-1", stream=False)
        assert 1 <= estimated_tokens(request) <= len(body) + _SLACK, "more tokens than bytes"
    with suppress(InvalidRequestError):
        written = counting_body(dialect, chat_body(dialect, body), model="m-1")
        read_json(written)
        assert len(written) <= 2 * len(body) + _SLACK
    text_tokens(body.decode("latin-1"))


def _counts() -> list[bytes]:
    return [
        b'{"input_tokens":12}',
        b'{"inputTokens":12}',
        b'{"totalTokens":12,"promptTokensDetails":[{"tokenCount":12}]}',
    ]


def _check_count(body: bytes) -> None:
    try:
        tokens = read_count(body)
    except UnreadableError:
        return
    for dialect in TAILS:
        assert read_count(write_count(dialect, tokens)) == tokens


# -- embeddings -------------------------------------------------------------------------------------------------------


def _embedding(dialect: Dialect) -> Target:
    asked = {
        Dialect.OPENAI: [
            b'{"model":"m","input":["a","b \xc3\xbc"],"dimensions":256,"encoding_format":"base64","user":"u"}',
            b'{"model":"m","input":"a"}',
            b'{"model":"m","input":[[1,2],[3]]}',
        ],
        Dialect.GEMINI: [
            b'{"content":{"role":"user","parts":[{"text":"a"},{"text":"b"}]},"outputDimensionality":256,"taskType":"X"}',
            b'{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}',
        ],
    }[dialect]
    return Target(f"embeddings request {dialect}", Shape.JSON, lambda: asked, partial(_check_embedding, dialect))


def _check_embedding(dialect: Dialect, body: bytes) -> None:
    try:
        request = EMBEDDERS[dialect].read_request(body, "m-1")
    except InvalidRequestError:
        return
    for embedder in EMBEDDERS.values():
        written = embedder.write_request(request).body
        assert len(written) <= 24 * len(body) + _SLACK, "a request that grows"
        again = embedder.read_request(written, "m-1")
        assert (again.inputs, again.dimensions) == (request.inputs, request.dimensions), "something else is asked"
        embedder.tail(request)


def _vectors() -> list[bytes]:
    return [
        b'{"object":"list","data":[{"index":1,"embedding":[0.5,-1e-3]},{"index":0,"embedding":[1,2]}],"model":"m"}',
        b'{"data":[{"embedding":"AACAPwAAAEA="}]}',
        b'{"embedding":{"values":[0.5,1e38]}}',
        b'{"embeddings":[{"values":[0.5]},{"values":[]}],"usageMetadata":{"promptTokenCount":2}}',
    ]


def _check_vectors(dialect: Dialect, body: bytes) -> None:
    try:
        answer = EMBEDDERS[dialect].read_answer(body)
    except UnreadableError:
        return
    if not answer.vectors:
        return  # nobody asks for none, and another number than was asked for is refused
    several = b'{"model":"m","input":["a"],"encoding_format":"%s"}'
    for form in (b"float", b"base64"):
        request = EMBEDDERS[Dialect.OPENAI].read_request(several % form, "m")
        for embedder in EMBEDDERS.values():
            with suppress(UnreadableError):
                written = embedder.write_answer(request, answer, "m", seeds.USAGE)
                assert len(written) <= 24 * len(body) + _SLACK, "an answer that grows"
                assert len(embedder.read_answer(written).vectors) == len(answer.vectors)


def check_vectors_of_openai(body: bytes) -> None:
    """As a target's check."""
    _check_vectors(Dialect.OPENAI, body)


# -- names in bodies --------------------------------------------------------------------------------------------------


def _bodies() -> list[bytes]:
    return [
        (
            b'{"model":"gpt-5","previous_response_id":"resp_1","conversation":{"id":"conv_1"},"input":[{"type":"input_file",'
            b'"file_id":"file-abc123"}],"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]}]}'
        ),
        b'{"model":"models/m","cachedContent":"cachedContents/abc123","generateContentRequest":{"model":"models/m"}}',
        b'{"requests":[{"model":"models/a","content":{}},{"content":{}}],"conversation":"conv_123456"}',
        b'{"messages":[{"content":[{"type":"document","source":{"type":"file","fi\\u006ce_id":"file_011C"}}]}],"model":"c"}',
        b'{"container":{"skills":[{"type":"custom","skill_id":"skill_1"},{"type":"anthropic","skill_id":"pptx"}]},"max_tokens":1}',
        b'{"prompt":{"id":"pmpt_1","variables":{"a":{"file_id":"file-1"}}},"tools":[{"skills":[{"skill_id":"skill_1"}]}]}',
        b'{"input_file_id":"file-abc123","endpoint":"/v1/responses","metadata":{"model":"no","file_id":"no"}}',
    ]


def check_references(data: bytes) -> None:
    with suppress(InvalidRequestError):
        body = read_json(data)
        for dialect, endpoint in ((Dialect.OPENAI, Endpoint.RESPONSES), (Dialect.ANTHROPIC, Endpoint.MESSAGES)):
            with suppress(InvalidRequestError):
                found = references_in(body, dialect, endpoint)
                assert all(len(each.upstream_id) <= 256 for each in found), "a name without bounds"


def check_words(data: bytes) -> None:
    with suppress(InvalidRequestError):
        read_json(data)
        words = id_words("/v1/files/file-abc123", data, is_form=False)
        assert len(words) <= MOST
        assert all(len(word) <= 255 and word.isascii() for word in words)


def check_form_words(data: bytes) -> None:
    with suppress(InvalidRequestError):
        assert len(id_words(data[:200].decode("latin-1"), data, is_form=True)) <= MOST


def check_names(data: bytes) -> None:
    with suppress(InvalidRequestError):
        named_models(data)
    with suppress(InvalidRequestError):
        body = read_json(data)
        changed = with_inner_model(body, "m-2")
        assert with_inner_model(changed, "m-2").raw == changed.raw, "what was changed is changed again"
        read_json(changed.raw)


def _objects() -> list[bytes]:
    return [
        b'{"id":"batch_1","status":"completed","output_file_id":"file-1","error_file_id":null,"expires_at":1790000000}',
        b'{"id":"msgbatch_1","processing_status":"ended","results_url":"https://a.example/r","expires_at":"2026-01-02T03:04:05Z"}',
        b'{"name":"cachedContents/abc","expireTime":"2026-01-02T03:04:05.123456Z"}',
    ]


def _check_object(data: bytes) -> None:
    for kind in ObjectKind:
        found = told(kind, data)
        shown = as_shown(kind, data)
        assert found is None or found.upstream_id.isprintable()
        assert found is None or found.expires_at is None or abs(found.expires_at) < 2**63, (
            "an instant that no table holds"
        )
        assert kind is ObjectKind.MESSAGE_BATCH or shown == data


# -- batches ----------------------------------------------------------------------------------------------------------


def _batch_files() -> list[bytes]:
    line = b'{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","max_tokens":9,"messages":[]}}\n'
    return [line * 2, line.replace(b"chat/completions", b"embeddings") + b"\n \n" + line]


def check_lines(data: bytes) -> None:
    _taken(lambda: list(openai_lines(data.splitlines(keepends=True), at=1)))


def _message_batches() -> list[bytes]:
    params = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'
    return [b'{"requests":[{"custom_id":"1","params":' + params + b'},{"custom_id":"2","params":' + params + b"}]}"]


def _check_message_batch(data: bytes) -> None:
    with suppress(KeysteadError):
        body = read_json(data)
        _taken(lambda: list(anthropic_lines(body, at=1)))


def _taken(read: Callable[[], list[Line]]) -> None:
    """Lines are refused in our words, or each names what may be sent on."""
    with suppress(KeysteadError):
        for line in read():
            assert line.model
            with suppress(InvalidRequestError):
                check_model(line.model)


def _results() -> list[bytes]:
    return [
        (
            b'{"custom_id":"1","response":{"status_code":200,"body":{"id":"c","model":"m","choices":[],'
            b'"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}},"error":null}'
        ),
        b'{"custom_id":"1","result":{"type":"succeeded","message":{"model":"m","usage":{"input_tokens":3,"output_tokens":4}}}}',
        b'{"custom_id":"1","result":{"type":"errored","error":{"type":"x"}}}',
    ]


def check_results(data: bytes) -> None:
    free = Cost(state=CostState.FREE, pico=0, currency="USD", price_version="v", lines=(("input_tokens", "3", "0.1"),))
    for dialect, endpoint in ((Dialect.OPENAI, Endpoint.CHAT), (Dialect.ANTHROPIC, Endpoint.MESSAGES)):
        results = BatchResults(lambda _: free, provider=dialect, dialect=dialect, endpoint=endpoint, model="m")
        for line in (*data.splitlines(), data):
            results.add(line)
        reading = results.reading("batch_1")
        assert reading.usage.input_total >= 0
        msgspec.json.encode(reading)
        results.cost()
