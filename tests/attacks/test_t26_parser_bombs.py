"""T26: a body is read in time that its size explains, and read in one way only.

An object with a million members, or one pretty-printed in the right places, must not stop the event loop for
everybody; and where two parsers could read two different models out of one body, it is refused.
"""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.body import read_json, rewrite
from keystead.dialects.multipart import read_fields
from keystead.domain.errors import InvalidRequestError
from tests.attacks.conftest import Stage

SIZE = 10_000_000
LONGEST_S = 0.5
"""A factor of ten above what the slowest of these takes alone; the ways around it took 1 to 5 seconds."""

HEAD = b'{"model":"gpt-5",'
BOMBS = {
    "a million members": HEAD + b",".join(b'"%x":0' % number for number in range(1_000_000)) + b"}",
    "one member a million times": HEAD + b",".join([b'"a":0'] * 1_500_000) + b"}",
    "numbers, pretty-printed": b'{"model": "gpt-5", "x": [' + b"0," * (SIZE // 2) + b"0]}",
    "lists, pretty-printed": b'{"model": "gpt-5", "x": [' + b"[]," * (SIZE // 3) + b"0]}",
    "objects, pretty-printed": b'{"model": "gpt-5", "x": [' + b'{"a":0},' * (SIZE // 8) + b"0]}",
    "white space": HEAD + b'"x":1' + b" " * SIZE + b"}",
    "an endless number": b'{"model": "gpt-5", "x":' + b"9" * SIZE + b"}",
    "depth": HEAD + b'"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "depth without end": b'{"a":' * 1_000_000,
    "stream options with a million members": HEAD
    + b'"stream":true,"stream_options":{'
    + b",".join(b'"%x":0' % number for number in range(1_000_000))
    + b"}}",
    "a model of ten megabytes": b'{"model":"' + b"a" * SIZE + b'"}',
    "escapes": HEAD + b'"x":"' + b"\\u0041" * (SIZE // 6) + b'"}',
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_body_takes_no_longer_than_its_size_explains(name: str) -> None:
    began = time.process_time()
    with contextlib.suppress(InvalidRequestError):
        assert len(read_json(BOMBS[name]).members) < 10
    assert time.process_time() - began < LONGEST_S


FORM = b"multipart/form-data; boundary=frontier"


def form(*parts: bytes) -> bytes:
    return b"".join(b"--frontier\r\n" + part + b"\r\n" for part in parts) + b"--frontier--\r\n"


FIELD = b'Content-Disposition: form-data; name="model"\r\n\r\n'
FORM_BOMBS = {
    "line ends in a file": form(
        b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"\r\n" * (SIZE // 2)
    ),
    "half boundaries in a file": form(
        b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"\r\n--frontie" * (SIZE // 11)
    ),
    "a preamble": b"\r\n" * (SIZE // 2) + form(FIELD + b"m"),
    "an epilogue": form(FIELD + b"m") + b"\r\n--frontier" * (SIZE // 12),
    "a header without end": form(b"X: " + b"a" * SIZE),
    "a million headers": form(b"\r\n".join([b"a: b"] * 1_000_000)),
    "a hundred thousand parts": form(*[FIELD + b"m"] * 100_000),
    "a disposition with many parts": form(b"Content-Disposition: form-data" + b'; a="b"' * 100 + b"\r\n\r\nm"),
}


@pytest.mark.parametrize("name", FORM_BOMBS)
def test_a_form_takes_no_longer_than_its_size_explains(name: str) -> None:
    began = time.process_time()
    with contextlib.suppress(InvalidRequestError):
        assert set(read_fields(FORM_BOMBS[name], FORM, ("model",))) <= {"model"}
    assert time.process_time() - began < LONGEST_S


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"cheap","Model":"dear"}',
        b'{"Model":"dear","model":"cheap"}',
        b'{"MODEL":"dear"}',
        b'{"model":"cheap","\\u004dodel":"dear"}',
        b'{"model":"cheap","Stream":true}',
        '{"model":"cheap","\u017ftream":true}'.encode(),  # Go folds a long s to an s
        b'{"model":"cheap","Stream_Options":{}}',
        b'{"model":"cheap","Models":["dear"]}',
        b'{"model":"cheap","Previous_Response_Id":"resp_1"}',
        b'{"model":"cheap","stream":true,"stream_options":{"include_usage":false,"include_usage":true}}',
        b'{"model":"cheap","stream":true,"stream_options":{"include_usage":true,"include_usag\\u0065":false}}',
    ],
)
def test_a_member_that_another_parser_reads_as_another_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_json(raw)
    assert caught.value.code in {"misspelt_member", "duplicate_member"}


names = st.sampled_from(["a", "b", "c", "model"]) | st.text(max_size=3)
values = st.sampled_from(["1", '"x"', "[1,2]", "{}", '{"a":1}', "null", "1.0e5", '"\\""', "[]", "12"])
spaces = st.sampled_from(["", " ", "\n\t", "  "])


@given(st.lists(st.tuples(names, values, spaces, spaces), max_size=6), spaces, st.booleans())
def test_an_object_is_refused_if_and_only_if_a_name_comes_twice(
    pairs: list[tuple[str, str, str, str]], space: str, ascii_only: bool
) -> None:
    members = [
        f"{before}{json.dumps(name, ensure_ascii=ascii_only)}{after}:{before}{value}{after}"
        for name, value, before, after in pairs
        if name != "model"
    ]
    raw = (space + "{" + ",".join(members) + space + "}" + space).encode()
    given = [name for name, *_ in pairs if name != "model"]
    if len(set(given)) < len(given):
        with pytest.raises(InvalidRequestError) as caught:
            read_json(raw)
        assert caught.value.code == "duplicate_member"
    else:
        expected = {**json.loads(raw), "stream_options": {"include_usage": True}}
        assert json.loads(rewrite(read_json(raw), include_usage=True)) == expected


CLEAR = b'Content-Disposition: form-data; name="model"\r\n\r\ncheap'
UNCLEAR = {
    "the field twice": form(CLEAR, CLEAR.replace(b"cheap", b"dear")),
    "two names": form(b'Content-Disposition: form-data; name="x"; name="model"\r\n\r\ndear', CLEAR),
    "two names, the other way": form(b'Content-Disposition: form-data; name="model"; name="x"\r\n\r\ndear', CLEAR),
    "two dispositions": form(
        b'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear', CLEAR
    ),
    "an extended name": form(b"Content-Disposition: form-data; name*=utf-8''model\r\n\r\ndear", CLEAR),
    "an escaped name": form(b'Content-Disposition: form-data; name="mod\\el"\r\n\r\ndear', CLEAR),
    "a percent-encoded name": form(b'Content-Disposition: form-data; name="mod%65l"\r\n\r\ndear', CLEAR),
    "an encoded word": form(b'Content-Disposition: form-data; name="=?utf-8?q?model?="\r\n\r\ndear', CLEAR),
    "a name in single quotes": form(b"Content-Disposition: form-data; name='model'\r\n\r\ndear", CLEAR),
    "a parameter inside a name": form(b'Content-Disposition: form-data; name="a;name=model"\r\n\r\ndear', CLEAR),
    "another disposition": form(b'Content-Disposition: attachment; name="model"\r\n\r\ndear', CLEAR),
    "no disposition": form(b"X: y\r\n\r\ndear", CLEAR),
    "base64": form(CLEAR.replace(b"\r\n\r\ncheap", b"\r\nContent-Transfer-Encoding: base64\r\n\r\nZGVhcg==")),
    "quoted-printable": form(
        CLEAR.replace(b"\r\n\r\ncheap", b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nde=61r")
    ),
    "no end": form(CLEAR).removesuffix(b"--frontier--\r\n") + b"--frontier\r\n" + CLEAR.replace(b"cheap", b"dear"),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_form_that_another_parser_reads_otherwise_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_fields(UNCLEAR[name], FORM, ("model", "stream"))
    assert caught.value.code in {"malformed_form", "duplicate_member"}


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/form-data; boundary=frontier; boundary=other",
        b"multipart/form-data; boundary*=utf-8''frontier",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary='frontier",
        b"multipart/mixed; boundary=frontier",
        b"multipart/form-data, multipart/form-data; boundary=frontier",
        b"multipart/form-data; boundary=" + b"x" * 100,
    ],
)
def test_a_form_with_two_boundaries_or_none_is_refused(content_type: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        read_fields(form(CLEAR), content_type, ("model",))


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Disposition: form-data; name="model"',
        b"content-disposition: FORM-DATA; NAME=model",
        b'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=utf-8',
        b'Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: 8bit\r\nContent-Length: 5',
        b'Content-Type: text/plain\r\nContent-Disposition: form-data; name="model"',
    ],
)
def test_the_forms_that_libraries_send_are_read(head: bytes) -> None:
    file = 'Content-Disposition: form-data; name="file"; filename="\u00e9 \\"1\\".mp3"; filename*=utf-8\'\'a%20b.mp3\r\n\r\n'
    body = form(
        file.encode() + b"\x00\xff",
        head + b"\r\n\r\ncheap",
        b'Content-Disposition: form-data; name="include[]"\r\n\r\na',
    )
    assert read_fields(body, FORM, ("model",)) == {"model": "cheap"}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=a"]
)
async def test_a_body_read_as_json_is_told_as_json(each_stage: Stage, content_type: str) -> None:
    body: Any = {"model": "my-openai/gpt-5", "messages": [], "a": "&model=dear&"}
    reply = await each_stage.gateway.call("POST", "/v1/chat/completions", body, headers={"Content-Type": content_type})
    assert reply.status == 200
    assert each_stage.fake.calls[-1].header("content-type") == "application/json"
