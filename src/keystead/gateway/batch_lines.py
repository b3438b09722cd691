"""The lines of a batch: each is decided about as if it had been sent by itself, before anything of it leaves. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from keystead.dialects.asked import Asked, asked_output
from keystead.dialects.body import JsonBody, read_json
from keystead.dialects.references import references_in
from keystead.domain.errors import InvalidRequestError, KeysteadError, PolicyDenied
from keystead.domain.money import MAX_PICO, USD
from keystead.domain.stored import Reference, Workload
from keystead.domain.traffic import Dialect, Endpoint
from keystead.metering.ceiling import Ceiling

LONGEST_LINE: Final = 16 * 1024 * 1024
MOST_LINES: Final = 100_000
"""What Anthropic takes at most; OpenAI takes half of that."""
MOST_REFERENCES: Final = 1_000

_URLS: Final = {
    "/v1/chat/completions": Endpoint.CHAT,
    "/chat/completions": Endpoint.CHAT,
    "/v1/responses": Endpoint.RESPONSES,
    "/v1/completions": Endpoint.COMPLETIONS,
    "/v1/embeddings": Endpoint.EMBEDDINGS,
    "/v1/moderations": Endpoint.MODERATIONS,
}
_TEXT: Final = msgspec.json.Decoder(str)
_REQUESTS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a batch (it is `ask.Weighed`)."""

    number: int
    """From 1."""
    dialect: Dialect
    endpoint: Endpoint
    model: str
    started_at: int
    """When the batch came, Unix microseconds."""
    body_bytes: int
    wanted: Asked
    references: tuple[Reference, ...]


def openai_lines(file: Iterable[bytes], *, at: int) -> Iterator[Line]:
    """Yield the lines of an input file.

    Raises:
        InvalidRequestError: one is not a request that can be part of a batch; its number is told.
    """
    number = 0
    for raw in file:
        number += 1
        if not raw.strip():
            continue
        try:
            if len(raw) > LONGEST_LINE:
                raise _bad(f"It is longer than {LONGEST_LINE} bytes.")
            members = read_json(raw).members
            if _text(members, "method") != "POST":
                raise _bad("Its `method` must be POST.")
            url = _text(members, "url")
            if url not in _URLS:
                raise _bad(f"Its `url` must be one of: {', '.join(_URLS)}.")
            line = _line(number, bytes(members.get("body", b"")), Dialect.OPENAI, _URLS[url], at)
        except KeysteadError as error:
            raise at_line(number, error) from None
        yield line


def anthropic_lines(body: JsonBody, *, at: int) -> Iterator[Line]:
    """Yield the requests in the body of a message batch.

    Raises:
        InvalidRequestError: one is not a request that can be part of a batch; its number is told.
    """
    try:
        requests = _REQUESTS.decode(body.members.get("requests", b""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequestError("`requests` must be a list.", param="requests") from None
    for number, raw in enumerate(requests, 1):
        try:
            params = bytes(read_json(bytes(raw)).members.get("params", b""))
            line = _line(number, params, Dialect.ANTHROPIC, Endpoint.MESSAGES, at)
        except KeysteadError as error:
            raise at_line(number, error) from None
        yield line


def at_line(number: int, error: KeysteadError) -> KeysteadError:
    """Return the error with the number of the line that it is about."""
    kind = PolicyDenied if isinstance(error, PolicyDenied) else InvalidRequestError
    return kind(
        f"Line {number}: {error.message}",
        code=error.code,
        status=error.status,
        param=f"line {number}",
        next_step=error.next_step,
    )


class Weighing:
    """Adds up what lines are to do."""

    def __init__(self, ceiling: Callable[[Line], Ceiling]) -> None:
        """`ceiling` returns the most that a line can cost."""
        self.first: Line | None = None
        self.references: dict[Reference, None] = {}
        self._ceiling = ceiling
        self._lines = 0
        self._most: int | None = 0
        self._currency = USD

    def add(self, line: Line) -> None:
        """Take a line that has been decided about.

        Raises:
            InvalidRequestError: there are too many, or it is for another model or endpoint than the first.
        """
        if self.first is None:
            self.first = line
        elif (line.model, line.endpoint) != (self.first.model, self.first.endpoint):
            raise at_line(
                line.number, _bad(f"A batch is for one model at one endpoint; this one is for {self.first.model!r}.")
            )
        self._lines += 1
        if self._lines > MOST_LINES:
            raise InvalidRequestError(f"A batch has {MOST_LINES} lines at most.", code="too_many_lines")
        self.references.update(dict.fromkeys(line.references))
        if len(self.references) > MOST_REFERENCES:
            raise InvalidRequestError(
                f"A batch names {MOST_REFERENCES} stored objects at most.", code="too_many_references"
            )
        ceiling = self._ceiling(line)
        if ceiling.pico is None or self._most is None:
            self._most = None
        else:
            self._most = min(self._most + ceiling.pico, MAX_PICO)
            self._currency = ceiling.currency

    def workload(self) -> Workload:
        """Return the sum.

        Raises:
            InvalidRequestError: there was no line.
        """
        if self.first is None:
            raise InvalidRequestError("The batch has no lines.", code="empty_batch")
        return Workload(
            dialect=self.first.dialect,
            endpoint=self.first.endpoint,
            model=self.first.model,
            lines=self._lines,
            most_pico=self._most,
            currency=self._currency,
        )


def _line(number: int, raw: bytes, dialect: Dialect, endpoint: Endpoint, at: int) -> Line:
    body = read_json(raw)
    if not body.model:
        raise InvalidRequestError("`model` is missing.", code="missing_model", param="model")
    if body.stream or "models" in body.members or bytes(body.members.get("background", b"")) == b"true":
        raise _bad("It must neither stream, nor name several models, nor run in the background.")
    references = references_in(body, dialect, endpoint)
    earlier = body.members.get("previous_response_id")
    if earlier is not None and bytes(earlier) != b"null":
        raise _bad("It must not go on from an earlier response.")
    return Line(
        number=number,
        dialect=dialect,
        endpoint=endpoint,
        model=body.model,
        started_at=at,
        body_bytes=len(raw),
        wanted=asked_output(body, dialect),
        references=references,
    )


def _text(members: dict[str, msgspec.Raw], name: str) -> str:
    try:
        return _TEXT.decode(members.get(name, b""))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="invalid_line")
