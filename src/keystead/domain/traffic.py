"""The words for what passes through the gateway."""

from enum import StrEnum
from typing import Final


class Dialect(StrEnum):
    """A wire format."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    BEDROCK = "bedrock"


MODEL_IN_PATH: Final = frozenset({Dialect.GEMINI, Dialect.BEDROCK})
"""Where the path says which model is meant, and whether to stream; a member of the body called so is something else."""


class Endpoint(StrEnum):
    """What is asked of a provider; with the dialect it selects the path, the metering rule and the prices."""

    CHAT = "chat"  # OpenAI chat completions
    RESPONSES = "responses"  # OpenAI responses
    COMPLETIONS = "completions"  # OpenAI legacy completions
    MESSAGES = "messages"  # Anthropic messages, also in the envelope of Bedrock's InvokeModel
    GENERATE = "generate"  # Gemini generateContent and streamGenerateContent
    CONVERSE = "converse"  # Bedrock Converse and ConverseStream
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    MODERATIONS = "moderations"
    IMAGES = "images"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    COUNT_TOKENS = "count_tokens"
    REALTIME = "realtime"  # OpenAI's realtime sessions over a WebSocket
    PASSTHROUGH = "passthrough"  # any other path of a provider that the operator lists
    RESPONSE_STATE = "response_state"  # retrieve, cancel, delete or list items of a stored response
    MODELS = "models"
    FILES = "files"
    BATCHES = "batches"  # OpenAI's batches, Anthropic's message batches
    CACHED_CONTENTS = "cached_contents"  # Gemini's explicit caches
    VECTOR_STORES = "vector_stores"
    CONVERSATIONS = "conversations"  # OpenAI's


class Owner(StrEnum):
    """Whose credential did the work."""

    OWN = "own"
    PLATFORM = "platform"
    SANDBOX = "sandbox"


class State(StrEnum):
    """The life of a request and of an attempt: `intent`, then exactly one end."""

    INTENT = "intent"
    SETTLED = "settled"
    """Answered to its end."""
    REJECTED = "rejected"
    """Refused before or by the provider; nothing is billed."""
    FAILED_UNSENT = "failed_unsent"
    """The provider was not reached; nothing is billed."""
    FAILED_BILLED = "failed_billed"
    """The provider began to answer and failed; it may bill."""
    CANCELLED_PARTIAL = "cancelled_partial"
    """Ended early by the client or by a limit; usage may be partial."""
    UNKNOWN = "unknown"
    """The gateway process died in between; the provider may or may not have worked."""


ENDS: Final = tuple(state for state in State if state is not State.INTENT)


class CostState(StrEnum):
    """What is known about a cost. Unknown is a visible state, never zero."""

    PRICED = "priced"
    """Computed from a price row and the provider's own usage."""
    REPORTED = "reported"
    """The provider's own figure, booked as it stands."""
    ESTIMATED = "estimated"
    """Computed from estimated or partial usage."""
    UNPRICED = "unpriced"
    """There is usage and no price for it."""
    UNKNOWN = "unknown"
    """No usage is known."""
    FREE = "free"
    """The provider bills nothing for this (model list, token count, rejected)."""


class Fault(StrEnum):
    """Who can mend it."""

    CALLER = "caller"
    POLICY = "policy"
    PROVIDER = "provider"
    GATEWAY = "gateway"


class ErrorClass(StrEnum):
    """What a provider's refusal means, judged by provider and body, not by status alone."""

    THROTTLED = "throttled"
    OUT_OF_FUNDS = "out_of_funds"
    AUTH_FAILED = "auth_failed"
    PERMISSION_DENIED = "permission_denied"
    MODEL_MISSING = "model_missing"
    CONTEXT_TOO_LONG = "context_too_long"
    OVERLOADED = "overloaded"
    CONTENT_REFUSED = "content_refused"
    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    PROTOCOL = "protocol"
    PROVIDER_ERROR = "provider_error"


class OnDisconnect(StrEnum):
    """What to do with the upstream when the client leaves."""

    DRAIN = "drain"
    """Read on, within bounds, so that the provider's final usage is seen."""
    CANCEL = "cancel"
    """Close at once, to stop the cost."""
