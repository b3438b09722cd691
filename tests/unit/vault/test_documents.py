"""Keys that are documents, and what stands where there is no key."""

import pytest

from keystead.domain.errors import InvalidRequestError
from keystead.vault.recognise import MAX_DOCUMENT_LENGTH, mask, require_inference_key
from tests.fakes.tokens import EMAIL, rsa_key, service_account


def test_a_service_accounts_key_is_taken_as_google_made_it() -> None:
    require_inference_key("vertex", service_account())


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("AIzaSy0123456789abcdef", "not a JSON document"),
        ("[]", "A member is missing"),
        ('{"type":"service_account"}', "A member is missing"),
        (service_account(type="external_account"), "not a service account's key"),
        (service_account(private_key=None), "A member is missing"),
        (service_account(private_key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "not an RSA"),
        (service_account(client_email="a b@c"), "malformed"),
        (service_account(private_key_id="x\ny"), "malformed"),
        (service_account(bits=1024), "at least 2048 bits"),
        (service_account(note="x" * MAX_DOCUMENT_LENGTH), "at most"),
        ('{"type":"é"}', "ASCII"),
    ],
)
def test_what_is_none_is_refused_without_a_word_of_it(key: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told) as caught:
        require_inference_key("vertex", key)
    assert "BEGIN" not in f"{caught.value.message}{caught.value.__cause__}{caught.value.__context__}"


def test_its_account_is_shown_and_nothing_of_the_key() -> None:
    assert mask("vertex", service_account()) == f"{EMAIL} 01234567…"


def test_a_public_key_signs_nothing() -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = rsa_key(2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(InvalidRequestError):
        require_inference_key("vertex", service_account(private_key=pem))


def test_the_word_for_the_gateways_own_identity_is_shown_as_it_is() -> None:
    require_inference_key("vertex", "workload")
    assert mask("vertex", "workload") == "workload"
    assert mask("azure", "workload") == "workload"
