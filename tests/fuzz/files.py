"""Files that callers upload, and embeddings in forms that no caller speaks."""

import email
import email.policy
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec

from keystead.dialects.body import read_json
from keystead.dialects.embeddings import ASKERS, EMBEDDERS, Asker, slices
from keystead.dialects.gemini_files import check_start, file_named, pieces_query, upload_id_in, uploaded
from keystead.dialects.related import RelatedReader
from keystead.dialects.translating import UnreadableError
from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.stored import ObjectKind, StoredObject
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.embed import SeriesTranslation
from keystead.gateway.upload_address import Kept, digest, key_in, new_address, query_of
from keystead.web.uploading import address_in, check_begun, own_url
from tests.fuzz import seeds
from tests.fuzz.edges import check_meter
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target, chopped

_SLACK: Final = 64 * 1024
_LARGEST: Final = 1 << 30


def targets() -> list[Target]:
    """Return a target for each of them."""
    return [
        Target("addresses of files", Shape.BYTES, _addresses, _check_address),
        Target("beginnings of uploads", Shape.JSON, lambda: _STARTS, _check_start),
        Target("uploads", Shape.BYTES, _uploads, _check_upload),
        Target("files that come at once", Shape.BYTES, _at_once, check_at_once),
        *(
            Target(f"embeddings by {form}", Shape.JSON, lambda: _PARTS, partial(_check_parts, asker))
            for form, asker in ASKERS.items()
        ),
        *(
            Target(
                f"metering embeddings at {provider}",
                Shape.JSON,
                lambda: _PARTS,
                partial(check_meter, (dialect, Endpoint.EMBEDDINGS, False), [provider]),
            )
            for provider, dialect in (("bedrock", Dialect.BEDROCK), ("vertex", Dialect.GEMINI))
        ),
        Target(
            "metering embeddings in their own words",
            Shape.JSON,
            lambda: _OWN,
            partial(check_meter, (Dialect.BEDROCK, Endpoint.EMBEDDINGS, False), ["bedrock"], stated="17"),
        ),
    ]


# -- uploads ----------------------------------------------------------------------------------------------------------


def _addresses() -> list[bytes]:
    return [
        b"https://generativelanguage.googleapis.com/v1beta/files/abc-123:download?alt=media",
        b"https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=AbC_12345678&upload_protocol=resumable",
        b"https://a.example/upload/v1beta/%66iles/%2561bc",
        b"files/abc-123",
        b"gs://bucket/files/abc",
    ]


def _check_address(data: bytes) -> None:
    text = data.decode("latin-1")
    for google_alone in (False, True):
        assert len(file_named(text, google_alone=google_alone) or "") <= 255, "a name without bounds"
    if (upload_id := upload_id_in(text)) is not None:
        query = pieces_query(upload_id).decode()
        assert upload_id_in(f"https://a.example/upload/v1beta/files?{query}") == upload_id


_STARTS: Final = [
    b'{"file":{"displayName":"a","mimeType":"text/plain","name":""}}',
    b'{"file":{"name":"files/chosen","sizeBytes":"3"}}',
]


def _check_start(data: bytes) -> None:
    with suppress(InvalidRequestError):
        check_start(read_json(data))
    found = uploaded(data)
    assert found is None or found in data


def _uploads() -> list[bytes]:
    heads = b"x-goog-upload-protocol: resumable\nx-goog-upload-command: start\nx-goog-upload-header-content-length: 3"
    return [
        b"upload_id=%s&upload_protocol=resumable\n" % f"vk_01abc.{'A' * 43}".encode()
        + b"host: a.example\nx-forwarded-proto: https\n"
        + heads
    ]


def _check_upload(data: bytes) -> None:
    query, *lines = data.split(b"\n")
    heads = dict(line.split(b": ", 1) for line in lines if b": " in line)
    address = address_in(query)
    if address is not None:
        assert own_url({**heads, b"host": b"a.example"}, address.encode()).startswith((b"https://a", b"http://a"))
        assert query_of(_kept(address)) == pieces_query(address)
    with suppress(KeysteadError):
        check_begun(_ask(heads), limit=_LARGEST)
        assert int(heads.get(b"x-goog-upload-header-content-length", b"0")) <= _LARGEST
    assert key_in(new_address("vk_01abc")) == "vk_01abc"


def _at_once() -> list[bytes]:
    head = b'--b\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{"file":{"displayName":"a"}}\r\n'
    return [
        head + b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n",
        head.replace(b"\r\n", b"\n") + b"--b\nContent-Transfer-Encoding: binary\n\n\x00\xff\n--b--\n",
    ]


def check_at_once(data: bytes) -> None:
    """However it is cut, the same two parts are found or none; and Python's own parser of messages finds them, too."""
    found = [_parts(chunks, data) for chunks in ([data], chopped(data))]
    assert found[0] == found[1], "cut elsewhere, it is another file"
    if found[0] is None:
        return
    with suppress(InvalidRequestError):
        check_start(read_json(found[0][0]))
    head = b"Content-Type: multipart/related; boundary=b\n\n"
    parts: Any = email.message_from_bytes(head + data, policy=email.policy.HTTP).get_payload()
    said, file = parts
    assert said.get_payload(decode=True).strip() == found[0][0], "another reader finds another word about it"
    assert file.get_payload(decode=True) == found[0][1], "another reader finds another file"


def _parts(chunks: list[bytes], data: bytes) -> tuple[bytes, bytes] | None:
    reader = RelatedReader(b"multipart/related; boundary=b")
    try:
        for chunk in chunks:
            reader.feed(chunk)
        said, (start, end) = reader.finish(lambda start, end: data[start:end])
    except InvalidRequestError:
        return None
    return said, data[start:end]


def _kept(address: str) -> StoredObject:
    return StoredObject(
        id="obj_1",
        organization_id="org_1",
        team_id="team_1",
        principal_kind="member",
        principal_id="m_1",
        virtual_key_id="vk_01abc",
        credential_id="cred_1",
        provider="google",
        kind=ObjectKind.GEMINI_UPLOAD,
        upstream_id=digest(address),
        created_at=0,
        shown=msgspec.json.encode(Kept(upload_id=address)).decode(),
    )


def _ask(headers: dict[bytes, bytes], dialect: Dialect = Dialect.GEMINI) -> Ask:
    return Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=dialect,
        endpoint=Endpoint.EMBEDDINGS,
        tail="",
        query=b"",
        headers=headers,
        model="m",
        stream=False,
        body=b"",
        object_kind=ObjectKind.GEMINI_UPLOAD,
    )


# -- embeddings in parts ----------------------------------------------------------------------------------------------

_PARTS: Final = [
    b'[{"stated":"","answer":{"embedding":[0.5,-1e-3],"inputTextTokenCount":5}}]',
    b'[{"stated":"9","answer":{"embeddings":{"float":[[0.5,1],[2,3]]}}},{"stated":"3","answer":{"embeddings":[[0.5]]}}]',
    (
        b'[{"answer":{"predictions":[{"embeddings":{"values":[0.5,1e38],"statistics":{"token_count":4.0}}}],'
        b'"metadata":{"billableCharacterCount":12}}}]'
    ),
]
_OWN: Final = [
    b'{"embedding":[0.5,-1e-3],"inputTextTokenCount":5,"embeddingsByType":{"float":[0.5]}}',
    b'{"id":"a","texts":["x"],"embeddings":{"float":[[0.5,1],[2,3]]},"response_type":"embeddings_by_type"}',
]
_ASKED: Final = b'{"model":"m","input":["a","b","c"],"dimensions":256,"encoding_format":"base64"}'


def _check_parts(asker: Asker, data: bytes) -> None:
    """The series of a request is taken for its answer, or refused in our words; and so is each part."""
    request = EMBEDDERS[Dialect.OPENAI].read_request(_ASKED, "m")
    calls = [asker.write_request(one) for one in slices(request, asker.most("m"))]
    with suppress(KeysteadError):
        written = SeriesTranslation(_ask({}, Dialect.OPENAI), request, calls, asker).whole(data, seeds.USAGE)
        assert len(EMBEDDERS[Dialect.OPENAI].read_answer(written).vectors) == len(request.inputs)
        assert len(written) <= 24 * len(data) + _SLACK, "an answer that grows"
    with suppress(UnreadableError):
        asker.read_answer(data)
