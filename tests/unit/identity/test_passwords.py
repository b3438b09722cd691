"""Passwords: which are good enough, and that only the right one is."""

import pytest
from argon2 import PasswordHasher

from keystead.domain.errors import InvalidRequestError
from keystead.domain.secret import Secret
from keystead.identity.passwords import Passwords, require_good

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def test_only_the_right_password_is_and_nobodys_never() -> None:
    passwords = Passwords(CHEAP)
    kept = await passwords.hash(Secret("correct horse battery"))
    assert "correct" not in kept
    assert await passwords.verify(kept, Secret("correct horse battery"))
    assert not await passwords.verify(kept, Secret("correct horse batterz"))
    assert not await passwords.verify(None, Secret("nobody has this password"))
    assert not await passwords.verify("not a hash", Secret("correct horse battery"))


async def test_a_letter_that_keyboards_write_in_two_ways_is_one_letter() -> None:
    passwords = Passwords(CHEAP)
    kept = await passwords.hash(Secret("zo\u00eb's long secret"))
    assert await passwords.verify(kept, Secret("zoe\u0308's long secret"))


async def test_it_is_hashed_as_rfc_9106_recommends() -> None:
    assert (await Passwords().hash(Secret("correct horse battery"))).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "password", ["elevenchars", "x" * 257, "aaaaaaaaaaaaaa", "ada@example.com", "adaadaadaada", "ADA@EXAMPLE.COM"]
)
def test_what_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        require_good(Secret(password), email="ada@example.com")
    assert password not in str(refused.value)


@pytest.mark.parametrize("password", ["twelve chars", "a long line of my own words", "パスワードはとても長いです"])
def test_long_ones_are_good_whatever_they_are_made_of(password: str) -> None:
    require_good(Secret(password), email="ada@example.com")
