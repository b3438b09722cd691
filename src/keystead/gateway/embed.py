"""Embedding calls in another dialect, or in a form that models have of their own. Pure."""

from typing import Final

import msgspec

from keystead.dialects.embeddings import ASKERS, EMBEDDERS, MOST_CALLS, Asker, Embedder, Part, slices
from keystead.dialects.translating import UnreadableError, Written
from keystead.domain.chat import Loss
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingRequest
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Endpoint
from keystead.domain.usage import Usage
from keystead.gateway.ask import Ask
from keystead.gateway.plain_call import PlainCall
from keystead.gateway.plan import Step
from keystead.gateway.translate import not_said, unreadable
from keystead.gateway.translation import garbled
from keystead.providers.row import Provider

_PARTS: Final = msgspec.json.Decoder(list[Part])


class EmbeddingTranslation(PlainCall):
    """An embedding call in another dialect."""

    def __init__(self, ask: Ask, request: EmbeddingRequest, written: Written, spoken: Embedder) -> None:
        """Take what `embedding` has put together."""
        super().__init__(body=written.body, tail=spoken.tail(request), losses=(*request.losses, *written.losses))
        self._back = _Back(ask, request)
        self._spoken = spoken

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return the vectors in the caller's dialect."""
        try:
            return self._back.written(self._spoken.read_answer(body), usage)
        except UnreadableError as error:
            raise unreadable(error) from error


class SeriesTranslation(PlainCall):
    """An embedding call in a form of its own, as many times as its texts need (see `gateway.series`)."""

    def __init__(self, ask: Ask, request: EmbeddingRequest, calls: list[Written], asker: Asker) -> None:
        """Take what `embedding` has put together."""
        losses = (*request.losses, *(loss for call in calls for loss in call.losses))
        super().__init__(body=calls[0].body, tail=asker.tail, losses=losses)
        self.further = tuple(call.body for call in calls[1:])
        """The bodies of the calls after the first."""
        self._back = _Back(ask, request)
        self._asker = asker

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return the vectors of all answers in the caller's dialect."""
        try:
            answers = [self._asker.read_answer(bytes(part.answer)) for part in _PARTS.decode(body)]
            vectors = tuple(vector for answer in answers for vector in answer.vectors)
            return self._back.written(EmbeddingAnswer(vectors=vectors), usage)
        except UnreadableError as error:
            raise unreadable(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(UnreadableError("embeddings")) from error


class _Back:
    """The way back into the caller's dialect."""

    def __init__(self, ask: Ask, request: EmbeddingRequest) -> None:
        self._ask = ask
        self._request = request

    def written(self, answer: EmbeddingAnswer, usage: Usage | None) -> bytes:
        if len(answer.vectors) != len(self._request.inputs):
            raise garbled(
                "The provider's answer has another number of vectors than was asked for.", "unreadable_answer"
            )
        return EMBEDDERS[self._ask.dialect].write_answer(self._request, answer, self._ask.model, usage)


def has_own_form(ask: Ask, step: Step) -> bool:
    """Say whether a step embeds in a form that its caller does not speak: InvokeModel's callers speak their model's."""
    is_asked = ask.endpoint is Endpoint.EMBEDDINGS and ask.dialect in EMBEDDERS
    return is_asked and step.provider.embedding_form is not None


def embedding(ask: Ask, step: Step, *, drop: bool) -> EmbeddingTranslation | SeriesTranslation:
    """Put an embedding call into the words of the step's provider.

    Raises:
        InvalidRequestError: it is not valid, says what cannot be said there, or holds too many texts for it.
    """
    request = EMBEDDERS[ask.dialect].read_request(ask.body, step.model)
    form = step.provider.embedding_form
    if form is None:
        spoken = EMBEDDERS[step.wire[0]]
        written = spoken.write_request(request)
        _check(step.provider, (*request.losses, *written.losses), drop=drop)
        return EmbeddingTranslation(ask, request, written, spoken)
    asker = ASKERS[form]
    most = asker.most(step.model)
    if len(request.inputs) > most * MOST_CALLS:
        raise _too_many(step, most)
    calls = [asker.write_request(part) for part in slices(request, most)]
    _check(step.provider, (*request.losses, *(loss for call in calls for loss in call.losses)), drop=drop)
    return SeriesTranslation(ask, request, calls, asker)


def _check(provider: Provider, losses: tuple[Loss, ...], *, drop: bool) -> None:
    if not drop and (grave := [loss for loss in losses if loss.grave]):
        raise not_said(list(dict.fromkeys(grave)), provider)


def _too_many(step: Step, most: int) -> InvalidRequestError:
    texts = "one text" if most == 1 else f"{most} texts"
    return InvalidRequestError(
        f"{step.model!r} at {step.provider.title} takes {texts} a call, and at most {MOST_CALLS} calls are made for one "
        "request.",
        code="too_many_texts",
        param="input",
        next_step=f"Send at most {most * MOST_CALLS} texts in one request (LangChain: chunk_size={most * MOST_CALLS}).",
    )
