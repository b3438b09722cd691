"""What a browser sends: forms and cookies."""

import http.cookies
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from keystead.domain.errors import InvalidRequestError

_MAX_FORM_BYTES: Final = 128 * 1024
_MAX_FIELDS: Final = 400
_FORM: Final = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of one that is given more than once, the values as lines.

    Raises:
        InvalidRequestError: it is too large, or not a form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise InvalidRequestError("This is not a form of the console.", status=415)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM_BYTES:
            raise InvalidRequestError("The form is too large.", code="body_too_large", status=413)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise InvalidRequestError("The form is not valid UTF-8 or has too many fields.") from error
    form: dict[str, str] = {}
    for name, value in pairs:
        form[name] = f"{form[name]}\n{value}" if name in form else value
    return form


def cookies_of(request: Request) -> dict[str, str]:
    """Return the cookies of a request; what cannot be read is none."""
    try:
        found = http.cookies.SimpleCookie(request.headers.get("cookie", ""))
    except http.cookies.CookieError:
        return {}
    return {name: morsel.value for name, morsel in found.items()}
