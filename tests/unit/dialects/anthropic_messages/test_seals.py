"""Other makers' seals in signatures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.anthropic_messages import seals
from keystead.domain.chat import Maker, Sealed


@given(
    maker=st.sampled_from([Maker.GEMINI, Maker.OPENAI]),
    data=st.text(max_size=20),
    of=st.sampled_from(["thought", "call", "text"]),
    identifier=st.just("") | st.from_regex(r"rs_[0-9a-f.]{1,20}", fullmatch=True),
)
def test_a_foreign_seal_comes_back_with_what_it_belongs_to(maker: Maker, data: str, of: str, identifier: str) -> None:
    sealed = Sealed(maker=maker, data=data)
    signed = seals.signature(sealed, of=of, identifier=identifier)  # type: ignore[arg-type]
    assert seals.read(signed) == seals.Seal(
        sealed=sealed,
        of=of,  # type: ignore[arg-type]
        id=identifier if of == "thought" else "",
    )


@pytest.mark.parametrize("data", ["EuYBCkQYAiJA+/=", "ks1.", "ks1.nobody.AAAA", "ks1.gemini.?.call", "a.b.c.d.e"])
def test_a_signature_of_anthropics_is_untouched(data: str) -> None:
    sealed = Sealed(maker=Maker.ANTHROPIC, data=data)
    assert seals.signature(sealed) == data
    assert seals.read(data) == seals.Seal(sealed=sealed)


def test_thinking_that_nobody_sealed_is_signed_as_such() -> None:
    assert seals.signature(None)
    assert seals.read(seals.signature(None)) == seals.Seal(sealed=None)
    assert seals.read(seals.signature(None, identifier="rs_1")) == seals.Seal(sealed=None, id="rs_1")
    assert seals.read("") == seals.Seal(sealed=None)
