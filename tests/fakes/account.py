"""A provider's account that keeps files, batches, responses and caches, scripted: `fake.always(Account())`.

Its batches and background responses stand still until a test says that they end.
"""

import itertools
import json
import re
from typing import Any

from tests.fakes.wire import Answer, Call

_FILE = re.compile(rb'name="purpose"\r\n\r\n([a-z_]+)\r\n')
_CONTENT = re.compile(rb'filename="([^"]*)"\r\n(?:Content-Type: [^\r]*\r\n)?\r\n(.*?)\r\n--', re.DOTALL | re.IGNORECASE)
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


class Account:
    """What lies in one account, by id."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self._numbers = itertools.count(1)

    def __call__(self, call: Call) -> Answer:
        path = re.sub(r"^/(openai/)?v1(beta)?", "", call.path)
        for method, pattern, answer in self._table():
            if method == call.method and (found := re.fullmatch(pattern, path)):
                made: Answer = answer(call, *found.groups())
                return made
        return answer_json({"error": {"message": f"no {call.method} {call.path}"}}, 404)

    def _table(self) -> list[tuple[str, str, Any]]:
        return [
            ("POST", "/files", self.keep_file),
            ("GET", "/files/([^/]+)/content", lambda _, name: self._content(name)),
            ("POST", "/batches", self.start_batch),
            ("POST", "/responses", self.start_response),
            ("POST", "/messages/batches", self.start_message_batch),
            ("GET", "/messages/batches/([^/]+)/results", lambda _, name: self._content(name)),
            ("POST", "/cachedContents", self.keep_cache),
            ("POST", "/vector_stores", lambda _: self._made("vs", object="vector_store", status="completed")),
            ("POST", "/batches/([^/]+)/cancel", lambda _, name: self._cancelled(name, status="cancelled")),
            (
                "POST",
                "/messages/batches/([^/]+)/cancel",
                lambda _, name: self._cancelled(name, processing_status="ended"),
            ),
            ("POST", "/responses/([^/]+)/cancel", lambda _, name: self._cancelled(name, status="cancelled")),
            ("GET", "/(?:files|batches|responses|messages/batches|vector_stores|cachedContents)/([^/]+)", self._get),
            ("PATCH", "/cachedContents/([^/]+)", self._get),
            ("DELETE", "/(?:files|responses|messages/batches|vector_stores|cachedContents)/([^/]+)", self._delete),
        ]

    # -- what callers do ------------------------------------------------------------------------------------------

    def keep_file(self, call: Call) -> Answer:
        purpose, content = _FILE.search(call.body), _CONTENT.search(call.body)
        assert purpose, call.body[:400]
        assert content, call.body[:400]
        name = self._name("file")
        self.contents[name] = content[2]
        made = {"bytes": len(content[2]), "filename": content[1].decode(), "purpose": purpose[1].decode()}
        return self._put(name, object="file", created_at=1_790_000_000, status="processed", **made)

    def start_batch(self, call: Call) -> Answer:
        asked = json.loads(call.body)
        return self._made(
            "batch",
            object="batch",
            endpoint=asked["endpoint"],
            input_file_id=asked["input_file_id"],
            completion_window="24h",
            created_at=1_790_000_000,
            status="validating",
            output_file_id=None,
            error_file_id=None,
        )

    def start_response(self, call: Call) -> Answer:
        asked = json.loads(call.body)
        made = {"object": "response", "model": asked["model"], "output": [], "usage": None, "created_at": 1_790_000_000}
        return self._made("resp", status="queued" if asked.get("background") else "completed", **made)

    def start_message_batch(self, call: Call) -> Answer:
        counts = {"processing": len(json.loads(call.body)["requests"]), "succeeded": 0}
        counts |= {"errored": 0, "canceled": 0, "expired": 0}
        return self._made(
            "msgbatch",
            type="message_batch",
            processing_status="in_progress",
            request_counts=counts,
            created_at="2026-09-21T00:00:00Z",
            expires_at="2026-09-22T00:00:00Z",
            results_url=None,
        )

    def keep_cache(self, call: Call) -> Answer:
        name = self._name("cache")
        model = json.loads(call.body)["model"]
        more: dict[str, Any] = {"usageMetadata": {"totalTokenCount": 5000}, "expireTime": "2030-01-01T01:00:00Z"}
        more["createTime"] = "2030-01-01T00:00:00Z"
        return self._put(name, name=f"cachedContents/{name}", model=model, displayName="c", **more)

    # -- what happens there ---------------------------------------------------------------------------------------

    def end_batch(self, name: str, *, status: str = "completed", answered: int = 2, model: str = "gpt-5") -> None:
        """End a batch, with results for so many of its lines."""
        output = self._name("file")
        self.contents[output] = b"".join(
            json.dumps(
                {
                    "id": f"batch_req_{number}",
                    "custom_id": f"line-{number}",
                    "response": {"status_code": 200, "body": {"id": "c", "model": model, "usage": USAGE}},
                    "error": None,
                }
            ).encode()
            + b"\n"
            for number in range(answered)
        )
        self._put(
            output, object="file", purpose="batch_output", bytes=1, filename="out", created_at=1, status="processed"
        )
        self.objects[name] |= {"status": status, "output_file_id": output if answered else None}

    def end_message_batch(self, name: str, origin: str, *, answered: int = 2) -> None:
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 10, "service_tier": "batch"},
        }
        opened = [{"id": f"container_{name}_{n}", "expires_at": "2031-01-01T00:00:00Z"} for n in range(answered)]
        lines: list[dict[str, Any]] = [
            {"custom_id": f"a{n}", "result": {"type": "succeeded", "message": message | {"container": opened[n]}}}
            for n in range(answered)
        ] + [{"custom_id": "late", "result": {"type": "expired"}}]
        self.contents[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self.objects[name] |= {
            "processing_status": "ended",
            "results_url": f"{origin}/v1/messages/batches/{name}/results",
        }

    def end_response(self, name: str, *, status: str = "completed") -> None:
        usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
        self.objects[name] |= {"status": status, "usage": usage if status == "completed" else None}

    def lose(self, name: str) -> None:
        """Forget it, as if somebody had deleted it past the gateway."""
        del self.objects[name]

    # -- how it is told -------------------------------------------------------------------------------------------

    def _name(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):06d}x"

    def _made(self, prefix: str, **members: Any) -> Answer:
        return self._put(self._name(prefix), **members)

    def _put(self, identifier: str, **members: Any) -> Answer:
        self.objects[identifier] = {"id": identifier, **members}
        return answer_json(self.objects[identifier])

    def _get(self, _: Call, name: str) -> Answer:
        found = self.objects.get(name)
        return answer_json({"error": {"message": "gone"}}, 404) if found is None else answer_json(found)

    def _delete(self, call: Call, name: str) -> Answer:
        self.objects.pop(name, None)
        gemini = "cachedContents" in call.path
        return answer_json(
            {} if gemini else {"id": name, "object": "file", "deleted": True, "type": "message_batch_deleted"}
        )

    def _cancelled(self, name: str, **members: Any) -> Answer:
        self.objects[name] |= members
        return answer_json(self.objects[name])

    def _content(self, name: str) -> Answer:
        if name not in self.contents:
            return answer_json({"error": {"message": "gone"}}, 404)
        return Answer(headers=(("content-type", "application/octet-stream"),), steps=(self.contents[name],))


def answer_json(value: Any, status: int = 200) -> Answer:
    return Answer(status=status, steps=(json.dumps(value).encode(),))
