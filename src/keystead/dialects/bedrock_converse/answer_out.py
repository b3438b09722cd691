"""Answers of Bedrock's Converse, written. Pure. What Anthropic has a word for, Converse has one for, too."""

import base64
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages import answer_out as anthropic
from keystead.domain.chat import Answer, Choice, Citation, Finish, Part, Refusal, Text
from keystead.domain.usage import Usage

Json = dict[str, Any]

_REASONS: Final = {"refusal": "content_filtered", "pause_turn": "end_turn"}
"""Anthropic's, where Converse has another."""


def write_answer(answer: Answer, *, usage: Usage | None, created_s: int) -> bytes:  # noqa: ARG001
    """Write a whole answer (see `Translator.write_answer`); Converse tells neither its id nor the time."""
    choice = answer.choices[0] if answer.choices else Choice(parts=(), finish=Finish.OTHER)
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    content = [
        block(each, part)
        for number, part in enumerate(map(in_words, choice.parts))
        for each in anthropic.blocks(part, anthropic.call_id(answer.id, number))
    ]
    called = any("toolUse" in each for each in content)
    finish = Finish.REFUSED if refused else choice.finish
    stopped = stop(anthropic.stop(finish, choice.stop_sequence, "", called=called))
    return msgspec.json.encode(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            **stopped,
            "usage": usage_object(anthropic.usage_object(usage or Usage())),
            "metrics": {"latencyMs": 0},
        }
    )


def in_words(part: Part) -> Part:
    """Return a refusal as the text that it is; Converse has no other place for it."""
    return Text(text=part.text) if isinstance(part, Refusal) else part


def block(written: Json, part: Part) -> Json:
    """Return a block of Anthropic's, which `part` became, as one of Converse's."""
    match written["type"]:
        case "thinking":
            said = {"text": written["thinking"], "signature": written["signature"]}
            return {"reasoningContent": {"reasoningText": said}}
        case "redacted_thinking":
            return {"reasoningContent": {"redactedContent": redacted(written["data"])}}
        case "tool_use":
            return {"toolUse": {"toolUseId": written["id"], "name": written["name"], "input": written["input"]}}
        case _:
            cited = part.citations if isinstance(part, Text) else ()
            if not cited:
                return {"text": written["text"]}
            content = [{"text": written["text"]}]
            return {"citationsContent": {"content": content, "citations": [citation(each) for each in cited]}}


def citation(cited: Citation) -> Json:
    """Return a citation; where in which document a passage stood is not known."""
    found: Json = {"title": cited.title, "sourceContent": [{"text": cited.quoted}] if cited.quoted else []}
    if cited.url:
        found |= {"source": cited.url, "location": {"web": {"url": cited.url}}}
    return found


def redacted(data: str) -> str:
    """Return the seal of a thought without words, which is bytes here."""
    return base64.b64encode(data.encode()).decode()


def stop(told: Json) -> Json:
    """Return why an answer ended, from Anthropic's words for it."""
    reason, sequence = told["stop_reason"], told["stop_sequence"]
    found: Json = {"stopReason": _REASONS.get(reason, reason)}
    if sequence:
        found["additionalModelResponseFields"] = {"stop_sequence": sequence}
    return found


def usage_object(told: Json) -> Json:
    """Return usage by Converse's rules, from Anthropic's words for it, which count alike."""
    read, wrote = told["cache_read_input_tokens"], told["cache_creation_input_tokens"]
    found: Json = {
        "inputTokens": told["input_tokens"],
        "outputTokens": told["output_tokens"],
        "totalTokens": told["input_tokens"] + read + wrote + told["output_tokens"],
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": wrote,
    }
    if wrote:
        lives = (("5m", "ephemeral_5m_input_tokens"), ("1h", "ephemeral_1h_input_tokens"))
        counts = [{"ttl": ttl, "inputTokens": told["cache_creation"][name]} for ttl, name in lives]
        found["cacheDetails"] = [count for count in counts if count["inputTokens"]]
    return found
