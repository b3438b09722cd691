"""What a client needs, put into a settings file that was there before."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from keystead.cli.problem import CommandError
from keystead.cli.settings_file import ApartError, is_in, merged, put
from keystead.connect.clients import CLIENTS
from keystead.connect.render import RenderedFile, rendered, target


def wanted(name: str, model: str = "google/gemini-3-pro") -> RenderedFile:
    client = CLIENTS[name]
    return rendered(client, target(client, url="http://127.0.0.1:5397", model=model)).files[0]


def test_json_keeps_everything_else_and_is_merged_once() -> None:
    before = json.dumps(
        {"env": {"EDITOR": "vi", "ANTHROPIC_BASE_URL": "https://other"}, "permissions": {"deny": ["x"]}}
    )
    text = merged(before, wanted("claude-code"))
    after = json.loads(text)
    assert after["permissions"] == {"deny": ["x"]}
    assert (after["env"]["EDITOR"], after["env"]["ANTHROPIC_BASE_URL"]) == ("vi", "http://127.0.0.1:5397")
    assert merged(text, wanted("claude-code")) == text


TOML = """# mine
model = "gpt-5"      # the old one
approval_policy = "never"
notify = [
  "a",
]

[features]
plugins = false

[model_providers.other]
name = "Other"
"""


def test_toml_keeps_everything_else_comments_included_and_is_merged_once() -> None:
    text = merged(TOML, wanted("codex"))
    after: dict[str, Any] = tomllib.loads(text)
    assert (after["model"], after["model_provider"]) == ("google/gemini-3-pro", "keystead")
    assert (after["approval_policy"], after["notify"], after["features"]) == ("never", ["a"], {"plugins": False})
    assert after["model_providers"].keys() == {"other", "keystead"}
    assert "# mine\n" in text
    assert merged(text, wanted("codex")) == text
    again = tomllib.loads(merged(text, wanted("codex", "gpt-5")))
    del after["web_search"]
    assert again == after | {"model": "gpt-5"}, "what was ours is replaced"


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("zed", '{\n  // mine\n  "theme": "One"\n}'),
        ("zed", "[" * 10_000),
        ("codex", "model = "),
        ("codex", 'model = """\ngpt\n"""\n'),
        ("codex", '[model_providers.keystead]\nname = "Mine"\n'),
        ("codex", 'model_providers = {other = {name = "Other"}}\n'),
        ("continue", "name: Mine\n"),
    ],
)
def test_what_a_program_cannot_safely_add_to_is_left_alone(name: str, before: str, tmp_path: Path) -> None:
    with pytest.raises(ApartError):
        merged(before, wanted(name))
    path = tmp_path / "settings"
    path.write_text(before)
    with pytest.raises(CommandError) as refused:
        put(path, wanted(name))
    assert "--write" in refused.value.next_step
    assert [each.name for each in tmp_path.iterdir()] == ["settings"]
    assert path.read_text() == before
    assert not is_in(path, wanted(name))


def test_a_new_file_is_its_owners_alone_and_nothing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.json"
    assert put(path, wanted("zed")) is None
    assert path.read_text() == wanted("zed").text
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert is_in(path, wanted("zed"))


def test_what_was_there_is_kept_each_time_and_the_mode_stays(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"theme": "One"}')
    path.chmod(0o640)
    first = put(path, wanted("zed"))
    second = put(path, wanted("zed", "gpt-5"))
    assert put(path, wanted("zed", "gpt-5")) is None
    assert first is not None
    assert second is not None
    assert first.read_text() == '{"theme": "One"}'
    assert "gemini-3-pro" in second.read_text()
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o640}
    assert len(list(tmp_path.iterdir())) == 3


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    put(link, wanted("zed"))
    assert link.is_symlink()
    assert is_in(real, wanted("zed"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError):
        put(tmp_path / "file" / "settings.json", wanted("zed"))
