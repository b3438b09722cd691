import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from keystead.domain.secret import Secret
from keystead.telemetry import configure_logging, redact

OPENAI_KEY = "sk-proj-AbCdEf0123456789AbCdEf0123456789"
SECRETS = [
    OPENAI_KEY,
    "sk-ant-api03-AbCdEf0123456789",
    "AIzaSyA-AbCdEf0123456789AbCdEf01234567",
    "gsk_AbCdEf0123456789AbCdEf",
    "xai-AbCdEf0123456789AbCdEf",
    "ks_01m89ya0bg2r2qsw98k470nv2d_AbCdEf0123456789AbCdEf0123456789AbCdEf01234_abc123",
]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    configure_logging("debug", stream)
    yield stream
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_key_is_masked_at_any_depth(secret: str) -> None:
    shown = json.dumps(redact({"a": [f"got {secret}!", {"b": (secret,)}], secret: 1, "c": secret.encode()}))
    assert secret not in shown
    assert shown.count("[redacted]") == 4


@pytest.mark.parametrize("text", [f"Authorization: Bearer {OPENAI_KEY}", "GET /v1beta/models?key=whatever-123&alt=sse"])
def test_headers_and_queries_are_masked(text: str) -> None:
    assert OPENAI_KEY not in redact(text)
    assert "whatever-123" not in redact(text)


def test_a_secret_stays_one() -> None:
    assert "plaintext" not in str(redact([Secret("plaintext")]))


def test_ordinary_words_are_left_alone() -> None:
    text = "task-based risk-free desk_organiser gpt-5-mini req_01m89ya0bg2r2qsw98k470nv2d"
    assert redact(text) == text


def test_our_lines_and_the_libraries_are_json_and_redacted(lines: io.StringIO) -> None:
    structlog.get_logger("keystead").warning("provider_refused", key=OPENAI_KEY)
    logging.getLogger("some.library").error("failed with %s", OPENAI_KEY)
    try:
        raise ValueError(OPENAI_KEY)
    except ValueError:
        structlog.get_logger("keystead").exception("defect")
    text = lines.getvalue()
    assert OPENAI_KEY not in text
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["event"] for record in records] == ["provider_refused", "failed with [redacted]", "defect"]
    assert "ValueError" in records[2]["exception"]
