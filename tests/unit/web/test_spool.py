"""Forms that are received in pieces."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.web.spool import FormSpool, Spool

TYPE = b"multipart/form-data; boundary=bnd"
HEAD = b'--bnd\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
FILE = b'--bnd\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
END = b"\r\n--bnd--\r\n"


def received(pieces: Iterable[bytes], content_type: bytes = TYPE) -> Spool:
    spool = FormSpool(content_type)
    try:
        for piece in pieces:
            spool.add(piece)
        spool.finish()
    except InvalidRequestError:
        spool.close()
        raise
    return spool


@given(
    content=st.one_of(
        st.binary(min_size=1, max_size=60),
        st.sampled_from([b"a\nb\r\nc", b"\r\n--bn", b"x\r\n--bnx\r\n", b"\r\n\r\n--b"]),
    ),
    cuts=st.lists(st.integers(min_value=1, max_value=40), max_size=30),
)
def test_however_it_is_cut_the_file_is_the_same(content: bytes, cuts: list[int]) -> None:
    if b"--bnd" in content:
        return
    form = HEAD + FILE + content + END
    pieces, rest = [], form
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    spool = received([*pieces, rest])
    whole = received([form])
    assert spool.fields == {"purpose": "batch"}
    assert b"".join(spool.pieces()) == form == spool.form(TYPE)[0]
    got = [line for line in spool.lines(1000) if line]
    # What looks like a boundary at a cut may bring the line ends before it along: never less than is there.
    assert got == [line for line in whole.lines(1000) if line]
    for each in (spool, whole):
        each.close()


def test_a_line_that_is_too_long_is_cut_to_one_more() -> None:
    spool = received([HEAD, FILE, b"x" * 100, END])
    assert max(len(line) for line in spool.lines(10)) > 10
    spool.close()


@pytest.mark.parametrize(
    "form",
    [
        HEAD + END[2:],
        HEAD + FILE + b"a\r\n" + FILE + b"b" + END,
        HEAD + HEAD + FILE + b"a" + END,
        b"before" + HEAD + FILE + b"a" + END,
        HEAD + FILE + b"a" + END + b"after",
        HEAD + FILE + b"a",
        HEAD + FILE + END,
        HEAD.replace(b"batch", b"b" * 2000) + FILE + b"a" + END,
    ],
)
def test_what_two_parsers_could_read_otherwise_is_refused(form: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        received([form])


def test_what_is_no_form_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        FormSpool(b"application/json")
