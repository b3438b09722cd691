"""Embedding models of clouds: Titan and Cohere at Bedrock, Google's at Vertex AI. Each takes what it takes and no more.

Written after the vendors' references. A text's vector is its length and its number in the call; a token is a word.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from tests.fakes.wire import Answer, Call

_COUNT: Final = "x-amzn-bedrock-input-token-count"


def answer_to(call: Call) -> Answer:
    """Answer as the model does whose path is called; refuse what its reference does not know."""
    model = next((model for mark, model in _MODELS.items() if mark in call.path), None)
    return _refused("No such model.") if model is None else model(json.loads(call.body), call)


def _tokens(text: str) -> int:
    return len(text.split())


def _vector(text: str, number: int, length: int) -> list[float]:
    return [float(len(text)), number + 0.5, *([0.25] * (length - 2))]


def _titan(body: dict[str, Any], _call: Call) -> Answer:
    if not set(body) <= {"inputText", "dimensions", "normalize", "embeddingTypes"} or not body.get("inputText"):
        return _refused("Malformed input request, please reformat your input and try again.")
    if (length := body.get("dimensions", 1024)) not in {256, 512, 1024}:
        return _refused("dimensions must be 256, 512 or 1024")
    vector = _vector(body["inputText"], 0, length)
    return _answer(
        {"embedding": vector, "inputTextTokenCount": _tokens(body["inputText"]), "embeddingsByType": {"float": vector}}
    )


def _cohere(body: dict[str, Any], call: Call) -> Answer:
    known = {"texts", "input_type", "truncate", "embedding_types"}
    if "embed-v4" in call.path:
        known |= {"output_dimension", "max_tokens", "images", "inputs"}
    kinds = {"search_document", "search_query", "classification", "clustering"}
    if not set(body) <= known or body.get("input_type") not in kinds or not 0 < len(body.get("texts", [])) <= 96:
        return _refused("Malformed input request, please reformat your input and try again.")
    length = body.get("output_dimension", 1536)
    floats = [_vector(text, number, length) for number, text in enumerate(body["texts"])]
    by_type = "embedding_types" in body
    said = {
        "id": "a1b2",
        "texts": body["texts"],
        "embeddings": {"float": floats} if by_type else floats,
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
    }
    return _answer(said, (_COUNT, str(sum(map(_tokens, body["texts"])))))


def _predict(body: dict[str, Any], call: Call) -> Answer:
    instances = body.get("instances", [])
    parameters = body.get("parameters", {})
    known = set(body) <= {"instances", "parameters"} and set(parameters) <= {"autoTruncate", "outputDimensionality"}
    if not known or not all(set(each) <= {"content", "task_type", "title"} for each in instances):
        return _refused("Invalid JSON payload received. Unknown name.")
    if not 0 < len(instances) <= (1 if "gemini-embedding-001" in call.path else 250):
        return _refused("Too many instances.")
    length = parameters.get("outputDimensionality", 768)
    predictions = [
        {
            "embeddings": {
                "values": _vector(each["content"], number, length),
                "statistics": {"truncated": False, "token_count": _tokens(each["content"])},
            }
        }
        for number, each in enumerate(instances)
    ]
    said: dict[str, Any] = {"predictions": predictions}
    if "gemini" not in call.path:
        said["metadata"] = {"billableCharacterCount": sum(len(each["content"].replace(" ", "")) for each in instances)}
    return _answer(said, indent=2)


_MODELS: Final[dict[str, Callable[[dict[str, Any], Call], Answer]]] = {
    "/model/amazon.titan-embed-text-v2": _titan,
    "cohere.embed-": _cohere,
    ":predict": _predict,
}


def _answer(body: Any, *headers: tuple[str, str], indent: int | None = None) -> Answer:
    return Answer(
        headers=(("content-type", "application/json"), *headers), steps=(json.dumps(body, indent=indent).encode(),)
    )


def _refused(message: str, status: int = 400) -> Answer:
    headers = (("content-type", "application/json"), ("x-amzn-errortype", "ValidationException"))
    return Answer(status=status, headers=headers, steps=(json.dumps({"message": message}).encode(),))
