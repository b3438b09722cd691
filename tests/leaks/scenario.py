"""What happens in a gateway's life, at its worst: every secret is used, echoed, mistyped, refused and revoked."""

import asyncio
import base64
import contextlib
import hashlib
import json
from typing import Any

from tests.attacks.keys import issue, unknown_key
from tests.attacks.raw import connection, keyed_request, read_rest
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import RESET, Answer, Call, Framing
from tests.leaks.canaries import Canary
from tests.leaks.eavesdropper import Eavesdropper, Heard


def canary(name: str, prefix: str = "", *, length: int = 40) -> Canary:
    """Return a secret that has nothing but its provider's prefix in common with any other."""
    unique = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()
    return Canary(name, prefix + unique[:length], len(prefix))


PROVIDER_KEYS = {
    "openai": canary("openai", "sk-proj-"),
    "anthropic": canary("anthropic", "sk-ant-api03-"),
    "google": canary("google", "AIza", length=35),
    "azure": canary("azure", length=32),
    "mistral": canary("mistral", length=32),
    "groq": canary("groq", "gsk_"),
    "xai": canary("xai", "xai-"),
    "deepseek": canary("deepseek", "sk-"),
    "openrouter": canary("openrouter", "sk-or-v1-"),
    "vllm": canary("vllm", "a/b+c=d:e~f!"),
}
NEXT_KEY = canary("next version", "sk-proj-")
WRONG_KEY = canary("refused by the provider", "sk-proj-")
ADMIN_KEY = canary("an administration key", "sk-admin-")
BROKEN_KEY = canary("with a line break", "sk-proj-")
MISPLACED_KEY = canary("in the wrong field", "sk-proj-")
FAULTS = (
    "fake-error-400 fake-error-401 fake-error-403 fake-error-404 fake-error-429 fake-error-500 fake-error-503 "
    "fake-echo-key fake-echo-key-split fake-cut-fin fake-cut-rst fake-cut-chunk fake-error-event fake-stall fake-drip "
    "fake-drop fake-silent fake-bomb fake-endless fake-giant-line fake-many-headers fake-huge-header fake-cookie "
    "fake-bad-json fake-bad-http fake-redirect-302 fake-redirect-307"
)
DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}]}),
    "anthropic": ("/v1/messages", {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}),
}


async def play(gateway: Eavesdropper, fake: FakeProvider) -> list[Canary]:
    """Live it; return the secrets that were in it."""
    await _bring_keys(gateway, fake)
    await _good_calls(gateway)
    await asyncio.gather(*[_fault(gateway, name, stream=stream) for name in FAULTS.split() for stream in (False, True)])
    await _echoes(gateway, fake)
    issued = await _people(gateway)
    await _wrong_keys(gateway, issued)
    await _malformed(gateway)
    await _administration(gateway, fake)
    await _command_line(gateway, fake)
    await _look_at_everything(gateway)
    return [*PROVIDER_KEYS.values(), NEXT_KEY, WRONG_KEY, ADMIN_KEY, BROKEN_KEY, MISPLACED_KEY, *issued]


async def _bring_keys(gateway: Eavesdropper, fake: FakeProvider) -> None:
    for name, canary in PROVIDER_KEYS.items():
        settings = {"api_version": "2025-04-01-preview"} if name == "azure" else {}
        await gateway.add_credential(f"my-{name}", name, canary.text, origin=fake.origin, settings=settings)


async def _good_calls(gateway: Eavesdropper) -> None:
    for name in PROVIDER_KEYS:
        path, body = DIALECTS.get(name, DIALECTS["openai"])
        if name == "google":
            for verb in ("generateContent", "streamGenerateContent?alt=sse", "countTokens"):
                await gateway.call("POST", f"/v1beta/models/my-google/gemini:{verb}", {"contents": []})
            continue
        for stream in (False, True):
            reply = await gateway.call("POST", path, {**body, "model": f"my-{name}/m", "stream": stream})
            assert reply.status == 200, (name, reply.body)
    for path in ("/v1/responses", "/v1/embeddings", "/v1/moderations", "/v1/images/generations"):
        assert (await gateway.call("POST", path, {"model": "my-openai/m", "input": "a"})).status == 200
    for path in ("/v1/models", "/v1beta/models", "/v1/models/my-openai/m"):
        assert (await gateway.call("GET", path)).status == 200


async def _fault(gateway: Eavesdropper, model: str, *, stream: bool) -> None:
    for name, (path, body) in DIALECTS.items():
        await gateway.call("POST", path, {**body, "model": f"my-{name}/{model}", "stream": stream})
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    await gateway.call("POST", f"/v1beta/models/my-google/{model}:{verb}", {"contents": []})


async def _echoes(gateway: Eavesdropper, fake: FakeProvider) -> None:
    """The provider gives the key back wherever an answer has room for it."""
    json_type = ("content-type", "application/json")
    for name, canary in PROVIDER_KEYS.items():
        if name == "google":
            continue
        key, path = canary.text, DIALECTS.get(name, DIALECTS["openai"])[0]
        value: dict[str, Any] = {
            "id": key,
            "model": key,
            "choices": [],
            "usage": {"prompt_tokens": 1, "note": key},
            "error": None,
        }
        whole = json.dumps(value).encode()
        event = b"data: " + whole + b"\n\n"
        refused = json.dumps({"error": {"message": f"Incorrect API key provided: {key[:-4]}****{key[-4:]}."}}).encode()
        headers = (json_type, ("x-request-id", key), ("request-id", f"a {key} b"), ("retry-after", key))
        stream = (("content-type", "text/event-stream"), ("x-ratelimit-limit", key))
        answers = [
            Answer(headers=headers, steps=(whole,)),
            Answer(headers=headers, framing=Framing.CHUNKED, steps=(whole,), chunk_size=1),
            Answer(headers=headers, framing=Framing.CHUNKED, steps=(whole,), chunk_size=7),
            Answer(headers=stream, framing=Framing.CHUNKED, steps=(event, b"data: [DONE]\n\n"), chunk_size=5),
            Answer(headers=stream, framing=Framing.CHUNKED, steps=(event[:60], 0.01, event[60:], RESET)),
            Answer(headers=stream, framing=Framing.CHUNKED, steps=(b"data: " + key.encode(), 0.01, RESET)),
            Answer(status=401, headers=headers, steps=(refused,)),
            Answer(status=400, headers=headers, steps=(refused + b" " * 70_000 + key.encode(),)),
            Answer(status=500, headers=headers, framing=Framing.CHUNKED, steps=(refused, key.encode()), chunk_size=3),
            Answer(status=302, headers=(("location", f"http://127.0.0.1:1/?key={key}"), *headers)),
            Answer(
                status=429, headers=(("www-authenticate", key), ("set-cookie", f"k={key}"), *headers), steps=(b"{}",)
            ),
        ]
        for number, answer in enumerate(answers):
            fake.next(answer)
            body = {**DIALECTS["openai"][1], "max_tokens": 5, "model": f"my-{name}/m", "stream": number in {3, 4, 5}}
            await gateway.call("POST", path, body)


async def _people(gateway: Eavesdropper) -> list[Canary]:
    """Issue keys and tokens. The answer that reveals one is heard once, and its reveal is blotted out of it."""
    issued = []
    for name in ("ci", "revoked"):
        key = (await issue(gateway, name))["key"]
        issued.append(Canary(f"virtual key {name}", key, key.index("_", 3) + 1))
        _blot(gateway, key)
    await gateway.admin("POST", "/members", {"name": "Ada", "team": "Default team", "roles": [{"role": "auditor"}]})
    made = await gateway.admin("POST", "/admin-tokens", {"name": "second", "member": "Ada"})
    issued.append(Canary("admin token", made["token"], made["token"].index("_", 4) + 1))
    _blot(gateway, made["token"])
    listed = await gateway.admin("GET", "/virtual-keys")
    revoked = next(item["id"] for item in listed["items"] if item["name"].startswith("revoked"))
    await gateway.admin("POST", f"/virtual-keys/{revoked}/revoke")
    return issued


def _blot(gateway: Eavesdropper, reveal: str) -> None:
    last = gateway.heard[-1]
    assert last.body.count(reveal.encode()) == 1, "shown once"
    gateway.heard[-1] = Heard(last.request, last.status, last.headers, last.body.replace(reveal.encode(), b""))


async def _wrong_keys(gateway: Eavesdropper, issued: list[Canary]) -> None:
    keys = [*(canary.text for canary in issued), *(c.text for c in PROVIDER_KEYS.values()), gateway.admin_token]
    body = {"model": "my-openai/m", "messages": []}
    for key in (*keys, unknown_key(), gateway.virtual_key[:-1], gateway.virtual_key + "x"):
        for headers in (
            {"x-api-key": key},
            {"x-goog-api-key": key},
            {"api-key": key},
            {"Cookie": f"key={key}"},
            {"Authorization": f"Basic {key}"},
            {"Authorization": key},
            {"x-api-key": key, "api-key": key},
        ):
            await gateway.call("POST", "/v1/chat/completions", body, key="", headers=headers)
        for path in ("/v1/models", "/nothing", "/v1/responses/x", "/admin/v1/self", "/metrics", "/livez"):
            await gateway.call("GET", f"{path}?key={key}", key="")
            await gateway.call("GET", f"{path}?key={key}", key=key)
        await gateway.call("GET", "/admin/v1/self", key=key)


async def _malformed(gateway: Eavesdropper) -> None:
    key = gateway.virtual_key
    good = {"model": "my-openai/m", "messages": []}
    # A key where a model belongs is the slip of a tired person; it must not end in the record or at a provider.
    for model in (key, f"my-openai/{key}", gateway.admin_token, MISPLACED_KEY.text, f"my-openai/{MISPLACED_KEY.text}"):
        reply = await gateway.call("POST", "/v1/chat/completions", {**good, "model": model})
        assert reply.status == 400
        reply = await gateway.call("POST", f"/v1beta/models/{model}:generateContent", {"contents": []})
        assert reply.status == 400
    for data in (b"", b"{", b"[]", b'{"model":7}', b'{"model":"' + b"m" * 90_000 + b'"}', b"\xff"):
        await gateway.call("POST", "/v1/chat/completions", data)
    for headers in ({"Content-Encoding": "gzip"}, {"Content-Type": "multipart/form-data"}, {"Host": "evil.example"}):
        await gateway.call("POST", "/v1/audio/transcriptions", b"--x", headers=headers)
    sent = [
        keyed_request("POST", "/v1/chat/completions", key, b"{}", [("Transfer-Encoding", "chunked")]),
        keyed_request("GET", f"http://localhost/v1/models?key={key}", key),
        keyed_request("GET", f"/v1/models?key={key}#", key),
        keyed_request("GET", "/v1/models", key, None, [("Authorization", f"Bearer {key}")]),
        keyed_request("GET", "/v1/models", key, None, [("X", "a" * 70_000)]),
        keyed_request("GET", "/v1/models", key, None, [("X", "a\x00")]),
        keyed_request("GET", "/v1/models", key)[:-2],
        f"GET /v1/models?key={key}\r\n\r\n".encode(),
    ]
    await asyncio.gather(*[_raw(gateway, data) for data in sent])


async def _raw(gateway: Eavesdropper, data: bytes) -> None:
    async with connection(gateway.url) as (reader, writer):
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        said = await read_rest(reader)
        gateway.heard.append(Heard("raw", int(said[9:12] or 0), [], said))


async def _administration(gateway: Eavesdropper, fake: FakeProvider) -> None:
    async def post(path: str, body: Any, **headers: str) -> int:
        reply = await gateway.call("POST", f"/admin/v1{path}", body, key=gateway.admin_token, headers=headers)
        return reply.status

    base = {"name": "x", "provider": "openai", "origin": fake.origin}
    for _ in range(2):
        fake.next(_refusing)
        assert await post("/credentials", base | {"key": WRONG_KEY.text}) == 400
    fake.next(_refusing)
    assert await post("/credentials/my-openai/rotate", {"key": WRONG_KEY.text}) == 400
    fake.next(_refusing)
    assert await post("/credentials", base | {"name": "kept", "key": WRONG_KEY.text, "keep": True}) == 201
    assert await post("/credentials", base | {"key": PROVIDER_KEYS["openai"].text}) == 409
    assert await post("/credentials", base | {"key": ADMIN_KEY.text}) == 400
    assert await post("/credentials", base | {"key": PROVIDER_KEYS["anthropic"].text}) == 400
    for broken in (
        f"{BROKEN_KEY.text}\r\nX: y",
        f" {BROKEN_KEY.text}",
        f"{BROKEN_KEY.text}\x00",
        f"{BROKEN_KEY.text}\u00e9",
    ):
        assert await post("/credentials", base | {"key": broken}) == 400
    for odd in (
        {"key": [BROKEN_KEY.text]},
        {"key": {"a": BROKEN_KEY.text}},
        {"Key": BROKEN_KEY.text},
        {"key": BROKEN_KEY.text * 400},
        {"key": BROKEN_KEY.text, "force": "yes"},
        {"api_key": BROKEN_KEY.text},
    ):
        assert await post("/credentials", base | odd) in {400, 413}
    text = json.dumps(base | {"key": BROKEN_KEY.text}).encode()
    assert await post("/credentials", text[:-1]) == 400
    assert await post("/credentials", b"[" + text) == 400
    assert await post("/credentials", text, **{"Content-Type": "text/plain"}) == 415
    assert await post(f"/credentials?key={BROKEN_KEY.text}", text) == 400
    assert await post("/credentials/my-openai/rotate", {"key": NEXT_KEY.text}) == 200
    assert (await gateway.chat("my-openai/m")).status == 200
    for model in ("fake-error-401", "fake-echo-key", "fake-drop"):
        await gateway.chat(f"my-openai/{model}")
    for path, body in (
        ("/credentials/my-openai/probe", {"version": 1}),
        ("/credentials/my-openai/activate", {"version": 1}),
        ("/credentials/my-openai/rollback", {}),
        ("/credentials/my-mistral/destination", {"origin": "https://api.mistral.ai"}),
        ("/credentials/my-groq/revoke", {}),
        ("/credentials/my-groq/probe", {}),
        ("/credentials/nobody/probe", {}),
    ):
        await post(path, body)
    fake.next(Answer(status=500, steps=(PROVIDER_KEYS["xai"].text.encode(),)))
    await post("/credentials/my-xai/probe", {})


_refusing = Answer(
    status=401,
    headers=(("content-type", "application/json"), ("x-request-id", WRONG_KEY.text)),
    steps=(
        json.dumps(
            {"error": {"message": f"Incorrect API key provided: {WRONG_KEY.text}.", "code": "invalid_api_key"}}
        ).encode(),
    ),
)


async def _command_line(gateway: Eavesdropper, fake: FakeProvider) -> None:
    await gateway.command("credential", "show", "my-openai")
    fake.next(_refusing)
    await gateway.command(
        "credential", "add", "by-hand", "--provider", "openai", "--origin", fake.origin, stdin=WRONG_KEY.text, expect=1
    )
    await gateway.command("credential", "rotate", "my-openai", "--allow-duplicate", stdin=NEXT_KEY.text + "\n")
    for words in (
        ("credential", "list"),
        ("credential", "probe", "my-xai"),
        ("credential", "revoke", "my-deepseek", "--yes"),
        ("key", "list"),
        ("token", "list"),
        ("request", "list", "--output", "json"),
        ("usage",),
        ("audit", "list"),
        ("doctor",),
    ):
        await gateway.command(*words, expect=None)


async def _look_at_everything(gateway: Eavesdropper) -> None:
    document = (await gateway.call("GET", "/openapi.json", key="")).json()
    for path, item in document["paths"].items():
        if "get" in item:
            named = path.replace("{credential}", "my-openai")
            await gateway.call("GET", named, key=gateway.admin_token)
    page = await gateway.admin("GET", "/requests?limit=200")
    for request in page["items"][::5]:
        await gateway.admin("GET", f"/requests/{request['id']}")
    for name in PROVIDER_KEYS:
        await gateway.admin("GET", f"/credentials/my-{name}")
    await gateway.call("GET", "/metrics", key=gateway.admin_token)
    await gateway.call("GET", "/readyz", key="")


def sent_keys(calls: list[Call]) -> set[str]:
    """Return the keys that the provider got."""
    return {call.auth.removeprefix("Bearer ") for call in calls}
