"""One table: our errors in the caller's dialect, so that each SDK raises its own typed error. Pure.

Every body says what happened, whose fault it is and what to do next. Shapes: OpenAI `{"error":{message,type,param,
code}}`, Anthropic `{"type":"error","error":{type,message},"request_id"}`, Google `{"error":{code,message,status,
details}}` with a google.rpc.ErrorInfo, AWS `{"__type","message"}`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keystead.dialects.eventstream import exception_frame
from keystead.domain.errors import KeysteadError
from keystead.domain.traffic import Dialect

_OPENAI_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    408: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
    504: "timeout_error",
}
_GOOGLE_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_AWS_TYPES: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    415: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
_AWS_DEFECT: Final = "InternalServerException"


def error_body(error: KeysteadError, dialect: Dialect, request_id: str) -> bytes:
    """Return the JSON body for `error` in `dialect`."""
    return msgspec.json.encode(_SHAPES[dialect](error, request_id))


def error_event(error: KeysteadError, dialect: Dialect, request_id: str) -> bytes:
    """Return the event that ends a stream in `dialect` with an error.

    Every SDK family raises on it. It is always followed by a cut: a stream that ended politely would be taken
    for a whole answer.
    """
    if dialect is Dialect.BEDROCK:
        return exception_frame("modelStreamErrorException", error_body(error, dialect, request_id))
    name = b"event: error\n" if dialect is Dialect.ANTHROPIC else b""
    return name + b"data: " + error_body(error, dialect, request_id) + b"\n\n"


def error_headers(error: KeysteadError) -> list[tuple[bytes, bytes]]:
    """Return the headers that tell a machine the code and whose fault it is, and those the error brings along."""
    headers = [
        (b"x-keystead-error", error.code.encode("ascii")),
        (b"x-keystead-fault", error.fault.value.encode("ascii")),
    ]
    headers.extend((name.lower().encode("ascii"), value.encode("ascii")) for name, value in error.headers.items())
    return headers


def _called(names: Mapping[int, str], status: int, defect: str) -> str:
    """Return what a dialect calls a status: of those it has no name for, the caller's are like a bad request."""
    return names.get(status) or (names[400] if status < 500 else defect)


def _told(error: KeysteadError) -> str:
    return f"{error.message} {error.next_step}"


def _openai(error: KeysteadError, request_id: str) -> dict[str, Any]:
    return {
        "error": {
            "message": _told(error),
            "type": _called(_OPENAI_TYPES, error.status, "server_error"),
            "param": error.param,
            "code": error.code,
            "fault": error.fault.value,
            "next_step": error.next_step,
            "request_id": request_id,
        }
    }


def _anthropic(error: KeysteadError, request_id: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {
            "type": _called(_ANTHROPIC_TYPES, error.status, "api_error"),
            "message": _told(error),
            "details": {"error_code": error.code, "fault": error.fault.value, "next_step": error.next_step},
        },
        "request_id": request_id,
    }


def _google(error: KeysteadError, request_id: str) -> dict[str, Any]:
    return {
        "error": {
            "code": error.status,
            "message": _told(error),
            "status": _called(_GOOGLE_STATUSES, error.status, "INTERNAL"),
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": error.code.upper(),
                    "domain": "keystead",
                    "metadata": {
                        "fault": error.fault.value,
                        "next_step": error.next_step,
                        "request_id": request_id,
                    },
                }
            ],
        }
    }


def _aws(error: KeysteadError, request_id: str) -> dict[str, Any]:
    return {
        "__type": _called(_AWS_TYPES, error.status, _AWS_DEFECT),
        "message": _told(error),
        "code": _called(_AWS_TYPES, error.status, _AWS_DEFECT),
        "details": {
            "error_code": error.code,
            "fault": error.fault.value,
            "next_step": error.next_step,
            "request_id": request_id,
        },
    }


_SHAPES: Final = {
    Dialect.OPENAI: _openai,
    Dialect.ANTHROPIC: _anthropic,
    Dialect.GEMINI: _google,
    Dialect.BEDROCK: _aws,
}
