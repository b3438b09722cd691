"""What a key's text tells, and how little of it is shown."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.vault.recognise import MAX_KEY_LENGTH, mask, require_inference_key

SECRET = "Zx9Qw7Er5Ty3Ui1Op8As6Df4Gh2Jk0Lm"

PRINTED = [
    ("openai", "sk-proj-"),
    ("openai", "sk-svcacct-"),
    ("openai", "sk-"),
    ("anthropic", "sk-ant-api03-"),
    ("google", "AIza"),
    ("groq", "gsk_"),
    ("xai", "xai-"),
    ("openrouter", "sk-or-v1-"),
    ("deepseek", "sk-"),
    ("fireworks", "fw_"),
    ("perplexity", "pplx-"),
    ("cerebras", "csk-"),
    ("together", "tgp_v1_"),
    ("mistral", ""),
    ("cohere", ""),
    ("azure", ""),
    ("vllm", ""),
]
PROVIDERS = sorted({provider for provider, _ in PRINTED})

keys = st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=1, max_size=80)


@pytest.mark.parametrize(("provider", "prefix"), PRINTED)
def test_keys_as_the_providers_print_them_are_accepted(provider: str, prefix: str) -> None:
    require_inference_key(provider, prefix + SECRET)


@pytest.mark.parametrize(("provider", "prefix"), PRINTED)
def test_a_mask_is_the_public_prefix_and_the_last_four(provider: str, prefix: str) -> None:
    assert mask(provider, prefix + SECRET) == f"{prefix}…k0Lm"


@given(provider=st.sampled_from(PROVIDERS), secret=keys)
def test_a_mask_shows_the_prefix_of_the_provider_and_four_characters_at_most(provider: str, secret: str) -> None:
    prefixes = {prefix for name, prefix in PRINTED if name == provider} | {"", "AQ.", "sk-ant-", "sk-or-"}
    head, _, tail = mask(provider, secret).partition("…")

    assert head in prefixes
    assert secret.startswith(head)
    assert tail == "" or (len(tail) == 4 and secret.endswith(tail) and len(secret) - len(head) >= 16)


@pytest.mark.parametrize(
    ("key", "shown"), [("ollama", "…"), ("token-abc123", "…"), ("x" * 15, "…"), ("x" * 16, "…xxxx")]
)
def test_a_short_key_keeps_its_end_hidden_too(key: str, shown: str) -> None:
    assert mask("vllm", key) == shown


@pytest.mark.parametrize(
    ("key", "company"),
    [
        (f"sk-admin-{SECRET}", "OpenAI"),
        (f"sk-ant-admin01-{SECRET}", "Anthropic"),
        (f"sk-ant-admin{SECRET}", "Anthropic"),
    ],
)
@pytest.mark.parametrize("provider", ["openai", "anthropic", "vllm"])
def test_administration_keys_are_refused_wherever_they_are_entered(provider: str, key: str, company: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{company} administration key") as refusal:
        require_inference_key(provider, key)

    assert refusal.value.code == "admin_key_refused"
    assert refusal.value.param == "key"


@pytest.mark.parametrize(
    ("provider", "key", "maker"),
    [
        ("openai", f"sk-ant-api03-{SECRET}", "anthropic"),
        ("openai", f"sk-or-v1-{SECRET}", "openrouter"),
        ("anthropic", f"sk-proj-{SECRET}", "openai"),
        ("deepseek", f"sk-svcacct-{SECRET}", "openai"),
        ("groq", f"AIza{SECRET}", "google"),
        ("google", f"gsk_{SECRET}", "groq"),
    ],
)
def test_a_key_that_is_plainly_another_providers_is_not_taken(provider: str, key: str, maker: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"a key of {maker}") as refusal:
        require_inference_key(provider, key)

    assert refusal.value.code == "other_providers_key"


@pytest.mark.parametrize("key", [f"sk-ant-api03-{SECRET}", f"gsk_{SECRET}", f"sk-{SECRET}"])
@pytest.mark.parametrize("provider", ["vllm", "ollama", "azure", "mistral"])
def test_servers_whose_keys_have_no_shape_take_any(provider: str, key: str) -> None:
    require_inference_key(provider, key)


def test_the_bare_sk_prefix_is_nobodys() -> None:
    for provider in PROVIDERS:
        require_inference_key(provider, f"sk-{SECRET}")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "empty"),
        (f"sk-{SECRET} ", "space or a line break"),
        (f" sk-{SECRET}", "space or a line break"),
        (f"sk-{SECRET}\n", "space or a line break"),
        (f"sk-{SECRET}\r\nX-Injected: 1", "space or a line break"),
        (f"sk-\t{SECRET}", "space or a line break"),
        (f"sk-{SECRET}\u00a0", "space or a line break"),
        (f"sk-{SECRET}\u2028", "space or a line break"),
        (f"sk-{SECRET}\x00", "not printable ASCII"),
        (f"sk-{SECRET}\x7f", "not printable ASCII"),
        (f"sk-{SECRET}\x1b[31m", "not printable ASCII"),
        (f"sk-{SECRET}é", "not printable ASCII"),
        (f"sk\u2011{SECRET}", "not printable ASCII"),
        (f"sk-{SECRET}\u200b", "not printable ASCII"),
        (f"sk-{SECRET}\ud800", "not printable ASCII"),
        ("k" * (MAX_KEY_LENGTH + 1), "longer than"),
    ],
)
def test_text_that_no_header_could_carry_is_refused_without_repeating_it(key: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason) as refusal:
        require_inference_key("openai", key)

    assert SECRET not in f"{refusal.value.message} {refusal.value.next_step}"
    assert refusal.value.param == "key"


@given(key=st.text(max_size=40))
def test_what_is_accepted_can_always_be_a_header_value(key: str) -> None:
    try:
        require_inference_key("vllm", key)
    except InvalidRequestError:
        return

    assert key.encode("ascii").isascii()
    assert key == key.strip()
    assert key.isprintable()


def test_a_key_of_the_greatest_length_is_accepted() -> None:
    require_inference_key("vllm", "k" * MAX_KEY_LENGTH)


ACCESS_KEY = '{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}'


@pytest.mark.parametrize("key", [ACCESS_KEY, ACCESS_KEY.replace(",", ",\n  "), "ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY3ODkw"])
def test_an_access_key_of_aws_or_a_bearer_key_is_taken(key: str) -> None:
    require_inference_key("bedrock", key)


@pytest.mark.parametrize("key", ["{}", '{"access_key_id":"AKIAIOSFODNN7EXAMPLE"}', "{" + "x" * 20_000, ACCESS_KEY[:-2]])
def test_another_document_is_refused_without_its_content(key: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        require_inference_key("bedrock", key)
    assert "wJalr" not in raised.value.message


def test_of_an_access_key_its_id_is_shown() -> None:
    assert mask("bedrock", ACCESS_KEY) == "AKIA…MPLE"
    assert mask("bedrock", "ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY3ODkw") == "ABSK…ODkw"
