"""The file with a webhook's secrets: private, and with secrets in it that are some."""

import os
from pathlib import Path

import pytest

from keystead.app.webhook_secrets import load_webhook_secrets
from keystead.domain.errors import GatewayError
from keystead.domain.secret import Secret

ONE = "5f1d" * 16
TWO = "a07e" * 8


def load(name: str) -> tuple[Secret, ...]:
    return load_webhook_secrets(name, variable="KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE")


def written(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "webhook.secret"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_no_file_is_named_and_there_is_no_webhook() -> None:
    assert load("") == ()


@pytest.mark.parametrize("content", [f"{ONE}", f"{ONE}\n", f"{ONE}\r\n{TWO}\n", f"\n{ONE}\n\n{TWO}"])
def test_a_secret_stands_on_its_line(tmp_path: Path, content: str) -> None:
    secrets = load(written(tmp_path, content.encode()))
    assert [secret.reveal() for secret in secrets] == [ONE, TWO][: len(secrets)]
    assert len(secrets) == content.count(TWO) + 1


@pytest.mark.parametrize(
    "content", [b"", b" \n\n", b"s" * 31, f"{ONE}\nshort".encode(), f"{ONE}\n{ONE}\n{ONE}".encode(), b"\xff" * 64]
)
def test_what_protects_nothing_is_refused_without_being_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        load(written(tmp_path, content))
    assert refused.value.code == "webhook_secret_refused"
    assert "KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE" in refused.value.message
    assert ONE not in refused.value.message + refused.value.next_step


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(GatewayError):
        load(written(tmp_path, ONE.encode(), mode))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(written(tmp_path, ONE.encode()))
    os.mkfifo(pipe, 0o600)
    for path in (tmp_path / "missing", link, pipe, tmp_path):
        with pytest.raises(GatewayError):
            load(str(path))
