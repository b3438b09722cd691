import msgspec
import pytest

from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.routing.resolve import Candidate, is_within, resolve

OPENAI_MODELS = ("gpt-*", "ft:gpt-*")


def candidate(
    name: str, provider: str, *, models: tuple[str, ...] | None = None, makes: tuple[str, ...] = ()
) -> Candidate:
    return Candidate(
        credential=Credential(
            id=CredentialId(f"crd_{name}"),
            organization_id=OrganizationId("org_1"),
            name=name,
            provider=provider,
            origin="https://api.example",
            settings={},
            owner=Owner.SANDBOX if provider == "sandbox" else Owner.OWN,
            region="",
            models=models,
            on_disconnect=OnDisconnect.DRAIN,
            active=SealedVersion(version=1, state=VersionState.ACTIVE, sealed=b""),
        ),
        makes=makes,
    )


SANDBOX = candidate("sandbox", "sandbox")
MAIN = candidate("main", "openai", makes=OPENAI_MODELS)
RESEARCH = candidate("research", "openai", makes=OPENAI_MODELS)
ROUTER = candidate("router", "openrouter")
LOCAL = candidate("local", "vllm", models=("llama-*",))


def chosen(asked: str, *candidates: Candidate, preferred: bool = False) -> tuple[str, str, str]:
    choice = resolve(asked, candidates, preferred=preferred)
    return choice.credential.name, choice.model, choice.rule


def test_a_credential_is_named_by_its_name() -> None:
    assert chosen("research/gpt-5", MAIN, RESEARCH) == ("research", "gpt-5", "credential_name")


def test_a_provider_is_named_when_one_credential_of_it_is_there() -> None:
    assert chosen("openai/gpt-5", MAIN, ROUTER) == ("main", "gpt-5", "provider_name")


def test_a_models_own_slash_is_kept_behind_its_provider() -> None:
    assert chosen("openrouter/openai/gpt-5", MAIN, ROUTER) == ("router", "openai/gpt-5", "provider_name")


def test_a_slash_that_names_nothing_belongs_to_the_model() -> None:
    assert chosen("meta-llama/Llama-4", ROUTER) == ("router", "meta-llama/Llama-4", "only_credential")


def test_a_makers_own_name_in_front_belongs_to_the_model() -> None:
    groq = candidate("groq", "groq", makes=("groq/compound*",))
    assert chosen("groq/compound-mini", groq, MAIN) == ("groq", "groq/compound-mini", "maker_of_model")
    assert chosen("groq/llama-3.3", groq, MAIN) == ("groq", "llama-3.3", "credential_name")


def test_a_bare_model_goes_to_its_maker() -> None:
    assert chosen("gpt-5", MAIN, ROUTER) == ("main", "gpt-5", "maker_of_model")


def test_a_bare_model_goes_to_the_credential_that_lists_it() -> None:
    assert chosen("llama-4", MAIN, LOCAL) == ("local", "llama-4", "listed_model")


def test_a_model_released_this_morning_goes_to_the_only_credential() -> None:
    assert chosen("brand-new-1", MAIN, SANDBOX) == ("main", "brand-new-1", "only_credential")


def test_a_model_that_nobody_knows_goes_to_the_only_one_that_speaks_the_callers_dialect() -> None:
    foreign = msgspec.structs.replace(candidate("claude", "anthropic"), native=False)
    assert chosen("released-today", candidate("main", "openai"), foreign)[0] == "main"


def test_a_bare_model_goes_to_its_maker_translated() -> None:
    foreign = msgspec.structs.replace(candidate("claude", "anthropic", makes=("claude-*",)), native=False)
    assert chosen("claude-opus-5", candidate("main", "openai", makes=("gpt-*",)), foreign)[0] == "claude"


def test_of_several_that_list_a_model_those_that_speak_the_callers_dialect_come_first() -> None:
    foreign = msgspec.structs.replace(candidate("far", "anthropic", models=("m",)), native=False)
    assert chosen("m", foreign, candidate("near", "openai", models=("m",)))[0] == "near"


def test_the_sandbox_answers_only_by_its_name() -> None:
    assert chosen("sandbox/echo", SANDBOX, MAIN) == ("sandbox", "echo", "credential_name")
    with pytest.raises(NotFoundError):
        chosen("gpt-5", SANDBOX)


def test_several_credentials_for_a_bare_model_are_an_error_that_names_them() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        chosen("gpt-5", MAIN, RESEARCH)
    assert caught.value.code == "model_ambiguous"
    assert "main" in caught.value.message
    assert "research" in caught.value.message
    assert "main/gpt-5" in caught.value.next_step


def test_a_key_narrowed_to_credentials_decides_by_its_order() -> None:
    assert chosen("gpt-5", RESEARCH, MAIN, preferred=True)[0] == "research"


def test_a_credential_limited_to_other_models_does_not_serve() -> None:
    with pytest.raises(NotFoundError) as caught:
        chosen("local/qwen-3", LOCAL)
    assert caught.value.code == "model_not_found"


def test_no_usable_credential_says_how_to_add_one() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve("gpt-5", [], preferred=False)
    assert caught.value.code == "no_credential"
    assert "credential add" in caught.value.next_step


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [("gpt-5*", True), ("openai/*", True), ("main/gpt-5", True), ("gpt-4*", False), ("anthropic/*", False)],
)
def test_a_virtual_key_narrows_models_by_any_of_their_names(pattern: str, allowed: bool) -> None:
    model = "gpt-5" if pattern == "main/gpt-5" else "gpt-5-mini"
    assert is_within("gpt-5-mini", MAIN.credential, model, (pattern,)) is allowed
