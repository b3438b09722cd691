"""Claude Code answered by other makers' models: what it says reaches them, and what they sealed comes back to them."""

import json

import msgspec
import pytest

from keystead.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from keystead.dialects.translating import Profile
from keystead.domain.chat import Finish, Finished, Maker, Sealed, Started, ToolArgumentsDelta, ToolCallStarted
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import CHATS
from keystead.gateway.translation import Wire
from tests.unit.dialects.anthropic_messages import goldens
from tests.unit.dialects.anthropic_messages.test_streams import assembled, write

MODELS = {
    Dialect.ANTHROPIC: "claude-opus-5-5",
    Dialect.GEMINI: "gemini-3-pro-preview",
    Dialect.OPENAI: "gpt-5.5",
    Dialect.BEDROCK: "global.anthropic.claude-opus-5-5",
}


@pytest.mark.parametrize("wire", CHATS, ids=lambda wire: f"{wire[0]}-{wire[1]}")
def test_its_requests_reach_every_provider_without_a_grave_loss(wire: Wire) -> None:
    request = goldens.read(goldens.request("claude_code"), model=MODELS[wire[0]])
    written = CHATS[wire].write_request(request, Profile())
    assert [loss for loss in (*request.losses, *written.losses) if loss.grave] == []
    for word in (b"Available agent types", b"Why does the build fail?", b"No rule to make target", b"iVBORw0KGgo="):
        assert word in written.body
    assert b"x-anthropic-billing-header" not in written.body


def test_what_gemini_signed_comes_back_to_it_after_the_tools_ran() -> None:
    sealed = Sealed(maker=Maker.GEMINI, data="c2lnbmF0dXJl")
    sent = write(
        Started(id="r1", model="gemini-3-pro-preview"),
        ToolCallStarted(call=0, id="", name="Bash", sealed=sealed),
        ToolArgumentsDelta(call=0, json='{"command":"ls"}'),
        ToolCallStarted(call=1, id="", name="Read"),
        ToolArgumentsDelta(call=1, json='{"file_path":"a"}'),
        Finished(finish=Finish.TOOL_CALLS),
    )
    content = [block.to_dict() for block in assembled(sent).content]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": block["name"]}
        for block in reversed(content)
        if block["type"] == "tool_use"
    ]
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": content},
        {"role": "user", "content": results},
    ]
    request = goldens.read({"max_tokens": 9, "messages": messages}, model="gemini-3-pro-preview")
    body = json.loads(CHATS[Dialect.GEMINI, Endpoint.GENERATE].write_request(request, Profile()).body)
    [called, answered] = body["contents"][1:]
    assert [part.get("thoughtSignature") for part in called["parts"]] == [sealed.data, None]
    assert [part["functionResponse"]["name"] for part in answered["parts"]] == ["Read", "Bash"]


def test_a_conversation_that_others_answered_goes_on_with_anthropic() -> None:
    foreign = Sealed(maker=Maker.OPENAI, data="gAAAA")
    sent = write(
        Started(id="r1", model="gpt-5.5"),
        ToolCallStarted(call=0, id="functions.Bash:0", name="Bash", sealed=foreign),
        ToolArgumentsDelta(call=0, json="{}"),
        Finished(finish=Finish.TOOL_CALLS),
    )
    content = [block.to_dict() for block in assembled(sent).content]
    result = {"type": "tool_result", "tool_use_id": "functions.Bash:0", "content": "a"}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    request = goldens.read({"max_tokens": 9, "messages": messages}, model="claude-opus-5-5")
    body = msgspec.json.decode(ANTHROPIC_MESSAGES.write_request(request, Profile()).body)
    assert b"ks1." not in msgspec.json.encode(body)
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]
    assert body["messages"][2]["content"][0]["tool_use_id"] == body["messages"][1]["content"][0]["id"]
