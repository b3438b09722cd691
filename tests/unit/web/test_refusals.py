"""A provider's refusal, told to a caller of another dialect."""

import pytest

from keystead.domain.traffic import Dialect, ErrorClass
from keystead.gateway.faults import fault_of
from keystead.providers.classify import Refusal
from keystead.web.refusals import translated_refusal
from tests.acceptance.dialects import told


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_the_body_says_who_can_mend_it_as_the_header_does(error_class: ErrorClass, dialect: Dialect) -> None:
    refusal = Refusal(error_class=error_class, retry_after_s=None, message="No.")
    _, body = translated_refusal(refusal, status=500, title="Mistral", dialect=dialect, request_id="req_1")
    error = told(dialect.value, body)
    assert error.fault == fault_of(error_class).value != "gateway"
    assert error.next_step == "(Mistral refused it.)"
    assert "No." in error.message
