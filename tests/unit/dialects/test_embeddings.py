"""Embeddings from each dialect into the other and back."""

import base64
import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.embeddings import ASKERS, EMBEDDERS, bedrock, gemini, openai, slices, vertex
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import Loss
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingForm, EmbeddingRequest
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect
from keystead.domain.usage import Usage

VECTORS = EmbeddingAnswer(vectors=(msgspec.Raw(b"[0.5,-1.25]"), msgspec.Raw(b"[0.25,2]")))


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


def test_openai_texts_become_a_batch_for_google() -> None:
    body = {"model": "x", "input": ["a", "b"], "dimensions": 64, "encoding_format": "base64", "user": "u"}
    request = openai.read_request(raw(body), "gemini-embedding-001")
    assert request.base64
    assert [loss.field for loss in request.losses] == ["user"]
    assert gemini.tail(request) == "/models/{model}:batchEmbedContents"
    written = json.loads(gemini.write_request(request).body)
    assert written["requests"][1] == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "b"}]},
        "outputDimensionality": 64,
    }


def test_one_openai_text_is_one_call_for_google() -> None:
    request = openai.read_request(raw({"input": "a"}), "g")
    assert gemini.tail(request) == "/models/{model}:embedContent"
    assert json.loads(gemini.write_request(request).body) == {"content": {"parts": [{"text": "a"}]}}


@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2], [3]]])
def test_token_numbers_are_refused_by_name(tokens: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        openai.read_request(raw({"input": tokens}), "g")
    assert (caught.value.code, caught.value.param) == ("not_translatable", "input")


@pytest.mark.parametrize("body", [{}, {"input": []}, {"input": ["a", 1]}, {"input": "a", "encoding_format": "hex"}])
def test_what_is_no_openai_request_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequestError):
        openai.read_request(raw(body), "g")


def test_googles_batch_becomes_openai_texts() -> None:
    one = {"model": "models/x", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"}
    two = {"content": {"role": "user", "parts": [{"text": "b"}]}, "output_dimensionality": 8}
    request = gemini.read_request(raw({"requests": [{**one, "outputDimensionality": 8}, two]}), "text-embedding-3")
    written = openai.write_request(request)
    assert [(loss.field, loss.grave) for loss in written.losses] == [("requests[0].taskType", False)]
    assert json.loads(written.body) == {
        "model": "text-embedding-3",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 8,
    }


def test_google_is_answered_in_the_form_it_asked_in() -> None:
    one = gemini.read_request(raw({"content": {"parts": [{"text": "a"}]}}), "m")
    many = gemini.read_request(raw({"requests": [{"content": {"parts": [{"text": "a"}]}}]}), "m")
    answer = EmbeddingAnswer(vectors=VECTORS.vectors[:1])
    usage = Usage(input_tokens=7)
    assert json.loads(gemini.write_answer(one, answer, "m", usage)) == {
        "embedding": {"values": [0.5, -1.25]},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
    }
    assert json.loads(gemini.write_answer(many, answer, "m", None)) == {"embeddings": [{"values": [0.5, -1.25]}]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": {"parts": []}},
        {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}},
        {
            "requests": [
                {"content": {"parts": [{"text": "a"}]}},
                {"content": {"parts": [{"text": "b"}]}, "outputDimensionality": 8},
            ]
        },
    ],
)
def test_what_cannot_be_said_of_googles_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequestError):
        gemini.read_request(raw(body), "m")


def test_openai_is_answered_with_floats_or_base64_and_its_usage() -> None:
    request = EmbeddingRequest(model="m", inputs=("a", "b"))
    answer = json.loads(openai.write_answer(request, VECTORS, "asked", Usage(input_tokens=7)))
    assert answer["data"][1] == {"object": "embedding", "index": 1, "embedding": [0.25, 2]}
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    packed = json.loads(openai.write_answer(msgspec.structs.replace(request, base64=True), VECTORS, "asked", None))
    assert struct.unpack("<2f", base64.b64decode(packed["data"][0]["embedding"])) == (0.5, -1.25)


def test_unknown_usage_is_left_out_and_not_a_zero() -> None:
    answer = json.loads(openai.write_answer(EmbeddingRequest(model="m", inputs=("a", "b")), VECTORS, "m", None))
    assert "usage" not in answer


def test_openais_vectors_are_put_in_order_and_unpacked() -> None:
    packed = base64.b64encode(struct.pack("<2f", 0.5, -1.25)).decode()
    body = {"data": [{"embedding": [0.25, 2], "index": 1}, {"embedding": packed, "index": 0}]}
    vectors = [json.loads(bytes(vector)) for vector in openai.read_answer(raw(body)).vectors]
    assert vectors == [[0.5, -1.25], [0.25, 2]]


@pytest.mark.parametrize("dialect", EMBEDDERS)
@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":[{"embedding":"??"}]}', b'{"embedding":{"values":["a"]}}'])
def test_what_is_no_answer_is_unreadable(dialect: Dialect, body: bytes) -> None:
    if dialect is Dialect.GEMINI and b"data" in body:
        return
    with pytest.raises(UnreadableError):
        EMBEDDERS[dialect].read_answer(body)


@given(st.lists(st.text(), min_size=1, max_size=5), st.none() | st.integers(1, 4096))
def test_texts_keep_their_order_through_either_dialect(texts: list[str], dimensions: int | None) -> None:
    request = EmbeddingRequest(model="m", inputs=tuple(texts), dimensions=dimensions)
    for embedder in EMBEDDERS.values():
        again = embedder.read_request(embedder.write_request(request).body, "m")
        assert (again.inputs, again.dimensions) == (request.inputs, dimensions)


# -- forms that no caller speaks --------------------------------------------------------------------------------------


def test_tasks_and_titles_are_said_where_there_is_a_word_for_them() -> None:
    one = {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_DOCUMENT", "title": "T", "autoTruncate": True}
    request = gemini.read_request(raw(one), "text-embedding-005")
    assert request.losses == ()
    assert json.loads(vertex.write_predict(request).body) == {
        "instances": [{"content": "a", "task_type": "RETRIEVAL_DOCUMENT", "title": "T"}],
        "parameters": {"autoTruncate": True},
    }
    cohere = bedrock.write_cohere(request)
    assert json.loads(cohere.body)["input_type"] == "search_document"
    assert [loss.field for loss in cohere.losses] == ["title"]
    assert [loss.field for loss in bedrock.write_titan(request).losses] == ["taskType", "title"]
    assert json.loads(gemini.write_request(request).body)["taskType"] == "RETRIEVAL_DOCUMENT"


@pytest.mark.parametrize(
    ("task", "said", "lost"), [("CLUSTERING", "clustering", []), ("SOON", "search_document", ["x"])]
)
def test_cohere_is_told_a_task_that_it_knows_and_the_others_are_named(task: str, said: str, lost: list[str]) -> None:
    hint = Loss(field="x", grave=False)
    written = bedrock.write_cohere(
        EmbeddingRequest(model="cohere.embed-v4:0", inputs=("a",), tasks=(task,), hints=(hint,))
    )
    assert json.loads(written.body)["input_type"] == said
    assert [loss.field for loss in written.losses] == lost


def test_cohere_cannot_be_asked_for_two_tasks_at_once() -> None:
    tasks = ("RETRIEVAL_QUERY", "CLUSTERING")
    with pytest.raises(InvalidRequestError) as caught:
        bedrock.write_cohere(EmbeddingRequest(model="cohere.embed-v4:0", inputs=("a", "b"), tasks=tasks))
    assert caught.value.param == "requests[].taskType"


@pytest.mark.parametrize(
    ("form", "model", "name"),
    [
        (EmbeddingForm.TITAN, "amazon.titan-embed-text-v2:0", "dimensions"),
        (EmbeddingForm.TITAN, "amazon.titan-embed-text-v1", ""),
        (EmbeddingForm.COHERE, "us.cohere.embed-v4:0", "output_dimension"),
        (EmbeddingForm.COHERE, "cohere.embed-english-v3", ""),
    ],
)
def test_a_length_is_asked_for_only_where_there_is_a_choice(form: EmbeddingForm, model: str, name: str) -> None:
    written = ASKERS[form].write_request(EmbeddingRequest(model=model, inputs=("a",), dimensions=256))
    assert {key: value for key, value in json.loads(written.body).items() if value == 256} == (
        {name: 256} if name else {}
    )
    assert [(loss.field, loss.grave) for loss in written.losses] == ([] if name else [("dimensions", True)])


def test_openais_callers_may_say_what_the_vectors_are_for() -> None:
    request = openai.read_request(raw({"input": ["a", "b"], "input_type": "search_query"}), "m")
    assert request.tasks == ("RETRIEVAL_QUERY", "RETRIEVAL_QUERY")
    with pytest.raises(InvalidRequestError, match="input_type"):
        openai.read_request(raw({"input": "a", "input_type": "query"}), "m")


def test_both_forms_of_coheres_answer_are_read() -> None:
    for found in ({"float": [[0.5], [1.0]]}, [[0.5], [1.0]]):
        assert [bytes(each) for each in bedrock.read_cohere(raw({"embeddings": found})).vectors] == [b"[0.5]", b"[1.0]"]


@pytest.mark.parametrize("form", ASKERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"embedding":["a"],"embeddings":[["a"]],"predictions":[{"embeddings":{"values":["a"]}}]}'],
)
def test_what_is_no_answer_of_a_form_is_unreadable(form: EmbeddingForm, body: bytes) -> None:
    with pytest.raises(UnreadableError):
        ASKERS[form].read_answer(body)


@given(st.lists(st.text(), min_size=1, max_size=30), st.integers(1, 9))
def test_slices_hold_all_texts_in_their_order(texts: list[str], size: int) -> None:
    tasks = tuple(map(str, range(len(texts))))
    found = slices(EmbeddingRequest(model="m", inputs=tuple(texts), tasks=tasks), size)
    assert [text for each in found for text in each.inputs] == texts
    assert [task for each in found for task in each.tasks] == list(tasks)
    assert all(len(each.inputs) <= size for each in found)
