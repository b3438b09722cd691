"""T27-T30: every secret is a canary, and none is ever heard of again.

The life of a gateway (see `scenario`) is lived at log level debug, on each engine; then all that it gave off is
searched: the log, what was printed, each answer to a client, the admin API's answers, metrics, the database.
"""

import asyncio
import base64
import os
import re
import sys
from pathlib import Path

import pytest

from tests.leaks.canaries import Canary, Find, find
from tests.leaks.conftest import Life
from tests.leaks.scenario import NEXT_KEY, PROVIDER_KEYS, WRONG_KEY, canary, sent_keys

MAY_REACH_A_CLIENT = re.compile(
    r"content-type|content-length|content-disposition|transfer-encoding|connection|cache-control|x-content-type-options|www-authenticate"
    r"|retry-after|allow|request-id|x-request-id|x-keystead-[a-z-]+|x-ratelimit-[a-z-]+|openai-[a-z-]+"
)
MAY_REACH_A_PROVIDER = {
    "host",
    "accept",
    "accept-encoding",
    "user-agent",
    "content-type",
    "content-length",
    "anthropic-version",
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
}


def told(finds: list[Find]) -> str:
    return "\n".join(f"{f.canary} ({f.form}) in {f.place}: {f.around}" for f in finds[:20])


def test_no_secret_is_in_the_log_the_output_or_the_database(life: Life) -> None:
    finds = [found for place, data in life.evidence.items() for found in find(life.canaries, place, data)]
    assert not finds, told(finds)


def test_no_secret_is_in_any_answer(life: Life) -> None:
    together = b"\n\n".join(heard.data for heard in life.heard)
    finds = list(find(life.canaries, "answers", together))
    assert not finds, told(finds)


def test_the_search_covers_what_it_is_about(life: Life) -> None:
    assert len(life.heard) > 700
    assert len({heard.status for heard in life.heard}) > 12
    assert b'"event":"defect"' not in life.evidence["log"]
    database = life.evidence["file keystead.db" if life.engine == "sqlite" else "database"]
    assert len(database) > 100_000
    # The secrets were really there: the provider got each key, and only in its header.
    assert {key.text for key in PROVIDER_KEYS.values()} | {NEXT_KEY.text, WRONG_KEY.text} <= sent_keys(life.calls)


def test_what_a_provider_echoes_is_masked_where_the_client_sees_it(life: Life) -> None:
    masked = [heard for heard in life.heard if b"[redacted]" in heard.data]
    assert {heard.status for heard in masked} >= {200, 400, 401, 500}
    assert len(masked) > 50


def test_a_client_gets_only_headers_that_are_meant_for_it(life: Life) -> None:
    names = {name.lower() for heard in life.heard for name, _ in heard.headers}
    assert {name for name in names if MAY_REACH_A_CLIENT.fullmatch(name) is None} == set()
    assert not names & {"openai-organization", "openai-project", "set-cookie", "server", "via", "location"}


def test_a_provider_gets_only_headers_that_are_meant_for_it(life: Life) -> None:
    names = {name for call in life.calls for name, _ in call.headers}
    assert names - MAY_REACH_A_PROVIDER == set()
    for call in life.calls:
        carriers = [
            name for name, _ in call.headers if name in {"authorization", "x-api-key", "x-goog-api-key", "api-key"}
        ]
        assert len(carriers) == 1
        assert call.query in {"", "alt=sse", "api-version=2025-04-01-preview", "limit=1", "pageSize=1"}


def test_no_secret_of_ours_reaches_a_provider(life: Life) -> None:
    providers = {*(key.name for key in PROVIDER_KEYS.values()), NEXT_KEY.name, WRONG_KEY.name}
    ours = [secret for secret in life.canaries if secret.name not in providers]
    assert len(ours) >= 8
    seen = [f"{call.path}?{call.query}\n{call.headers}".encode() + call.body for call in life.calls]
    finds = list(find(ours, "calls", b"\n\n".join(seen)))
    assert not finds, told(finds)


async def test_a_database_url_that_does_not_work_is_not_repeated(tmp_path: Path) -> None:
    password = canary("database", length=20)
    urls = (
        f"postgresql://keystead:{password.text}/keystead",  # a host forgotten: what follows the colon is the port
        f"postgresql://keystead:{password.text}/more@127.0.0.1/keystead",
        f"postgresql://keystead:{password.text}@127.0.0.1:1/keystead",
        f"postgres:keystead:{password.text}@127.0.0.1/keystead",
    )
    said = b"\n".join(await asyncio.gather(*[_failed_start(tmp_path / str(n), url) for n, url in enumerate(urls)]))
    finds = list(find([password], "start", said))
    assert not finds, told(finds)
    assert said.count(b"Error: ") == len(urls)
    assert b"Traceback" not in said


async def _failed_start(home: Path, database_url: str) -> bytes:
    """Start with a database that cannot be reached, and return what is said about it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from keystead.cli import main; main()",
        "serve",
        env={
            "PATH": os.environ["PATH"],
            "KEYSTEAD_HOME": str(home),
            "KEYSTEAD_PORT": "0",
            "KEYSTEAD_LOG_LEVEL": "debug",
            "KEYSTEAD_DATABASE_URL": database_url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 1
    return said


@pytest.mark.parametrize(
    "planted",
    [
        "K" * 3 + "canarySECRET0123456789",
        "SECRET012345",
        "canarySECRET0123456789"[::-1],
        b"canarySECRET0123456789".hex(),
        base64.b64encode(b"x canarySECRET0123456789 y").decode(),
        base64.b64encode(b"xy canarySECRET0123456789 y").decode(),
        base64.b64encode(b"xyz canarySECRET0123456789 y").decode(),
        "CANARYSECRET0123456789",
    ],
)
def test_the_search_finds_what_is_planted(planted: str) -> None:
    secret = Canary("planted", "sk-canarySECRET0123456789", 3)
    assert list(find([secret], "here", f"some text {planted} and more".encode()))
    assert not list(find([secret], "here", b"sk-\xe2\x80\xa66789 canarySECRE T01234"))
