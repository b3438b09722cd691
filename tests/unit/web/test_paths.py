import pytest

from keystead.domain.traffic import Dialect, Endpoint
from keystead.web.paths import match, split_root


def endpoint(method: str, path: str, dialect: Dialect = Dialect.OPENAI) -> tuple[Dialect, Endpoint] | None:
    operation = match(method, path, models_dialect=dialect)
    return (operation.dialect, operation.endpoint) if operation else None


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/chat/completions", (Dialect.OPENAI, Endpoint.CHAT)),
        ("POST", "/v1/responses", (Dialect.OPENAI, Endpoint.RESPONSES)),
        ("GET", "/v1/responses/resp_1", (Dialect.OPENAI, Endpoint.RESPONSE_STATE)),
        ("POST", "/v1/responses/resp_1/cancel", (Dialect.OPENAI, Endpoint.RESPONSE_STATE)),
        ("DELETE", "/v1/responses/resp_1", (Dialect.OPENAI, Endpoint.RESPONSE_STATE)),
        ("POST", "/v1/messages", (Dialect.ANTHROPIC, Endpoint.MESSAGES)),
        ("POST", "/v1/messages/count_tokens", (Dialect.ANTHROPIC, Endpoint.COUNT_TOKENS)),
        ("POST", "/v1beta/models/gemini-3-pro:generateContent", (Dialect.GEMINI, Endpoint.GENERATE)),
        ("POST", "/v1/models/gemini-3-pro:generateContent", (Dialect.GEMINI, Endpoint.GENERATE)),
        ("POST", "/model/us.amazon.nova-lite-v1%3A0/converse", (Dialect.BEDROCK, Endpoint.CONVERSE)),
        ("POST", "/model/us.amazon.nova-lite-v1:0/converse-stream", (Dialect.BEDROCK, Endpoint.CONVERSE)),
        ("POST", "/model/us.anthropic.claude-x-v1%3A0/invoke", (Dialect.BEDROCK, Endpoint.MESSAGES)),
        (
            "POST",
            "/model/us.anthropic.claude-x-v1%3A0/invoke-with-response-stream",
            (Dialect.BEDROCK, Endpoint.MESSAGES),
        ),
        ("POST", "/model/amazon.titan-embed-text-v2%3A0/invoke", (Dialect.BEDROCK, Endpoint.EMBEDDINGS)),
        ("POST", "/model/aws%2Famazon.titan-embed-text-v2%3A0/invoke", (Dialect.BEDROCK, Endpoint.EMBEDDINGS)),
        ("POST", "/model/aws%2Fglobal.cohere.embed-v4%3A0/invoke", (Dialect.BEDROCK, Endpoint.EMBEDDINGS)),
        ("POST", "/model/cohere.command-r-v1%3A0/invoke", (Dialect.BEDROCK, Endpoint.MESSAGES)),
        ("POST", "/model/cohere.embed-v4%3A0/invoke-with-response-stream", (Dialect.BEDROCK, Endpoint.MESSAGES)),
        ("POST", "/model/cohere.embed-v4%3A0/converse", (Dialect.BEDROCK, Endpoint.CONVERSE)),
        ("POST", "/v1beta/models/sandbox/echo:countTokens", (Dialect.GEMINI, Endpoint.COUNT_TOKENS)),
        ("POST", "/v1beta/models/e:batchEmbedContents", (Dialect.GEMINI, Endpoint.EMBEDDINGS)),
        ("POST", "/v1/rerank", (Dialect.OPENAI, Endpoint.RERANK)),
        ("POST", "/v2/rerank", (Dialect.OPENAI, Endpoint.RERANK)),
        ("GET", "/v1beta/models", (Dialect.GEMINI, Endpoint.MODELS)),
        ("GET", "/v1/models", (Dialect.OPENAI, Endpoint.MODELS)),
        ("GET", "/v1/models/gpt-5", (Dialect.OPENAI, Endpoint.MODELS)),
    ],
)
def test_each_path_has_its_meaning(method: str, path: str, expected: tuple[Dialect, Endpoint]) -> None:
    assert endpoint(method, path) == expected


def test_the_models_path_belongs_to_whom_the_headers_say() -> None:
    assert endpoint("GET", "/v1/models", Dialect.ANTHROPIC) == (Dialect.ANTHROPIC, Endpoint.MODELS)


def test_the_streaming_verb_streams() -> None:
    operation = match("POST", "/v1beta/models/m:streamGenerateContent", models_dialect=Dialect.OPENAI)
    assert operation is not None
    assert operation.stream
    assert operation.model == "m"


def test_a_models_slash_may_be_written_as_the_sdks_do_and_nothing_else_is_decoded() -> None:
    operation = match("GET", "/v1/models/openrouter%2Fauto", models_dialect=Dialect.OPENAI)
    assert operation is not None
    assert operation.model == "openrouter/auto"
    assert match("GET", "/v1/models/a%252Fb", models_dialect=Dialect.OPENAI) is None
    assert match("GET", "/v1/models/a%00b", models_dialect=Dialect.OPENAI) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("HEAD", "/v1/models"),
        ("OPTIONS", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/responses/%2e%2e/cancel"),
        ("POST", "/v1/responses/a/b/cancel"),
        ("GET", "/v1/responses/../models"),
        ("POST", "/v1beta/models/m:deleteContent"),
        ("POST", "/v1beta/models/m%2f..:generateContent"),
        ("POST", "/v1beta/models/m:generateContent:generateContent/x"),
        ("POST", "/v1/proxy/https://evil.example"),
        ("GET", "/admin/v1/credentials"),
        ("GET", "/"),
    ],
)
def test_anything_else_is_not_there(method: str, path: str) -> None:
    assert match(method, path, models_dialect=Dialect.OPENAI) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/anthropic/v1/messages", (Dialect.ANTHROPIC, "/v1/messages")),
        ("/openai/v1/models", (Dialect.OPENAI, "/v1/models")),
        ("/gemini/v1beta/models", (Dialect.GEMINI, "/v1beta/models")),
        ("/openaiv1/models", (None, "/openaiv1/models")),
        ("/v1/models", (None, "/v1/models")),
    ],
)
def test_a_root_names_its_dialect(path: str, expected: tuple[Dialect | None, str]) -> None:
    assert split_root(path) == expected


def test_ids_and_arns_of_bedrock_are_decoded_and_the_verb_says_whether_to_stream() -> None:
    arn = "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-lite-v1%3A0"
    operation = match("POST", f"/model/{arn}/converse-stream", models_dialect=Dialect.OPENAI)
    assert operation is not None
    assert operation.model == "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
    assert operation.stream
    for verb, stream in (("converse", False), ("invoke", False), ("invoke-with-response-stream", True)):
        other = match("POST", f"/model/{arn}/{verb}", models_dialect=Dialect.OPENAI)
        assert other is not None
        assert other.stream is stream


@pytest.mark.parametrize(
    "path", ["/model/%2e%2e/converse", "/model/a%00/converse", "/model//converse-x", "/model/a%253A/converse"]
)
def test_other_encodings_in_a_path_of_bedrock_are_not_found(path: str) -> None:
    assert match("POST", path, models_dialect=Dialect.OPENAI) is None
