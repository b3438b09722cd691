"""Google's streams, read: each event is a response with what is new. Pure."""

from collections.abc import Iterator, Sequence

from keystead.dialects.gemini_generate.answer_in import (
    AnswerPart,
    Candidate,
    Response,
    arguments_of,
    blocked,
    finish_of,
    read_response,
    sealed_of,
)
from keystead.dialects.sse import data_of
from keystead.dialects.translating import bounded
from keystead.domain.chat import (
    Citation,
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    TextSealed,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)


class GeminiStreamReader:
    """A `StreamReader`."""

    def __init__(self) -> None:
        self._started = False
        self._calls: dict[int, int] = {}
        """How many each candidate has made."""
        self._made = 0
        self._candidates: set[int] = set()

    def feed(self, event: bytes) -> Sequence[Event]:
        """See `StreamReader.feed`."""
        data = data_of(event)
        return list(self._events(read_response(data))) if data.strip() else []

    def end(self) -> Sequence[Event]:
        """See `StreamReader.end`."""
        return []

    def _events(self, response: Response) -> Iterator[Event]:
        if response.error is not None:
            yield Failed(
                message=response.error.message or response.error.status,
                overloaded=response.error.status == "UNAVAILABLE",
            )
            return
        if not self._started:
            self._started = True
            yield Started(id=response.response_id, model=response.model_version)
        for candidate in response.candidates or ():
            yield from self._candidate(candidate)
        if not response.candidates and response.prompt_feedback is not None and response.prompt_feedback.block_reason:
            yield RefusalDelta(text=blocked(response.prompt_feedback.block_reason))
            yield Finished(finish=Finish.REFUSED)

    def _candidate(self, candidate: Candidate) -> Iterator[Event]:
        choice = candidate.index
        self._candidates.add(choice)
        bounded(len(self._candidates))
        for part in (candidate.content.parts if candidate.content else None) or ():
            yield from self._part(part, choice)
        if candidate.citation_metadata is not None:
            metadata = candidate.citation_metadata
            for source in (*metadata.citations, *metadata.citation_sources):
                yield Cited(citation=Citation(url=source.uri, title=source.title), choice=choice)
        if candidate.finish_reason:
            called = self._calls.get(choice, 0) > 0
            yield Finished(finish=finish_of(candidate.finish_reason, called=called), choice=choice)

    def _part(self, part: AnswerPart, choice: int) -> Iterator[Event]:
        sealed = sealed_of(part)
        if part.function_call is not None:
            number = self._calls.get(choice, 0)
            self._calls[choice] = number + 1
            self._made += 1
            bounded(self._made)
            call = part.function_call
            yield ToolCallStarted(call=number, id=call.id, name=call.name, sealed=sealed, choice=choice)
            yield ToolArgumentsDelta(call=number, json=arguments_of(call), choice=choice)
        elif part.thought:
            if part.text:
                yield ThinkingDelta(text=part.text, choice=choice)
            if sealed is not None:
                yield ThinkingSealed(sealed=sealed, choice=choice)
        else:
            if part.text:
                yield TextDelta(text=part.text, choice=choice)
            if sealed is not None:
                yield TextSealed(sealed=sealed, choice=choice)
