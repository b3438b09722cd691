import json

import botocore.session
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import create_parser

from keystead.domain.errors import (
    AuthenticationError,
    GatewayError,
    InvalidRequestError,
    KeysteadError,
    NotFoundError,
    PolicyDenied,
)
from keystead.domain.traffic import Dialect
from keystead.web.errors import error_body, error_event, error_headers

ERRORS = [AuthenticationError(), NotFoundError("No model x."), PolicyDenied(), GatewayError(), KeysteadError("Oh.")]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("dialect", Dialect)
def test_every_error_says_what_whose_fault_and_what_next(error: KeysteadError, dialect: Dialect) -> None:
    text = error_body(error, dialect, "req_1").decode()
    assert error.message in text
    assert error.next_step in text
    assert error.fault.value in text
    assert error.code.casefold() in text.casefold()
    assert "req_1" in text


def test_shapes_are_each_dialects_own() -> None:
    error = AuthenticationError()
    openai = json.loads(error_body(error, Dialect.OPENAI, "req_1"))
    claude = json.loads(error_body(error, Dialect.ANTHROPIC, "req_1"))
    google = json.loads(error_body(error, Dialect.GEMINI, "req_1"))
    assert openai["error"]["type"] == "authentication_error"
    assert claude["type"] == "error"
    assert claude["error"]["type"] == "authentication_error"
    assert google["error"]["status"] == "UNAUTHENTICATED"
    assert google["error"]["code"] == 401


@pytest.mark.parametrize("status", [405, 409, 415, 422, 426])
def test_what_the_caller_did_wrong_is_never_called_an_error_of_the_server(status: int) -> None:
    error = InvalidRequestError("No.", code="no", status=status)
    told = {dialect: json.loads(error_body(error, dialect, "req_1")) for dialect in Dialect}
    assert told[Dialect.OPENAI]["error"]["type"] == told[Dialect.ANTHROPIC]["error"]["type"] == "invalid_request_error"
    assert told[Dialect.GEMINI]["error"]["status"] in {"INVALID_ARGUMENT", "ABORTED"}
    assert told[Dialect.BEDROCK]["__type"] == "ValidationException"


def test_a_stream_ends_with_an_event_the_sdk_knows() -> None:
    assert error_event(GatewayError(), Dialect.OPENAI, "r").startswith(b'data: {"error":')
    assert error_event(GatewayError(), Dialect.ANTHROPIC, "r").startswith(b'event: error\ndata: {"type":"error"')


def test_headers_tell_a_machine() -> None:
    error = AuthenticationError(headers={"Retry-After": "60"})
    assert error_headers(error) == [
        (b"x-keystead-error", b"invalid_key"),
        (b"x-keystead-fault", b"caller"),
        (b"retry-after", b"60"),
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequestError("x"), "ValidationException"),
        (PolicyDenied("x"), "AccessDeniedException"),
        (KeysteadError("x"), "InternalServerException"),
        (KeysteadError("x", status=429), "ThrottlingException"),
    ],
)
def test_awss_sdk_reads_our_errors_whole_and_in_a_stream(error: KeysteadError, kind: str) -> None:
    body = error_body(error, Dialect.BEDROCK, "req_1")
    shape = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse").output_shape
    answer = {"status_code": error.status, "headers": {}, "body": body}
    parsed = create_parser("rest-json").parse(answer, shape)["Error"]
    assert parsed["Code"] == kind
    assert parsed["Message"].startswith("x ")
    buffer = EventStreamBuffer()
    buffer.add_data(error_event(error, Dialect.BEDROCK, "req_1"))
    [event] = [event.to_response_dict() for event in buffer]
    assert (event["status_code"], event["headers"][":exception-type"]) == (400, "modelStreamErrorException")
