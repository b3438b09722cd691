"""The admin API's client: what it sends, where, and how it tells what went wrong."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from keystead.cli.client import AdminClient
from keystead.cli.problem import CommandError


class Scripted(HTTPServer):
    """Answers every call with the next scripted answer, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.calls: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def will_answer(self, body: Any, status: int = 200, **headers: str) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, headers, text))


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.calls.append((self.command, self.path, headers, self.rfile.read(length)))
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_call_carries_the_token_and_its_names_encoded(server: Scripted) -> None:
    server.will_answer({"ok": True})
    assert AdminClient(server.url, "ksa_t").get("credentials", "a/b ?&é", by="x y", none=None, flag=True) == {
        "ok": True
    }
    [(method, path, headers, _)] = server.calls
    assert (method, path) == ("GET", "/admin/v1/credentials/a%2Fb%20%3F%26%C3%A9?by=x+y&flag=true")
    assert headers["authorization"] == "Bearer ksa_t"


def test_a_body_is_json_without_what_was_not_given(server: Scripted) -> None:
    server.will_answer({})
    AdminClient(server.url, "t").post("teams", body={"name": "ü", "cost_center": None, "flag": False})
    [(method, path, headers, body)] = server.calls
    assert (method, path, headers["content-type"]) == ("POST", "/admin/v1/teams", "application/json")
    assert json.loads(body) == {"name": "ü", "flag": False}


def test_a_list_is_read_page_after_page_and_no_further_than_asked(server: Scripted) -> None:
    client = AdminClient(server.url, "t")
    server.will_answer({"items": [{"n": 1}, {"n": 2}], "next_cursor": "c"})
    server.will_answer({"items": [{"n": 3}], "next_cursor": None})
    assert [item["n"] for item in client.items("teams")] == [1, 2, 3]
    server.will_answer({"items": [{"n": 1}, {"n": 2}], "next_cursor": "c"})
    assert [item["n"] for item in client.items("teams", limit=2)] == [1, 2]
    assert [path for _, path, _, _ in server.calls] == [
        "/admin/v1/teams?limit=200",
        "/admin/v1/teams?limit=200&cursor=c",
        "/admin/v1/teams?limit=2",
    ]


def test_a_problem_becomes_an_error_with_all_it_says(server: Scripted) -> None:
    problem = {"detail": "No.", "code": "name_taken", "fault": "caller", "next_step": "Choose.", "request_id": "op_1"}
    server.will_answer(problem, status=409)
    with pytest.raises(CommandError, match=r"No\.") as caught:
        AdminClient(server.url, "t").post("teams")
    error = caught.value
    assert (error.code, error.fault, error.next_step, error.request_id) == ("name_taken", "caller", "Choose.", "op_1")
    assert error.exit_code == 1


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(server: Scripted) -> None:
    other = Scripted()
    server.will_answer(b"moved", status=307, Location=f"{other.url}/admin/v1/self")
    with pytest.raises(CommandError, match="not as Keystead does"):
        AdminClient(server.url, "t").get("self")
    assert other.calls == []
    other.server_close()


def test_a_proxy_of_the_environment_is_not_used(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.will_answer({})
    AdminClient(server.url, "t").get("self")
    assert len(server.calls) == 1


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b"[1]", b"\xff"])
def test_an_answer_of_something_else_is_told_as_such(server: Scripted, body: bytes) -> None:
    server.will_answer(body)
    with pytest.raises(CommandError, match=r"answered \(HTTP 200\), but not as Keystead does"):
        AdminClient(server.url, "t").get("self")


def test_nobody_listening_says_how_to_start(server: Scripted) -> None:
    closed = Scripted()
    closed.server_close()
    with pytest.raises(CommandError, match="Keystead does not answer at") as caught:
        AdminClient(closed.url, "t").get("self")
    assert "keystead serve" in caught.value.next_step


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:5397",
        "ftp://h",
        "http://",
        "http://h/path",
        "http://h?q=1",
        "http://h:port",
        "http://u:p@h",
        "http://[::1",
        "http://h:99999",
    ],
)
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(CommandError, match="address of the gateway is not valid"):
        AdminClient(url, "t")


def test_an_answer_line_by_line_is_given_as_it_comes_and_a_problem_in_it_is_raised(server: Scripted) -> None:
    problem = {"detail": "It broke.", "code": "internal_error", "fault": "gateway", "next_step": "Try again."}
    lines = [{"progress": {"done": 1}}, {"progress": {"done": 2}}, {"problem": problem}]
    server.will_answer(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    found = AdminClient(server.url, "ksa_t").lines("simulate", body={"progress": True})
    assert [next(found), next(found)] == lines[:2]
    with pytest.raises(CommandError, match="It broke"):
        next(found)
    [(method, path, headers, body)] = server.calls
    assert (method, path, headers["authorization"]) == ("POST", "/admin/v1/simulate", "Bearer ksa_t")
    assert json.loads(body) == {"progress": True}


def test_a_refusal_before_the_first_line_is_raised(server: Scripted) -> None:
    server.will_answer({"detail": "No.", "code": "not_allowed", "fault": "policy", "next_step": "Ask."}, status=403)
    with pytest.raises(CommandError, match="No"):
        list(AdminClient(server.url, "t").lines("simulate", body={}))
