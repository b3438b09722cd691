"""Usage objects in the OpenAI shapes: chat, completions, embeddings, responses, images, speech, transcription.

The shapes are shared by many providers, their meaning is not. What a provider means differently is a field of its
`Rule`; everything else is OpenAI's own rule: cached and written tokens, audio and images lie inside the input,
reasoning and audio lie inside the output, and the total is input + output.
"""

from typing import Final, Literal

import msgspec

from keystead.domain.usage import Usage
from keystead.metering.read_counts import (
    CACHED_EXCEEDS_INPUT,
    MODALITY_EXCEEDS_OUTPUT,
    NO_PARTS,
    REASONING_EXCEEDS_OUTPUT,
    Counts,
    JsonObject,
    Modal,
    input_counts,
    member,
)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider's OpenAI-shaped usage differs from OpenAI's own."""

    reasoning_outside: bool = False
    """`reasoning_tokens` come on top of the output count. xAI chat: confirmed by its cost and its total."""
    audio_outside: bool = False
    """Input audio comes on top of the input count. Mistral (Voxtral)."""
    output_is_the_rest: bool = False
    """The output is total - input, because thinking shows in the total only. Gemini's OpenAI-compatible endpoint."""
    write_ttl: Literal["5m", "30m"] = "30m"
    """The cache a write without a stated lifetime goes to: OpenAI's lives 30 minutes, Anthropic's 5."""
    output: Literal["text", "audio", "image"] = "text"
    """What the output is where the provider gives no details (speech, images)."""


PLAIN: Final = Rule()

_CHAT_RULES: Final = {
    "xai": Rule(reasoning_outside=True),
    "mistral": Rule(audio_outside=True),
    "google": Rule(output_is_the_rest=True),
    "vertex": Rule(output_is_the_rest=True),
    "openrouter": Rule(write_ttl="5m"),
}

_RESPONSES_RULES: Final = {"openrouter": Rule(write_ttl="5m")}

_MODALITY_NAMES: Final = ("audio_tokens", "image_tokens", "video_tokens")
_MODALITIES: Final = frozenset(_MODALITY_NAMES)

_SECONDS: Final = ("prompt_audio_seconds", "seconds", "duration")
"""How the seconds of audio are called: by Mistral; by OpenAI's `type: duration`; in Whisper's verbose form."""


def chat_rule(provider: str) -> Rule:
    """Return the rule for chat completions, completions, embeddings and transcriptions of `provider`."""
    return _CHAT_RULES.get(provider, PLAIN)


def responses_rule(provider: str) -> Rule:
    """Return the rule for responses; xAI, whose chat counts reasoning apart, counts it inside there."""
    return _RESPONSES_RULES.get(provider, PLAIN)


def openai_usage(usage: JsonObject, counts: Counts, rule: Rule = PLAIN) -> Usage:
    """Take an OpenAI-shaped usage object apart into disjoint counts."""
    total = counts.stated(usage, "total_tokens")
    read = member(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    parts = _modal(read, counts)
    stated_input = counts.stated(usage, "prompt_tokens", "input_tokens")
    output = counts.take(usage, "completion_tokens", "output_tokens")
    # A rerank or an embedding may state the total alone.
    inputs = max(0, (total or 0) - output) if stated_input is None else stated_input
    if rule.audio_outside:
        inputs += parts.audio
    fields = _output(usage, counts, rule, output=output, whole=None if total is None else total - inputs)
    fields |= _input(usage, read, counts, rule, total=inputs, parts=parts)
    result = Usage(**fields, units=_units(usage, counts))
    counts.check_total(total, result.input_total + result.output_total)
    return result


def _modal(details: JsonObject, counts: Counts) -> Modal:
    if _MODALITIES.isdisjoint(details):
        return NO_PARTS
    parts = Modal(*[counts.take(details, name) for name in _MODALITY_NAMES])
    return parts if any(parts) else NO_PARTS


def _input(
    usage: JsonObject, read: JsonObject, counts: Counts, rule: Rule, *, total: int, parts: Modal
) -> dict[str, int]:
    # In this order: OpenAI and most others; DeepSeek; Together; Mistral.
    cached = counts.stated(read, "cached_tokens")
    if cached is None:
        cached = counts.take(usage, "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
    cached = counts.within(cached, total, CACHED_EXCEEDS_INPUT)
    written = counts.within(counts.take(read, "cache_write_tokens"), total - cached, CACHED_EXCEEDS_INPUT)
    cached_details = member(read, "cached_tokens_details")
    fields = input_counts(
        counts,
        total=total,
        parts=parts,
        cached=cached,
        cached_parts=_modal(cached_details, counts) if cached_details else None,
        written=written,
    )
    if written:
        half_day = counts.take(member(read, "cache_write_tokens_details"), "ttl_12h_tokens")
        half_day = counts.within(half_day, written, CACHED_EXCEEDS_INPUT)
        fields["cache_write_12h_tokens"] = half_day
        fields[f"cache_write_{rule.write_ttl}_tokens"] = written - half_day
    return fields


def _output(usage: JsonObject, counts: Counts, rule: Rule, *, output: int, whole: int | None) -> dict[str, int]:
    """Take the output apart; `whole` is what the stated total leaves for it."""
    details = member(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    reasoning = counts.take(details, "reasoning_tokens")
    if rule.output_is_the_rest and whole is not None and whole >= output:
        reasoning = max(reasoning, whole - output)
        output = whole
    elif rule.reasoning_outside:
        output += reasoning
    reasoning = counts.within(reasoning, output, REASONING_EXCEEDS_OUTPUT)
    rest = output - reasoning
    if not details and rule.output != "text":
        return {"reasoning_tokens": reasoning, f"output_{rule.output}_tokens": rest}
    parts = counts.parts_within(_modal(details, counts), rest, MODALITY_EXCEEDS_OUTPUT)
    if parts is NO_PARTS:
        return {"output_tokens": rest, "reasoning_tokens": reasoning}
    return {
        "output_tokens": rest - parts.audio - parts.image,
        "reasoning_tokens": reasoning,
        "output_audio_tokens": parts.audio,
        "output_image_tokens": parts.image,
    }


def _units(usage: JsonObject, counts: Counts) -> dict[str, str]:
    """Read what is billed beside tokens: audio by the second, searches by the piece."""
    hosted = member(usage, "server_tool_use_details", "server_side_tool_usage_details", "server_tool_use")
    return counts.units(
        audio_seconds=next((usage[name] for name in _SECONDS if usage.get(name) is not None), None),
        web_searches=hosted.get("web_search_requests", hosted.get("web_search_calls")),  # OpenRouter; xAI
        x_searches=hosted.get("x_search_calls"),
    )
