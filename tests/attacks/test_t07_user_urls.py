"""T7: the gateway fetches nothing that a caller names. URLs in a request are the provider's business."""

import json
from typing import Any

import pytest

from tests.attacks.conftest import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


def calls_with(url: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return a request for every place in which a dialect takes a URL."""
    text = {"type": "text", "text": f"Read {url}"}
    chat = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "file", "file": {"file_data": url, "file_url": url}},
        {"type": "input_audio", "input_audio": {"data": url, "format": "wav"}},
        {"type": "video_url", "video_url": {"url": url}},
        text,
    ]
    responses = [{"type": "input_image", "image_url": url}, {"type": "input_file", "file_url": url}]
    messages = [
        {"type": "image", "source": {"type": "url", "url": url}},
        {"type": "document", "source": {"type": "url", "url": url}},
        text,
    ]
    parts = [{"fileData": {"fileUri": url, "mimeType": "image/png"}}, {"text": f"Read {url}"}]
    mcp = {"type": "mcp", "server_label": "x", "server_url": url, "headers": {"Authorization": "x"}}
    return {
        "chat": (
            "/v1/chat/completions",
            {"model": "my-openai/gpt-5", "messages": [{"role": "user", "content": chat}], "webhook_url": url},
        ),
        "responses": (
            "/v1/responses",
            {"model": "my-openai/gpt-5", "input": [{"role": "user", "content": responses}], "tools": [mcp]},
        ),
        "messages": (
            "/v1/messages",
            {
                "model": "my-anthropic/claude",
                "messages": [{"role": "user", "content": messages}],
                "mcp_servers": [{"type": "url", "url": url, "name": "x"}],
            },
        ),
        "generate": (
            "/v1beta/models/my-google/gemini:generateContent",
            {"contents": [{"parts": parts}], "tools": [{"urlContext": {}}], "$schema": url},
        ),
        "images": ("/v1/images/generations", {"model": "my-openai/gpt-image-1", "prompt": url, "image": url}),
    }


@pytest.mark.parametrize("name", calls_with(""))
async def test_urls_in_a_request_pass_untouched_and_are_not_fetched(each_stage: Stage, name: str) -> None:
    path, body = calls_with(f"{each_stage.internal.origin}/latest/meta-data/iam")[name]
    before = len(each_stage.fake.calls)
    reply = await each_stage.gateway.call("POST", path, body)
    assert reply.status == 200
    assert await each_stage.recorded(reply) == ("settled", None)
    [call] = each_stage.fake.calls[before:]
    passed = json.loads(call.body)
    assert {**passed, "model": body.get("model")} == {**body, "model": body.get("model")}
    assert each_stage.internal.connections == 0
