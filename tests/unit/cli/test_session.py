"""Which gateway, which token."""

from pathlib import Path

import pytest

from keystead.app.first_start import ADMIN_TOKEN_FILE
from keystead.cli.problem import CommandError
from keystead.cli.session import TOKEN_FILE, TOKEN_VARIABLE, admin_token, default_url, settings
from keystead.settings import load

LOCAL = "http://127.0.0.1:5397"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEYSTEAD_HOME", str(tmp_path))
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    return tmp_path


def write_token(home: Path, mode: int = 0o600) -> None:
    path = home / TOKEN_FILE
    path.write_text("ksa_file\n")
    path.chmod(mode)


def test_the_first_start_writes_the_file_that_the_commands_read() -> None:
    assert TOKEN_FILE == ADMIN_TOKEN_FILE


def test_the_environments_token_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_token(home)
    assert admin_token(LOCAL) == "ksa_file"
    monkeypatch.setenv(TOKEN_VARIABLE, " ksa_env ")
    assert admin_token(LOCAL) == "ksa_env"
    assert admin_token("https://keys.example.com") == "ksa_env"


@pytest.mark.parametrize("url", ["https://keys.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1:5397"])
def test_the_files_token_does_not_leave_the_machine(home: Path, url: str) -> None:
    write_token(home)
    with pytest.raises(CommandError, match="There is no admin token for"):
        admin_token(url)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(home: Path, mode: int) -> None:
    write_token(home, mode)
    with pytest.raises(CommandError, match="Others on this machine") as caught:
        admin_token(LOCAL)
    assert "chmod 600" in caught.value.next_step


def test_no_token_at_all_says_how_to_get_one() -> None:
    with pytest.raises(CommandError, match="There is no admin token") as caught:
        admin_token(LOCAL)
    assert "keystead serve" in caught.value.next_step


def test_the_default_gateway_is_the_one_on_this_machine() -> None:
    assert default_url(load({"KEYSTEAD_PORT": "6000"})) == "http://127.0.0.1:6000"


def test_a_setting_that_is_not_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYSTEAD_PROT", "1")
    with pytest.raises(CommandError, match="KEYSTEAD_PROT is not a setting"):
        settings()
