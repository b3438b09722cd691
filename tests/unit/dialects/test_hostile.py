"""What fuzzing has found: inputs that broke a reader, at their smallest."""

import time
from collections.abc import Callable

import msgspec
import pytest

from keystead.dialects.body import read_json
from keystead.dialects.foreign_seals import without_foreign_seals
from keystead.dialects.multipart import read_fields, replace_field
from keystead.dialects.translating import Profile, UnreadableError
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import CHATS
from keystead.metering.meter import meter_for
from keystead.providers.classify import classify
from keystead.providers.listing import read_page

CONVERSATIONS = {
    wire: ("input" if wire[1] == "responses" else "contents" if wire[0] == "gemini" else "messages") for wire in CHATS
}


@pytest.mark.parametrize("wire", CHATS, ids=str)
def test_a_conversation_that_is_no_utf8_keeps_its_bytes(wire: tuple[Dialect, Endpoint]) -> None:
    body = read_json(b'{"model":"m","%s":["ks1.","\x80"]}' % CONVERSATIONS[wire].encode())
    assert without_foreign_seals(body, *wire) is body
    with pytest.raises(InvalidRequestError):
        CHATS[wire].read_request(body.raw, model="m", stream=False)


def test_a_kind_of_block_that_is_no_text_is_no_thinking() -> None:
    seal = '{"type":"thinking","signature":"ks1.openai.eA=="}'
    call = '{"type":["x"]},{"type":"tool_use"}'
    told = f'{{"thinking":{{"type":"enabled"}},"messages":[{{"content":[{seal}]}},{{"content":[{call}]}}]}}'
    body = without_foreign_seals(read_json(told.encode()), Dialect.ANTHROPIC, Endpoint.MESSAGES)
    assert "thinking" not in body.members


GEMINI = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":"\x80"}}]}}]}'


def test_arguments_that_are_no_utf8_are_unreadable() -> None:
    gemini = CHATS[Dialect.GEMINI, Endpoint.GENERATE]
    with pytest.raises(UnreadableError):
        gemini.read_answer(GEMINI)
    with pytest.raises(UnreadableError):
        gemini.stream_reader().feed(b"data: " + GEMINI + b"\n\n")


@pytest.mark.parametrize("kind", ['{"a":1}', '["d"]', "7", "null"])
def test_an_iteration_of_any_kind_is_counted(kind: str) -> None:
    body = f'{{"usage":{{"input_tokens":3,"iterations":[{{"type":{kind},"input_tokens":3}}]}}}}'.encode()
    meter = meter_for(
        "anthropic", Dialect.ANTHROPIC, Endpoint.MESSAGES, stream=False, content_type="", request_model="m"
    )
    meter.feed(body)
    assert meter.finish(complete=True).usage.input_tokens == 3


def test_a_refusal_that_is_nested_too_deeply_is_judged_by_its_status() -> None:
    deep = b'{"error":' * 2000 + b"1" + b"}" * 2000
    assert classify("openai", 429, (), deep).error_class == "throttled"


def test_a_list_of_models_that_is_no_utf8_is_none() -> None:
    assert read_page(b'{"data":[{"id":"\xe8"}]}') is None


def test_an_empty_field_of_a_form_stays_empty() -> None:
    kind = b"multipart/form-data; boundary=b"
    body = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n\r\n--b--\r\n'
    assert replace_field(body, kind, "model", "another") == body
    assert read_fields(body, kind, ("model",)) == {"model": ""}


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (
            (Dialect.ANTHROPIC, Endpoint.MESSAGES),
            b'{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":""}}]}]}',
        ),
        (
            (Dialect.OPENAI, Endpoint.RESPONSES),
            b'{"input":[{"role":"user","content":[{"type":"input_image","image_url":"cat"}]}]}',
        ),
        (
            (Dialect.OPENAI, Endpoint.RESPONSES),
            b'{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:"}]}]}',
        ),
    ],
    ids=["anthropic", "responses", "responses, empty data"],
)
def test_an_image_that_is_nowhere_is_refused_by_whoever_reads_it(wire: tuple[Dialect, Endpoint], body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="must be"):
        CHATS[wire].read_request(body, model="m", stream=False)


def _cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


@pytest.mark.parametrize("wire", CHATS, ids=str)
def test_calls_without_ids_take_time_by_their_number(wire: tuple[Dialect, Endpoint]) -> None:
    def asked(count: int) -> bytes:
        calls = [{"functionCall": {"name": f"f{number}", "args": {}}} for number in range(count)]
        results = [{"functionResponse": {"name": f"f{number}", "response": {}}} for number in reversed(range(count))]
        contents = [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]
        return msgspec.json.encode({"contents": contents})

    def translated(body: bytes) -> None:
        request = CHATS[Dialect.GEMINI, Endpoint.GENERATE].read_request(body, model="m", stream=False)
        CHATS[wire].write_request(request, Profile())

    short, long = asked(1000), asked(8000)
    least = min(_cpu(lambda: translated(short)) for _ in range(3))
    assert min(_cpu(lambda: translated(long)) for _ in range(2)) < 30 * least, "8 times as many; 64 times is quadratic"
