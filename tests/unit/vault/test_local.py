"""The root key file: what is accepted as one, and what the refusals tell the operator."""

import base64
import os
import stat
from pathlib import Path

import pytest

from keystead.domain.errors import IntegrityError, VaultError
from keystead.vault.kek.local import LocalKek

CONTEXT = b"context"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root.key"


def test_a_created_kek_is_the_one_that_is_loaded(path: Path) -> None:
    created = LocalKek.create(path)
    loaded = LocalKek.load(path)

    assert loaded.id == created.id
    assert loaded.unwrap(created.wrap(b"k" * 32, CONTEXT), CONTEXT) == b"k" * 32


def test_the_file_names_its_format_and_id_and_holds_32_bytes(path: Path) -> None:
    kek = LocalKek.create(path)
    head, key = path.read_text().splitlines()

    assert head == f"keystead-root-key-1 {kek.id}"
    assert len(base64.b64decode(key, validate=True)) == 32


def test_the_file_is_private_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        LocalKek.create(path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_kek_is_another(tmp_path: Path) -> None:
    keks = [LocalKek.create(tmp_path / str(number)) for number in range(5)]

    assert len({kek.id for kek in keks}) == 5
    assert len({(tmp_path / str(number)).read_text().splitlines()[1] for number in range(5)}) == 5


def test_the_id_belongs_to_the_key_and_cannot_be_exchanged() -> None:
    wrapped = LocalKek("local:a", bytes(32)).wrap(b"k" * 32, CONTEXT)

    assert LocalKek("local:a", bytes(32)).unwrap(wrapped, CONTEXT) == b"k" * 32
    with pytest.raises(IntegrityError):
        LocalKek("local:b", bytes(32)).unwrap(wrapped, CONTEXT)


def test_an_existing_file_is_never_overwritten(path: Path) -> None:
    path.write_text("precious")

    with pytest.raises(VaultError, match="exists already") as refusal:
        LocalKek.create(path)

    assert refusal.value.code == "kek_exists"
    assert path.read_text() == "precious"


def test_a_link_is_not_written_through(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(VaultError, match="exists already"):
        LocalKek.create(path)

    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be created"):
        LocalKek.create(tmp_path / "absent" / "root.key")


def test_what_could_not_be_written_whole_is_taken_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(VaultError, match=r"cannot be written \(No space left"):
        LocalKek.create(path)

    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o666, 0o644, 0o610, 0o601])
def test_a_file_that_others_can_use_is_refused_with_the_command_to_mend_it(path: Path, mode: int) -> None:
    LocalKek.create(path)
    path.chmod(mode)

    with pytest.raises(VaultError, match="read or changed by others") as refusal:
        LocalKek.load(path)

    assert refusal.value.next_step == f"Run: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_only_its_owner_can_use_is_accepted(path: Path, mode: int) -> None:
    kek = LocalKek.create(path)
    path.chmod(mode)

    assert LocalKek.load(path).id == kek.id


def test_the_command_is_safe_to_paste(tmp_path: Path) -> None:
    path = tmp_path / "my key; rm x"
    LocalKek.create(path)
    path.chmod(0o644)

    with pytest.raises(VaultError) as refusal:
        LocalKek.load(path)

    assert refusal.value.next_step == f"Run: chmod 600 '{path}'"


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalKek.create(path)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(VaultError, match="belongs to another user") as refusal:
        LocalKek.load(path)

    assert refusal.value.next_step == f"Run: chown {owner + 1} {path}"


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    LocalKek.create(tmp_path / "real")
    path.symlink_to(tmp_path / "real")

    with pytest.raises(VaultError, match="symbolic link"):
        LocalKek.load(path)


def test_a_folder_or_a_pipe_in_its_place_is_refused_and_does_not_hold_the_start_up(path: Path, tmp_path: Path) -> None:
    os.mkfifo(path, 0o600)

    for place in (path, tmp_path):
        with pytest.raises(VaultError, match="not a regular file"):
            LocalKek.load(place)


def test_a_missing_file_is_told_apart_from_a_bad_one(path: Path) -> None:
    with pytest.raises(VaultError, match="does not exist") as refusal:
        LocalKek.load(path)

    assert refusal.value.code == "kek_missing"


WHOLE = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "keystead-root-key-1 local:1\n",
        f"{WHOLE}\n",
        f"keystead-root-key-2 local:1\n{WHOLE}\n",
        f"keystead-root-key-1 aws:1\n{WHOLE}\n",
        f"keystead-root-key-1\n{WHOLE}\n",
        f"keystead-root-key-1 local:1 more\n{WHOLE}\n",
        f"keystead-root-key-1 local:1\n{WHOLE[:-1]}\n",
        f"keystead-root-key-1 local:1\n{WHOLE[:20]}\n",
        f"keystead-root-key-1 local:1\n{base64.b64encode(bytes(31)).decode()}\n",
        f"keystead-root-key-1 local:1\n{base64.b64encode(bytes(33)).decode()}\n",
        f"keystead-root-key-1 local:1\n{WHOLE}\n{WHOLE}\n",
        f"keystead-root-key-1 local:1\n{WHOLE[:-2]}é=\n",
        "x" * 100_000,
    ],
)
def test_anything_but_a_whole_root_key_file_is_refused_without_repeating_it(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(VaultError, match="not a whole root key file") as refusal:
        LocalKek.load(path)

    assert "AAAA" not in str(refusal.value)
    assert refusal.value.__cause__ is None
