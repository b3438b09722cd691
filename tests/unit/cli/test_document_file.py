"""A document in a file: read, its mistakes located, its secrets fetched from where it says."""

import re
from pathlib import Path

import pytest

from keystead.cli.document_file import DocumentFile, read_document, resolved
from keystead.cli.problem import CommandError
from keystead.cli.yaml_tree import read_yaml
from keystead.web.admin.config.document import Document

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "configuration-as-code.md"


def test_the_example_in_the_guide_is_a_document(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert example is not None
    file = tmp_path / "keystead.yaml"
    file.write_text(example[1])
    document = read_document(str(file)).document
    assert document.grants is not None
    assert document.grants["hospital"].when == "hour >= 6 && hour < 22"
    assert document.teams is not None
    assert document.teams["Engineering"].cost_center == "4711"


def test_a_secret_is_fetched_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_KEY", " canary-one \n")
    assert resolved("${SOME_KEY}") == "canary-one"
    secret = tmp_path / "secret"
    secret.write_text("canary-two\n")
    assert resolved(f"file:{secret}") == "canary-two"


def test_a_secret_that_is_not_there_is_named_and_nothing_of_it_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(LookupError, match="NO_KEY is not set"):
        resolved("${NO_KEY}")
    secret = tmp_path / "secret"
    for content in (b"", b"canary" * 2000, b"canary\xff"):
        secret.write_bytes(content)
        with pytest.raises(LookupError) as missing:
            resolved(f"file:{secret}")
        assert "canary" not in str(missing.value)
    with pytest.raises(LookupError, match="cannot be read"):
        resolved(f"file:{tmp_path}")


def test_an_error_of_the_api_is_located_in_the_file_even_where_names_hold_dots(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(
        "routes:\n  gpt-5:\n    attempts: []\n  gpt-5.1:\n    attempts:\n      - model: a\n      - model: b\n"
    )
    source = DocumentFile(name=str(file), document=Document(), tree=read_yaml(file.read_text()))
    for param, line in (
        ("routes.gpt-5.1.attempts[1].model", 7),
        ("routes.gpt-5.1", 4),
        ("routes.gpt-5.attempts", 3),
        ("routes.other.attempts", 1),
        ("somewhere.else", None),
        ("", None),
    ):
        error = CommandError("No.", fault="caller", next_step="")
        error.param = param
        told = source.located(error).message
        assert told == ("No." if line is None else f"{file}:{line}: No."), param


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        read_document(str(tmp_path / "nothing.yaml"))
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"teams: {\xe4: {}}")
    with pytest.raises(CommandError, match="not UTF-8"):
        read_document(str(file))
    file.write_text("")
    assert read_document(str(file)).as_json() == {}
