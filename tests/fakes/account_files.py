"""An account that keeps Anthropic's and Gemini's files and OpenAI's conversations too, and answers about them.

It is as strict as the providers: a piece of an upload that does not follow the one before it is refused.
"""

import email
import email.policy
import json
import re
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.account import Account, answer_json
from tests.fakes.answers import answer_for
from tests.fakes.wire import Answer, Call

GOOGLE = "https://generativelanguage.googleapis.com"
BETA = "files-api-2025-04-14"
_FILE = re.compile(rb'filename="([^"]*)"\r\n(?:Content-Type: ([^\r]*)\r\n)?\r\n(.*?)\r\n--', re.DOTALL | re.IGNORECASE)


class FilesAccount(Account):
    """What lies in one account, by id; models answer as they usually do."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, dict[str, Any]] = {}
        self.expiry = "2031-01-01T00:00:00Z"
        self.upload_url = f"{GOOGLE}/upload/v1beta/files?upload_id={{id}}&upload_protocol=resumable"

    def __call__(self, call: Call) -> Answer:
        if call.path == "/upload/v1beta/files":
            if call.header("x-goog-upload-protocol") == "multipart":
                return self._at_once(call)
            return self._piece(call) if "upload_id" in call.query else self._start(call)
        if call.path == "/v1/files" and call.header("anthropic-version"):
            return self._keep_anthropic(call)
        if re.search(r"/(messages|responses|chat/completions)$|:generateContent$", call.path):
            return answer_for(call)
        return super().__call__(call)

    def _table(self) -> list[tuple[str, str, Any]]:
        return [
            ("POST", "/conversations", lambda _: self._made("conv", object="conversation", created_at=1, metadata={})),
            ("POST", "/conversations/([^/]+)", self._get),
            ("GET", "/conversations/([^/]+)", self._get),
            ("DELETE", "/conversations/([^/]+)", self._delete_conversation),
            ("POST", "/conversations/([^/]+)/items", self._items),
            ("GET", "/conversations/([^/]+)/items", self._items),
            ("GET", "/conversations/([^/]+)/items/([^/]+)", lambda *_: answer_json(_ITEM)),
            ("DELETE", "/conversations/([^/]+)/items/([^/]+)", lambda call, name, _: self._get(call, name)),
            *super()._table(),
        ]

    def _keep_anthropic(self, call: Call) -> Answer:
        # A beta until the version of 2026-10-21.
        released = (call.header("anthropic-version") or "") >= "2026-10-21"
        assert released or BETA in (call.header("anthropic-beta") or ""), call.headers
        found = _FILE.search(call.body)
        assert found, call.body[:400]
        name = self._name("file")
        self.contents[name] = found[3]
        return self._put(
            name,
            type="file",
            filename=found[1].decode(),
            mime_type=(found[2] or b"application/octet-stream").decode(),
            size_bytes=len(found[3]),
            created_at="2026-09-21T00:00:00Z",
            downloadable=True,
        )

    def _start(self, call: Call) -> Answer:
        assert (call.header("x-goog-upload-protocol"), call.header("x-goog-upload-command")) == ("resumable", "start")
        asked = json.loads(call.body)["file"]
        name = self._name("upload")
        self.uploads[name] = {"content": b"", "file": asked, "type": call.header("x-goog-upload-header-content-type")}
        url = self.upload_url.format(id=name)
        headers = (("content-type", "text/plain"), ("x-goog-upload-url", url), ("x-goog-upload-status", "active"))
        return Answer(headers=headers, steps=(b"",))

    def _piece(self, call: Call) -> Answer:
        [name] = parse_qs(call.query)["upload_id"]
        upload = self.uploads[name]
        if int(call.header("x-goog-upload-offset") or 0) != len(upload["content"]):
            return answer_json({"error": {"message": "wrong offset", "code": 400}}, 400)
        upload["content"] += call.body
        if "finalize" not in (call.header("x-goog-upload-command") or ""):
            return Answer(headers=(("content-type", "text/plain"), ("x-goog-upload-status", "active")), steps=(b"",))
        del self.uploads[name]
        file = self._gemini_file(upload)
        headers = (("content-type", "application/json; charset=UTF-8"), ("x-goog-upload-status", "final"))
        return Answer(headers=headers, steps=(json.dumps({"file": file}).encode(),))

    def _at_once(self, call: Call) -> Answer:
        """Take the two parts apart with Python's own parser of messages."""
        message = email.message_from_bytes(
            b"Content-Type: %s\n\n" % (call.header("content-type") or "").encode() + call.body, policy=email.policy.HTTP
        )
        parts: Any = message.iter_parts()
        said, file = parts
        asked = json.loads(said.get_payload(decode=True))["file"]
        content = file.get_payload(decode=True)
        made = self._gemini_file({"content": content, "file": asked, "type": file.get_content_type()})
        return answer_json({"file": made})

    def _gemini_file(self, upload: dict[str, Any]) -> dict[str, Any]:
        name = self._name("g").replace("_", "-")
        self.contents[name] = upload["content"]
        self.objects[name] = {
            "name": f"files/{name}",
            "displayName": upload["file"].get("displayName") or upload["file"].get("display_name", ""),
            "mimeType": upload["type"],
            "sizeBytes": str(len(upload["content"])),
            "createTime": "2026-09-21T00:00:00Z",
            "expirationTime": self.expiry,
            "uri": f"{GOOGLE}/v1beta/files/{name}",
            "state": "ACTIVE",
        }
        return self.objects[name]

    def _items(self, call: Call, name: str) -> Answer:
        if name not in self.objects:
            return self._get(call, name)
        return answer_json(
            {"object": "list", "data": [_ITEM], "first_id": "msg_1", "last_id": "msg_1", "has_more": False}
        )

    def _delete_conversation(self, _: Call, name: str) -> Answer:
        self.objects.pop(name, None)
        return answer_json({"id": name, "object": "conversation.deleted", "deleted": True})


_ITEM = {
    "id": "msg_000001",
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_text", "text": "Hi"}],
}
