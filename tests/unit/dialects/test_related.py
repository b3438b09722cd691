"""A file of Google's that comes at once, behind what is said about it."""

import email
import email.policy
import json
from email.generator import BytesGenerator
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.related import LONGEST_HEAD, RelatedReader
from keystead.domain.errors import InvalidRequestError

TYPE = b"multipart/related; boundary=bnd"
ABOUT = b'{"file":{"displayName":"d"}}'
HEAD = b"--bnd\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + ABOUT
SECOND = b"\r\n--bnd\r\nContent-Type: text/plain\r\n\r\n"
END = b"\r\n--bnd--\r\n"


def read(body: bytes, cuts: list[int] | None = None, content_type: bytes = TYPE) -> tuple[bytes, bytes]:
    reader = RelatedReader(content_type)
    rest = body
    for cut in cuts or []:
        reader.feed(rest[:cut])
        rest = rest[cut:]
    reader.feed(rest)
    said, (start, end) = reader.finish(lambda start, end: body[start:end])
    return said, body[start:end]


@given(
    content=st.one_of(st.binary(max_size=60), st.sampled_from([b"\r\n--bn", b"a\nb\r\n", b"--b--bn", b"\r\n\r\n"])),
    cuts=st.lists(st.integers(min_value=0, max_value=40), max_size=30),
)
def test_however_it_is_cut_the_two_parts_are_the_same(content: bytes, cuts: list[int]) -> None:
    if b"--bnd" in content:
        return
    assert read(HEAD + SECOND + content + END, cuts) == (ABOUT, content)


@given(
    st.lists(st.sampled_from([SECOND, END, b"--bnd", b"\r\n", b"\n", b"\r", b"--", b"x", b"Content-Type: text/plain"]))
)
def test_what_is_taken_another_parser_takes_the_same_way(parts: list[bytes]) -> None:
    body = b"".join([HEAD, SECOND, *parts, END])
    try:
        said, file = read(body)
    except InvalidRequestError:
        return
    message = email.message_from_bytes(b"Content-Type: %s\n\n" % TYPE + body, policy=email.policy.HTTP)
    parts_there: Any = message.iter_parts()
    first, second = parts_there
    assert json.loads(first.get_payload(decode=True)) == json.loads(said)
    assert second.get_payload(decode=True) == file


def test_what_googles_older_python_client_sends_is_taken() -> None:
    """As `googleapiclient.discovery` puts it together: lines end with a line feed alone."""
    root = MIMEMultipart("related")
    root._write_headers = lambda _: None  # type: ignore[attr-defined]
    about = MIMENonMultipart("application", "json")
    about.set_payload(ABOUT.decode())
    root.attach(about)
    file: Message = MIMENonMultipart("audio", "mp3")
    file["Content-Transfer-Encoding"] = "binary"
    file.set_payload(bytes(range(128)))
    root.attach(file)
    written = BytesIO()
    BytesGenerator(written, mangle_from_=False).flatten(root, unixfrom=False)
    content_type = f'multipart/related; boundary="{root.get_boundary()}"'.encode()
    said, content = read(written.getvalue(), content_type=content_type)
    assert json.loads(said) == json.loads(ABOUT)
    assert content.startswith(bytes(range(10)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HEAD,
        HEAD + END,
        HEAD + SECOND + b"x",
        HEAD + SECOND + b"x" + END + b"after",
        HEAD + SECOND + b"x" + END[:-4] + b"x",
        b"before" + HEAD + SECOND + b"x" + END,
        HEAD + SECOND + b"x" + SECOND + b"y" + END,
        HEAD + SECOND + b"x--bndx" + END,
        HEAD + SECOND[2:] + b"x" + END,
        HEAD + SECOND + b"x" + END[2:],
        HEAD + SECOND + END[2:],
        HEAD.replace(b"json", b"xml") + SECOND + b"x" + END,
        HEAD.replace(b"utf-8", b"utf-7") + SECOND + b"x" + END,
        HEAD.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n") + SECOND + b"x" + END,
        HEAD.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + SECOND + b"x" + END,
        HEAD.replace(b"\r\n\r\n", b"\r\n folded\r\n\r\n") + SECOND + b"x" + END,
        HEAD + SECOND.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + b"x" + END,
        HEAD + b" " * LONGEST_HEAD + SECOND + b"x" + END,
    ],
)
def test_what_two_parsers_could_read_otherwise_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        read(body)


@pytest.mark.parametrize(
    "content_type", [b"", b"multipart/form-data; boundary=b", b"multipart/related", TYPE + b"; x=y"]
)
def test_what_is_of_another_type_is_refused(content_type: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        RelatedReader(content_type)


def test_of_a_long_file_nothing_is_held() -> None:
    reader = RelatedReader(TYPE)
    reader.feed(HEAD + SECOND)
    for _ in range(100):
        reader.feed(b"\r\n--bn" * 10_000)
    assert len(reader._head) <= LONGEST_HEAD
    assert len(reader._tail) < len(b"--bnd")
