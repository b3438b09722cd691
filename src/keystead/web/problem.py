"""Errors of the admin API as problem details (RFC 9457), with whose fault it is and what to do next."""

from http import HTTPStatus
from typing import Final

import msgspec

from keystead.domain.errors import KeysteadError
from keystead.domain.traffic import Fault

MEDIA_TYPE: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error. `code` is stable and for machines; `detail` and `next_step` are for people."""

    title: str
    """The status in words: `type` is left out, which means about:blank (RFC 9457 §4.2.1)."""
    status: int
    detail: str
    code: str
    fault: Fault
    """Who can mend it."""
    next_step: str
    request_id: str
    param: str | None = None
    """The field or parameter at fault, where one is."""


def problem_of(error: KeysteadError, request_id: str) -> Problem:
    """Return what is told about `error`."""
    return Problem(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.message,
        code=error.code,
        fault=error.fault,
        next_step=error.next_step,
        request_id=request_id,
        param=error.param,
    )
