"""Anthropic's and Gemini's files and OpenAI's conversations, as the official SDKs use them, on each engine."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from tests.acceptance.conftest import OPENAI_KEY
from tests.acceptance.house import House, another_principal
from tests.attacks.keys import issue
from tests.fakes.account_files import BETA, GOOGLE, FilesAccount
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),  # google-genai's
]

MOST = 20 * 1024 * 1024
START = {
    "X-Goog-Upload-Protocol": "resumable",
    "X-Goog-Upload-Command": "start",
    "X-Goog-Upload-Header-Content-Length": "5",
    "X-Goog-Upload-Header-Content-Type": "text/plain",
}
FLASH = "gemini-2.5-flash"
CLAUDE = "claude-opus-5"


class Files(House):
    """The house, with an account of files."""

    def __init__(self, gateway: Gateway, fake: FakeProvider) -> None:
        self.files = FilesAccount()
        super().__init__(gateway, fake, self.files)
        options = genai_types.HttpOptions(base_url=gateway.url)
        self.google = genai.Client(api_key=gateway.virtual_key, http_options=options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Files]:
    folder = tmp_path_factory.mktemp("files")
    listed = folder / "listed.yaml"
    listed.write_text(
        "anthropic: ['GET /v1/files/{id}/derived', POST /v1/elsewhere]\n"
        "google: ['GET /v1beta/files/{id}/derived', POST /v1beta/elsewhere]\n"
        "openai: ['GET /v1/conversations/{id}/derived']\n"
    )
    async with (
        FakeProvider() as fake,
        Gateway.running(
            folder / "home",
            egress_allow="127.0.0.1",
            max_file_bytes=str(MOST),
            passthrough_file=str(listed),
            **database_settings,
        ) as gateway,
    ):
        for name, secret in (
            ("openai", OPENAI_KEY),
            ("anthropic", "sk-ant-api03-x7f3b1c9d5e2a4860"),
            ("google", "AIzaSyX7f3b1c9d5e2a4860b1c9d7f3b1c9d5e2"),
        ):
            await gateway.add_credential(f"my-{name}", name, secret, origin=fake.origin)
            await gateway.add_credential(f"other-{name}", name, f"{secret}9", origin=fake.origin)
        [team, *_] = (await gateway.admin("GET", "/teams"))["items"]
        await gateway.admin("POST", "/grants", {"effect": "allow", "team": team["id"], "endpoints": ["passthrough"]})
        made = Files(gateway, fake)
        yield made
        for client in made.clients:
            await client.close()
        await made.google.aio.aclose()
        made.google.close()


def reading(file_id: str) -> list[Any]:
    source = {"type": "file", "file_id": file_id}
    return [{"role": "user", "content": [{"type": "document", "source": source}, {"type": "text", "text": "Hi"}]}]


async def kept_by_other(house: Files) -> str:
    file = await house.anthropic().beta.files.upload(
        file=("a.txt", b"hello", "text/plain"), extra_headers={"x-keystead-credential": "other-anthropic"}
    )
    return file.id


async def test_anthropics_files_are_kept_read_listed_and_deleted(house: Files) -> None:
    files = house.anthropic().beta.files
    made = await files.upload(file=("a.txt", b"hello", "text/plain"), betas=[BETA])
    assert house.fake.calls[-1].header("anthropic-beta") == BETA
    assert (made.filename, made.size_bytes, made.mime_type) == ("a.txt", 5, "text/plain")
    assert (await files.retrieve_metadata(made.id)).id == made.id
    assert await (await files.download(made.id)).read() == b"hello"
    second = await files.upload(file=("b.txt", b"more", "text/plain"))
    assert [each.id async for each in files.list(limit=1)][:2] == [second.id, made.id]
    assert [each.id async for each in files.list(extra_query={"ids": made.id})] == [made.id]
    assert (await files.delete(made.id)).id == made.id
    with pytest.raises(anthropic.NotFoundError):
        await files.retrieve_metadata(made.id)
    assert made.id not in house.files.objects
    page = await house.gateway.admin("GET", "/stored-objects?kind=anthropic_file&limit=1")
    assert page["items"][0]["upstream_id"] == second.id


async def test_a_message_about_a_file_goes_where_the_file_is(house: Files) -> None:
    file_id = await kept_by_other(house)
    client = house.anthropic()
    messages = reading(file_id)
    messages[0]["content"].append({"type": "container_upload", "file_id": file_id})
    answer = await client.beta.messages.create(model=CLAUDE, max_tokens=9, messages=messages, betas=[BETA])
    assert answer.content
    assert house.fake.calls[-1].auth == "sk-ant-api03-x7f3b1c9d5e2a48609"
    assert json.loads(house.fake.calls[-1].body)["messages"] == messages


async def test_nobody_elses_anthropic_file_resolves(house: Files) -> None:
    file_id = await kept_by_other(house)
    key = await another_principal(house, "anthropic-stranger")
    stranger = house.anthropic(key).beta
    before = len(house.fake.calls)
    for name in (file_id, "file_none"):
        for refused_call in (
            stranger.files.retrieve_metadata(name),
            stranger.files.download(name),
            stranger.files.delete(name),
            stranger.messages.create(model=CLAUDE, max_tokens=9, messages=reading(name), betas=[BETA]),
        ):
            with pytest.raises(anthropic.NotFoundError) as refused:
                await refused_call
            assert "There is no such file." in str(refused.value)
    assert [each async for each in stranger.files.list()] == []
    call = house.gateway.call
    for reply in (
        await call("GET", f"/passthrough/my-anthropic/v1/files/{file_id}/derived", key=key),
        await call("POST", "/passthrough/my-anthropic/v1/elsewhere", {"a": [{"b": file_id}]}, key=key),
        # In OpenAI's words it is another file, and nobody's.
        await call("GET", f"/openai/v1/files/{file_id}"),
    ):
        assert reply.status == 404, reply.body
    assert len(house.fake.calls) == before


async def test_what_a_file_says_binds_nothing(house: Files) -> None:
    files = house.anthropic().beta.files
    made = await files.upload(file=("a.json", b'{"id":"file_of_somebody_else"}', "application/json"))
    content = Answer(steps=(house.files.contents[made.id],))  # told to be JSON
    house.fake.next(content)
    assert await (await files.download(made.id)).read() == b'{"id":"file_of_somebody_else"}'
    with pytest.raises(anthropic.NotFoundError):
        await files.retrieve_metadata("file_of_somebody_else")


async def test_geminis_files_are_uploaded_used_listed_and_deleted(house: Files, tmp_path: Path) -> None:
    files = house.google.aio.files
    content = bytes(range(256)) * 4096 * 17  # in three pieces of the SDK's
    config = genai_types.UploadFileConfig(mime_type="audio/mp3", display_name="sound")
    made = await asyncio.to_thread(house.google.files.upload, file=io.BytesIO(content), config=config)
    assert (made.display_name, made.mime_type, made.size_bytes) == ("sound", "audio/mp3", len(content))
    assert made.name is not None
    assert made.uri is not None
    assert house.files.contents[made.name.removeprefix("files/")] == content
    pieces = [call for call in house.fake.calls if call.path.startswith("/upload")][-4:]
    assert [call.header("x-goog-upload-command") for call in pieces] == [
        "start",
        "upload",
        "upload",
        "upload, finalize",
    ]
    assert {call.auth for call in pieces} == {"AIzaSyX7f3b1c9d5e2a4860b1c9d7f3b1c9d5e2"}
    assert (await files.get(name=made.name)).state == genai_types.FileState.ACTIVE
    (tmp_path / "a.txt").write_text("x")
    second = await files.upload(file=str(tmp_path / "a.txt"))
    assert second.mime_type == "text/plain"
    assert [each.name async for each in await files.list(config={"page_size": 1})][:2] == [second.name, made.name]
    answer = await house.google.aio.models.generate_content(model=FLASH, contents=["Hi", made])
    assert answer.text
    assert made.uri.encode() in house.fake.calls[-1].body
    await files.delete(name=made.name)
    with pytest.raises(genai_errors.ClientError) as refused:
        await files.get(name=made.name)
    assert refused.value.code == 404


async def uploaded_by_other(house: Files) -> dict[str, Any]:
    """Upload a file to the other credential as Google's documentation does with curl: no key goes with the piece."""
    call = house.gateway.call
    headers = {**START, "x-keystead-credential": "other-google"}
    begun = await call("POST", "/upload/v1beta/files", {"file": {"displayName": "d"}}, headers=headers)
    assert begun.status == 200, begun.body
    url = begun.headers["x-goog-upload-url"]
    assert url.startswith(f"{house.gateway.url}/upload/v1beta/files?upload_id="), url
    assert not any(GOOGLE in value or "upload_0" in value for value in begun.headers.values())
    ended = await call("POST", url.removeprefix(house.gateway.url), b"hello", key="", headers=LAST)
    assert ended.status == 200, ended.body
    file: dict[str, Any] = ended.json()["file"]
    again = await call("POST", url.removeprefix(house.gateway.url), b"hello", key="", headers=LAST)
    assert again.status == 401
    return file


def about_file(file: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"parts": [{"fileData": {"fileUri": file["uri"], "mimeType": "text/plain"}}]}]}


LAST = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}


async def test_what_is_asked_about_a_file_of_geminis_goes_where_it_is(house: Files) -> None:
    file = await uploaded_by_other(house)
    reply = await house.gateway.call("POST", f"/v1beta/models/{FLASH}:generateContent", about_file(file))
    assert reply.status == 200, reply.body
    assert house.fake.calls[-1].auth == "AIzaSyX7f3b1c9d5e2a4860b1c9d7f3b1c9d5e29"


async def test_nobody_elses_gemini_file_resolves(house: Files) -> None:
    file = await uploaded_by_other(house)
    key = await another_principal(house, "google-stranger")
    name = file["name"].removeprefix("files/")
    call, generate = house.gateway.call, f"/v1beta/models/{FLASH}:generateContent"
    before = len(house.fake.calls)
    for method, path, body in (
        ("GET", f"/v1beta/files/{name}", None),
        ("GET", f"/v1/files/{name}", None),
        ("DELETE", f"/v1beta/files/{name}", None),
        ("POST", generate, about_file(file)),
        ("POST", generate, {"contents": [{"parts": [{"file_data": {"file_uri": f"files/{name}"}}]}]}),
        ("POST", "/v1beta/cachedContents", {"model": FLASH, **about_file(file)}),
        ("GET", f"/passthrough/my-google/v1beta/files/{name}/derived", None),
        ("POST", "/passthrough/my-google/v1beta/elsewhere", {"a": {"b": file["uri"]}}),
        ("POST", "/passthrough/my-google/v1beta/elsewhere", {"a": f"{GOOGLE}/v1beta/files%2f{name}?alt=media"}),
    ):
        reply = await call(method, path, body, key=key, headers={"x-goog-api-client": "x"})
        assert reply.status == 404, (path, reply.body)
    image = {"type": "image_url", "image_url": {"url": file["uri"]}}
    chat = {"model": FLASH, "messages": [{"role": "user", "content": [image]}]}
    assert (await call("POST", "/v1/chat/completions", chat, key=key)).status == 404
    picture = {"type": "image", "source": {"type": "url", "url": file["uri"].replace("googleapis", "GOOGLEAPIS")}}
    message = {"model": FLASH, "max_tokens": 9, "messages": [{"role": "user", "content": [picture]}]}
    reply = await call("POST", "/v1/messages", message, key=key)
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (await call("GET", "/v1beta/files", key=key)).json() == {"files": []}
    assert len(house.fake.calls) == before


async def test_the_address_of_an_upload_is_its_beginners_alone(house: Files) -> None:
    call = house.gateway.call
    issued = await issue(house.gateway, "uploads and ends")
    begun = await call("POST", "/upload/v1beta/files", {"file": {}}, key=issued["key"], headers=START)
    path = begun.headers["x-goog-upload-url"].removeprefix(house.gateway.url)
    before = len(house.fake.calls)
    stranger = await another_principal(house, "takes an address")
    assert (await call("POST", path, b"hello", key=stranger, headers=LAST)).status == 404
    guessed = re.sub(r"\.[^&]{2}", ".zz", path)
    assert guessed != path
    assert (await call("POST", guessed, b"hello", key="", headers=LAST)).status == 401
    await house.gateway.admin("POST", f"/virtual-keys/{issued['id']}/revoke", {})
    assert (await call("POST", path, b"hello", key="", headers=LAST)).status == 401
    assert len(house.fake.calls) == before


async def test_an_upload_that_cannot_be_taken_is_refused(house: Files) -> None:
    call, begin = house.gateway.call, "/upload/v1beta/files"
    before = len(house.fake.calls)
    for headers, body, status in (
        ({**START, "X-Goog-Upload-Header-Content-Length": str(MOST + 1)}, {"file": {}}, 413),
        ({**START, "X-Goog-Upload-Header-Content-Length": "x"}, {"file": {}}, 400),
        ({**START, "X-Goog-Upload-Protocol": "raw"}, {"file": {}}, 400),
        (START, {"file": {"name": "files/of-somebody-else"}}, 400),
        (START, {"file": 1}, 400),
    ):
        reply = await call("POST", begin, body, headers=headers)
        assert reply.status == status, reply.body
    assert len(house.fake.calls) == before
    begun = await call("POST", begin, {"file": {}}, headers=START)
    path = begun.headers["x-goog-upload-url"].removeprefix(house.gateway.url)
    for headers, status in (
        ({"X-Goog-Upload-Command": "erase"}, 400),
        ({**LAST, "X-Goog-Upload-Offset": "-1"}, 400),
        ({**LAST, "X-Goog-Upload-Offset": str(MOST - 4)}, 413),
        ({**LAST, "X-Goog-Upload-Offset": str(MOST + 1)}, 413),
    ):
        reply = await call("POST", path, b"hello", key="", headers=headers)
        assert reply.status == status, reply.body
    for url in ("https://evil.example/upload/v1beta/files", "", "https://evil.example/x?upload_id=abcdefghij"):
        house.fake.next(Answer(headers=(("x-goog-upload-url", url),), steps=(b"",)))
        assert (await call("POST", begin, {"file": {}}, headers=START)).status == 502
    # Whatever host the provider names, pieces go to the credential's.
    house.files.upload_url = "https://evil.example/upload/v1beta/files?upload_id={id}"
    assert (await house.google.aio.files.upload(file=io.BytesIO(b"x"), config={"mime_type": "text/plain"})).name


def at_once(content: bytes, about: Any) -> bytes:
    """Return what Google's examples for curl send."""
    said = json.dumps(about).encode()
    return (
        b"--bnd\r\nContent-Type: application/json; charset=utf-8\r\n\r\n%s\r\n"
        b"--bnd\r\nContent-Type: audio/mp3\r\n\r\n%s\r\n--bnd--\r\n" % (said, content)
    )


AT_ONCE = {"X-Goog-Upload-Protocol": "multipart", "Content-Type": "multipart/related; boundary=bnd"}


async def test_a_file_of_geminis_that_comes_at_once_is_its_uploaders_alone(house: Files) -> None:
    call, content = house.gateway.call, bytes(range(256)) * 4000
    other = {"x-keystead-credential": "other-google", "x-goog-upload-command": "start"}
    sent = at_once(content, {"file": {"displayName": "d"}})
    reply = await call("POST", "/upload/v1beta/files", sent, headers={**AT_ONCE, **other})
    file = reply.json()["file"]
    assert (reply.status, file["mimeType"], file["displayName"]) == (200, "audio/mp3", "d"), reply.body
    assert house.files.contents[file["name"].removeprefix("files/")] == content
    seen = house.fake.calls[-1]
    assert (seen.query, seen.body, seen.header("x-goog-upload-command")) == ("", sent, None)
    record = await house.settled(reply.headers["x-keystead-request-id"])
    assert (record["request"]["endpoint"], record["request"]["state"]) == ("files", "settled")
    ask, generate = about_file(file), f"/v1beta/models/{FLASH}:generateContent"
    assert (await call("POST", generate, ask)).status == 200
    assert house.fake.calls[-1].auth == "AIzaSyX7f3b1c9d5e2a4860b1c9d7f3b1c9d5e29"
    assert (await call("GET", "/v1beta/files")).json()["files"][0]["name"] == file["name"]
    key, before = await another_principal(house, "comes at once"), len(house.fake.calls)
    for method, path, body in (("POST", generate, ask), ("GET", f"/v1beta/{file['name']}", None)):
        refused = await call(method, path, body, key=key)
        assert (refused.status, refused.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert len(house.fake.calls) == before
    # A provider that gave somebody else's name would give it away: it is refused, and bound to whom it was.
    house.fake.next(Answer(steps=(json.dumps({"file": file}).encode(),)))
    taken = await call("POST", "/upload/v1beta/files", sent, key=key, headers=AT_ONCE)
    assert (taken.status, file["name"] in taken.body.decode()) == (409, False)


async def test_a_file_that_comes_at_once_and_cannot_be_taken_is_refused(house: Files) -> None:
    before = len(house.fake.calls)
    begin, form = "/upload/v1beta/files?uploadType=multipart", {"Content-Type": AT_ONCE["Content-Type"]}
    for headers, body, status in (
        (form, at_once(b"x", {"file": {"name": "files/of-somebody-else"}}), 400),
        (form, at_once(b"x", {"file": {}}) + b"after", 400),
        (form, at_once(b"x", {"file": {}})[:-8], 400),
        ({"Content-Type": "application/json"}, b"{}", 400),
    ):
        reply = await house.gateway.call("POST", begin, body, headers=headers)
        assert reply.status == status, reply.body
    assert (await house.gateway.call("POST", begin, b"", key="", headers=form)).status == 401
    assert len(house.fake.calls) == before
    assert (await house.gateway.call("POST", begin, at_once(b"x", {"file": {}}), headers=form)).status == 200


async def test_a_file_that_its_provider_keeps_no_longer_is_forgotten(house: Files) -> None:
    house.files.expiry = "2020-01-01T00:00:00Z"
    file = await uploaded_by_other(house)
    house.files.expiry = "2031-01-01T00:00:00Z"
    assert (await house.gateway.call("GET", f"/v1beta/{file['name']}")).status == 404
    listed = (await house.gateway.call("GET", "/v1beta/files")).json()["files"]
    assert file["name"] not in {each["name"] for each in listed}


async def test_a_conversation_is_bound_and_goes_on_where_it_is(house: Files) -> None:
    client = house.openai()
    made = await client.conversations.create(extra_headers={"x-keystead-credential": "other-openai"})
    assert (await client.conversations.retrieve(made.id)).id == made.id
    await client.conversations.update(made.id, metadata={"a": "b"})
    item: Any = {"type": "message", "role": "user", "content": "Hi"}
    assert (await client.conversations.items.create(made.id, items=[item])).data[0].id == "msg_000001"
    assert [each.id async for each in client.conversations.items.list(made.id)] == ["msg_000001"]
    assert (await client.conversations.items.retrieve("msg_000001", conversation_id=made.id)).id == "msg_000001"
    assert (await client.conversations.items.delete("msg_000001", conversation_id=made.id)).id == made.id
    await client.responses.create(model="gpt-5", input="Hi", conversation=made.id)
    await client.responses.create(model="gpt-5", input="Hi", conversation={"id": made.id})
    assert {call.auth for call in house.fake.calls[-8:]} == {f"Bearer {OPENAI_KEY}9"}
    stranger = house.openai(key := await another_principal(house, "talks to others"))
    before = len(house.fake.calls)
    for name in (made.id, "conv_none", "msg_000001"):
        for call in (
            stranger.conversations.retrieve(name),
            stranger.conversations.delete(name),
            stranger.conversations.items.list(name),
            stranger.conversations.items.create(name, items=[item]),
            stranger.responses.create(model="gpt-5", input="Hi", conversation=name),
        ):
            with pytest.raises(openai.NotFoundError, match="no such conversation"):
                await call
    passed = await house.gateway.call("GET", f"/passthrough/my-openai/v1/conversations/{made.id}/derived", key=key)
    assert passed.status == 404
    assert len(house.fake.calls) == before
    assert (await client.conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(made.id)
