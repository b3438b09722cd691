"""A chat in the form that every dialect is read into and written from: requests, answers, and answers as they stream.

It appears only where the caller's dialect is not the provider's; otherwise bytes pass untouched. A dialect is one reader
and one writer for each of the three, never a pair with another dialect. What a provider sealed (thinking signatures,
encrypted reasoning) is carried as it is, with the name of who can open it.
"""

from enum import StrEnum
from typing import Literal

import msgspec


class Maker(StrEnum):
    """Whose sealed state it is: nobody else can read it, and nobody else is sent it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """State of a model that only its maker can read: a thinking signature, encrypted reasoning, redacted thinking."""

    maker: Maker
    data: str
    """As the maker wrote it."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the caller said and the target has no word for."""

    field: str
    """As the caller's dialect names it, with its place: `logit_bias`, `messages[3].content[1].cache_control`."""
    grave: bool
    """It changes what is answered: refused, unless a route allows dropping. Otherwise a hint, dropped and named."""


# -- what a turn consists of ------------------------------------------------------------------------------------------


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a passage of an answer comes from. Offsets are characters of the text part it stands in."""

    start: int | None = None
    end: int | None = None
    url: str = ""
    title: str = ""
    quoted: str = ""


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """Text."""

    text: str
    cache: str = ""
    """A prompt-cache mark behind this part: "5m", "1h"; empty for none."""
    citations: tuple[Citation, ...] = ()
    sealed: Sealed | None = None
    """Gemini puts a thought signature on a text part, too."""


class Media(msgspec.Struct, frozen=True, kw_only=True, tag="media"):
    """An image, a document, audio or video. Exactly one of `data`, `url` and `file_id` is given."""

    kind: Literal["image", "document", "audio", "video"]
    media_type: str = ""
    """MIME type; empty where a URL leaves it open."""
    data: str = ""
    """Standard base64. For a document of `text/plain` it is base64, too."""
    url: str = ""
    file_id: str = ""
    name: str = ""
    """File name or title."""
    detail: str = ""
    """How closely to look: "low", "high", "auto" (OpenAI)."""
    cache: str = ""


class Namespaced(msgspec.Struct, frozen=True, kw_only=True):
    """How OpenAI's responses call a tool that stands in a namespace; everywhere else names are flat."""

    namespace: str
    name: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """The model asks for a tool of the caller's."""

    id: str
    """Empty where the dialect has none (Gemini); the writer then makes one that is stable over turns."""
    name: str
    arguments: str
    """JSON text, as the model wrote it; free text for a custom tool."""
    custom: bool = False
    """A custom (free-form) tool of OpenAI."""
    namespaced: Namespaced | None = None
    """What `name` was made of."""
    sealed: Sealed | None = None
    cache: str = ""


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result"):
    """What a tool answered; stands in a user turn."""

    call_id: str
    name: str = ""
    """The tool's, where the dialect says it or an earlier call of the id does."""
    parts: tuple["Text | Media", ...] = ()
    is_error: bool = False
    custom: bool = False
    cache: str = ""


class Thinking(msgspec.Struct, frozen=True, kw_only=True, tag="thinking"):
    """What the model thought before it answered, in words, sealed, or both."""

    text: str = ""
    sealed: Sealed | None = None
    redacted: bool = False
    """Sealed without words for a reason of safety (Anthropic's `redacted_thinking`)."""
    id: str = ""
    """OpenAI's id of the reasoning item."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """The model's own words for why it does not answer."""

    text: str


Part = Text | Media | ToolCall | ToolResult | Thinking | Refusal


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One side's turn. Tool results stand in user turns; consecutive turns of one role are allowed."""

    role: Literal["system", "user", "assistant"]
    """`system`: instructions, also in the middle of a conversation (OpenAI's `developer` is the same)."""
    parts: tuple[Part, ...]
    name: str = ""
    """The speaker's name (OpenAI chat)."""


# -- the request ------------------------------------------------------------------------------------------------------


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the caller runs."""

    name: str
    description: str = ""
    parameters: msgspec.Raw | None = None
    """A JSON Schema (lower-case types, whatever the dialect writes); None: no arguments."""
    strict: bool | None = None
    custom: bool = False
    """Free text instead of JSON arguments (OpenAI's custom tools)."""
    namespaced: Namespaced | None = None
    """What `name` was made of."""
    cache: str = ""


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which tools the model may or must call."""

    mode: Literal["auto", "none", "required", "named"]
    names: tuple[str, ...] = ()
    """For `named`: one; for `required`: those it must choose among, empty for all."""


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model may think."""

    effort: str = ""
    """"none", "minimal", "low", "medium", "high", "xhigh", "max"; empty: not said."""
    budget_tokens: int | None = None
    """0: do not think. -1: as much as the model likes."""
    visible: bool | None = None
    """Whether the caller wants to see thoughts (or their summary)."""


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True):
    """JSON instead of prose."""

    json_schema: msgspec.Raw | None = None
    """None: any JSON object."""
    name: str = ""
    description: str = ""
    strict: bool | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request. None and empty mean: not said."""

    model: str
    turns: tuple[Turn, ...]
    stream: bool = False
    include_usage: bool = True
    """The caller wants usage in the stream (OpenAI chat clients have to ask)."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | int | None = None
    top_p: float | int | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    seed: int | None = None
    presence_penalty: float | int | None = None
    frequency_penalty: float | int | None = None
    logprobs: int | None = None
    """How many alternatives to show beside each token; 0: the token's own alone."""
    reasoning: Reasoning | None = None
    output: OutputFormat | None = None
    end_user: str = ""
    """A pseudonym of the person behind the request."""
    losses: tuple[Loss, ...] = ()
    """What the reader found that this form has no word for."""


# -- the answer -------------------------------------------------------------------------------------------------------


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    """Its own end, or a stop sequence."""
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    REFUSED = "refused"
    """A filter, or the model itself."""
    PAUSED = "paused"
    """Anthropic's `pause_turn`: to be continued by sending the answer back."""
    OTHER = "other"
    """Something this form does not know; told as an ordinary end."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of `n`."""

    parts: tuple[Part, ...]
    finish: Finish
    stop_sequence: str = ""
    """The one that ended it, if the provider says so."""
    logprobs: msgspec.Raw | None = None
    """OpenAI chat's `logprobs.content` list."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    model: str
    """As the provider names what it served."""
    choices: tuple[Choice, ...]


# -- the answer as it streams -----------------------------------------------------------------------------------------


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of each stream."""

    id: str
    model: str


class TextDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More text; follows the text before unless something else came between."""

    text: str
    choice: int = 0
    logprobs: msgspec.Raw | None = None


class ThinkingDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a thought."""

    text: str
    choice: int = 0


class ThinkingSealed(msgspec.Struct, frozen=True, kw_only=True):
    """The current thought ends with this seal; or, with `redacted`, a whole thought without words."""

    sealed: Sealed
    redacted: bool = False
    id: str = ""
    choice: int = 0


class ToolCallStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call begins. Calls are numbered from 0 in each choice."""

    call: int
    id: str
    name: str
    custom: bool = False
    namespaced: Namespaced | None = None
    """What `name` was made of."""
    sealed: Sealed | None = None
    choice: int = 0


class ToolArgumentsDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a call's arguments. Calls may be interleaved."""

    call: int
    json: str
    choice: int = 0


class RefusalDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of the model's refusal."""

    text: str
    choice: int = 0


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A citation for the current text."""

    citation: Citation
    choice: int = 0


class TextSealed(msgspec.Struct, frozen=True, kw_only=True):
    """Gemini's thought signature on text, which may come with an empty text at the end."""

    sealed: Sealed
    choice: int = 0


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A choice has ended."""

    finish: Finish
    stop_sequence: str = ""
    choice: int = 0


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The provider reports an error inside its stream; nothing follows."""

    message: str
    """The provider's own words."""
    overloaded: bool = False


Event = (
    Started
    | TextDelta
    | ThinkingDelta
    | ThinkingSealed
    | ToolCallStarted
    | ToolArgumentsDelta
    | RefusalDelta
    | Cited
    | TextSealed
    | Finished
    | Failed
)
