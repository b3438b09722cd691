"""The admin API over HTTP, from the standard library.

No proxy is used and no redirect followed: the admin token goes to the address that was named and nowhere else.
"""

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from keystead.cli.problem import CommandError

PREFIX: Final = "/admin/v1"
TIMEOUT_S: Final = 120.0
"""The longest call probes a key, which waits for a provider."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_PAGE: Final = 200
_PIECE_BYTES: Final = 256 * 1024

Json = dict[str, Any]


class AdminClient:
    """Calls the admin API at one address with one token."""

    def __init__(self, url: str, token: str) -> None:
        """Talk to `url` (`http://host:port` or `https://…`)."""
        self._address = _address(url)
        self.url = url
        self._token = token

    def get(self, *segments: str, **query: str | int | bool | tuple[str, ...] | None) -> Json:
        """Return the answer to a GET of the path made of `segments`.

        A query parameter that is None is left out; one with several values is given several times.
        """
        return self._call("GET", segments, query, None)

    def post(self, *segments: str, body: Mapping[str, Any] | None = None) -> Json:
        """Return the answer to a POST; a field of `body` that is None is left out."""
        return self._call(
            "POST", segments, {}, {name: value for name, value in (body or {}).items() if value is not None}
        )

    def lines(self, *segments: str, body: Mapping[str, Any]) -> Iterator[Json]:
        """Yield the answer to a POST that comes line by line; a problem among the lines is raised."""
        target = "/".join((PREFIX, *segments))
        with self._exchanging() as connection:
            connection.request("POST", target, body=msgspec.json.encode(body), headers=self._headers(with_body=True))
            response = connection.getresponse()
            if response.status >= 400:
                raise CommandError.from_problem(self._read(response.status, response.read(MAX_ANSWER_BYTES)))
            while text := response.readline(MAX_ANSWER_BYTES):
                line = self._read(response.status, text)
                if "problem" in line:
                    raise CommandError.from_problem(line["problem"])
                yield line

    def download(self, *segments: str, **query: str | int | bool | None) -> Iterator[bytes]:
        """Yield a file, piece by piece; one that breaks off before its end raises."""
        with self._exchanging() as connection:
            connection.request("GET", _target(segments, query), headers=self._headers(with_body=False))
            response = connection.getresponse()
            if response.status >= 400:
                raise CommandError.from_problem(self._read(response.status, response.read(MAX_ANSWER_BYTES)))
            while piece := response.read1(_PIECE_BYTES):
                yield piece

    def items(self, *segments: str, limit: int | None = None, **query: str | int | bool | None) -> Iterator[Json]:
        """Yield the items of a list, page after page, at most `limit` of them."""
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self.get(*segments, limit=size, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return
            left = None if left is None else left - len(page["items"])

    def _call(
        self, method: str, segments: tuple[str, ...], query: Mapping[str, Any], body: Mapping[str, Any] | None
    ) -> Json:
        target = _target(segments, query)
        content = None if body is None else msgspec.json.encode(body)
        with self._exchanging() as connection:
            connection.request(method, target, body=content, headers=self._headers(with_body=body is not None))
            response = connection.getresponse()
            status, text = response.status, response.read(MAX_ANSWER_BYTES)
        answer = self._read(status, text)
        if status >= 400:
            raise CommandError.from_problem(answer)
        return answer

    def _headers(self, *, with_body: bool) -> dict[str, str]:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._token}"}
        return headers | ({"Content-Type": "application/json"} if with_body else {})

    @contextmanager
    def _exchanging(self) -> Iterator[http.client.HTTPConnection]:
        """Lend a connection, and say in our words what goes wrong with it."""
        connection = self._connection()
        try:
            yield connection
        except ConnectionRefusedError as error:
            raise CommandError(
                f"Keystead does not answer at {self.url}.",
                fault="caller",
                next_step="Start it with `keystead serve`, or set KEYSTEAD_URL to where it runs.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                f"Talking to {self.url} failed: {error}.",
                fault="caller",
                next_step="Check KEYSTEAD_URL and the network; `keystead doctor` looks at this machine.",
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        scheme, host, port = self._address
        if scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def _read(self, status: int, text: bytes) -> Json:
        try:
            return msgspec.json.decode(text, type=Json)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CommandError(
                f"{self.url} answered (HTTP {status}), but not as Keystead does.",
                fault="caller",
                next_step="Check KEYSTEAD_URL: something else may listen there.",
            ) from error


def _target(segments: tuple[str, ...], query: Mapping[str, Any]) -> str:
    target = "/".join((PREFIX, *(quote(segment, safe="") for segment in segments)))
    given = [
        (name, _text(one))
        for name, value in query.items()
        if value is not None
        for one in (value if isinstance(value, tuple) else (value,))
    ]
    return f"{target}?{urlencode(given)}" if given else target


def _address(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a gateway's address, which has nothing else in it."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        whole = host and scheme in {"http", "https"} and not parts.path.strip("/")
        plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        whole = plain = False
        scheme, host, port = "", "", None
    if not whole or not plain:
        raise CommandError(
            "The address of the gateway is not valid.",
            fault="caller",
            next_step="Set KEYSTEAD_URL (or --url) to http://host:port or https://host.",
        )
    return scheme, host, port


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
