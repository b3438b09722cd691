"""From the body of a request to what routing needs of it. Pure."""

from typing import Final

import msgspec

from keystead.dialects.body import check_model, id_member, read_json
from keystead.dialects.gemini_files import check_start
from keystead.dialects.multipart import read_fields
from keystead.dialects.named_models import named_models
from keystead.dialects.references import references_in
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import MODEL_IN_PATH, Endpoint
from keystead.gateway.ask import Ask
from keystead.web.paths import Operation

_NEEDS_MODEL: Final = frozenset(
    {Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES, Endpoint.EMBEDDINGS, Endpoint.RERANK}
)
_CONTINUING: Final = frozenset({Endpoint.RESPONSES, Endpoint.COUNT_TOKENS})


def with_body(bare: Ask, operation: Operation, body: bytes) -> Ask:
    """Add the body, and read from it what routing needs.

    Raises:
        InvalidRequestError: malformed, or the model is missing.
    """
    if operation.body == "passed":
        return _with_passed(bare, operation, body)
    if operation.body == "multipart" and bare.headers.get(b"content-type", b"").startswith(b"multipart/"):
        fields = read_fields(body, bare.headers[b"content-type"], ("model", "stream"))
        model = fields.get("model", "")
        return msgspec.structs.replace(
            bare, body=body, model=check_model(model) if model else "", stream=fields.get("stream") == "true"
        )
    read = read_json(body)
    if bare.headers.get(b"content-type") != b"application/json":
        # Read as JSON here, so told as JSON there: as a form, a provider might find another model in the same bytes.
        bare = msgspec.structs.replace(bare, headers={**bare.headers, b"content-type": b"application/json"})
    if operation.body == "pieces":
        check_start(read)
    references = references_in(read, operation.dialect, operation.endpoint)
    if operation.dialect in MODEL_IN_PATH:
        model = (read.model or "").removeprefix("models/") if operation.action == "create" else bare.model
        return msgspec.structs.replace(bare, body=body, json=read, model=model, references=references)
    if read.model is None and operation.endpoint in _NEEDS_MODEL:
        raise InvalidRequestError("`model` is missing.", code="missing_model", param="model")
    object_id = bare.object_id
    if operation.endpoint in _CONTINUING:
        object_id = id_member(read, "previous_response_id")
    return msgspec.structs.replace(
        bare,
        body=body,
        json=read,
        model=read.model or "",
        stream=read.stream,
        object_id=object_id,
        references=references,
    )


def _with_passed(bare: Ask, operation: Operation, body: bytes) -> Ask:
    """Add the body of a pass-through, and take the model from it where the path names none.

    Raises:
        InvalidRequestError: malformed, of no kind that can be looked into, or with another model than the path's.
    """
    if not body:
        return bare
    kind = bare.headers.get(b"content-type", b"application/json")
    read, models = None, frozenset[str]()
    if kind.startswith(b"multipart/"):
        if named := read_fields(body, kind, ("model",)).get("model"):
            models = frozenset({named})
    elif kind.partition(b";")[0].strip() == b"application/json":
        read = read_json(body)
        models = named_models(body)
        bare = msgspec.structs.replace(bare, headers={**bare.headers, b"content-type": b"application/json"})
    else:
        raise InvalidRequestError("The body must be JSON or a form.", code="unsupported_body", status=415)
    if len(models) > 1:
        raise InvalidRequestError(
            "The body names several models, and one can be allowed at a time.", code="several_models", param="model"
        )
    bare = msgspec.structs.replace(bare, body=body, json=read)
    if not models:
        return bare
    model = f"{operation.named}/{next(iter(models))}"
    if not operation.template and bare.model != model:
        raise InvalidRequestError("The body names another model than the path.", param="model")
    return msgspec.structs.replace(bare, model=check_model(model), template=operation.template)
