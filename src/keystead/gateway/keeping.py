"""Decide about what is stored at providers: with whom it lies, whether it may be reached, what its lines may do."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from keystead.dialects.id_words import id_words
from keystead.domain.access import VirtualKey
from keystead.domain.errors import InvalidRequestError, KeysteadError, NotFoundError
from keystead.domain.means import RateLimit
from keystead.domain.stored import BROUGHT, ObjectKind, Reference, StoredObject, Workload
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.batch_lines import LONGEST_LINE, Line, Weighing, anthropic_lines, at_line, openai_lines
from keystead.gateway.holdings import Holdings
from keystead.gateway.means import Means
from keystead.gateway.pace import check_length
from keystead.gateway.plan import Considered, Plan, Question, Step, plan_for
from keystead.gateway.plan_state import (
    keepers,
    plan_follow_up,
    plan_keeping,
    plan_lines,
    plan_upload,
    plan_with_own,
    plan_workload,
)
from keystead.gateway.upload_address import digest, query_of
from keystead.routing.resolve import Candidate

_LINES_AT_ONCE: Final = 32
"""Lines that are read while every other request waits: some two milliseconds."""


class Keeping:
    """Decides about requests that concern stored objects."""

    def __init__(self, holdings: Holdings) -> None:
        """Ask `holdings` where things lie."""
        self._holdings = holdings

    async def plan(self, question: Question, ask: Ask, means: Means) -> tuple[Ask, Plan]:
        """Return what may be tried, and the request with what was read of its lines.

        Raises:
            KeysteadError: it may not be made, or concerns what is not the caller's.
        """
        if ask.endpoint is Endpoint.PASSTHROUGH:
            is_form = ask.json is None
            await self._holdings.refuse_others(question.caller.key, id_words(ask.tail, ask.body, is_form=is_form))
            return ask, plan_for(question)
        held = await self._holdings.find(question.caller.key, ask.stored)
        if ask.action == "create" and ask.endpoint is Endpoint.BATCHES:
            return await self._batch(question, ask, means, held)
        if ask.upload is not None and ask.upload.fields.get("purpose") == "batch":
            return await self._batch_file(question, ask, means)
        if ask.action == "upload":
            ask = msgspec.structs.replace(ask, query=query_of(held[0]))
        brought = _brought(ask.stored, held)
        if held:
            if ask.action == "delete":
                await self._holdings.check_removable(held[0])
            plan = plan_follow_up(question, credential_id=_one_holder(held))
            if brought is not None and plan.groups[0][0].is_platform:
                raise brought.not_found()
            return ask, plan
        if ask.action and ask.endpoint is not Endpoint.CACHED_CONTENTS:
            return ask, plan_keeping(question, named=ask.named_credential)
        return ask, plan_for(question) if brought is None else plan_with_own(question, brought)

    async def has_begun(self, key: VirtualKey, address: str) -> bool:
        """Say whether there is an upload of that address, begun by that key's principal."""
        try:
            await self._holdings.find(key, [Reference(ObjectKind.GEMINI_UPLOAD, digest(address))])
        except NotFoundError:
            return False
        return True

    async def _batch_file(self, question: Question, ask: Ask, means: Means) -> tuple[Ask, Plan]:
        assert ask.upload is not None, "a file is uploaded"
        lines = openai_lines(ask.upload.lines(LONGEST_LINE), at=ask.started_at)
        candidates = keepers(question, ask.named_credential)
        weighing, considered, step = await self._weighed(question, lines, candidates, means)
        return msgspec.structs.replace(ask, workload=weighing.workload()), plan_upload(question, considered, step)

    async def _batch(
        self, question: Question, ask: Ask, means: Means, held: Sequence[StoredObject]
    ) -> tuple[Ask, Plan]:
        if ask.dialect is Dialect.ANTHROPIC:
            assert ask.json is not None, "a batch has a body"
            lines = anthropic_lines(ask.json, at=ask.started_at)
            candidates = keepers(question, ask.named_credential)
            weighing, considered, step = await self._weighed(question, lines, candidates, means)
            workload = weighing.workload()
        else:
            file = held[0] if held else None
            if file is None or file.workload is None:
                raise InvalidRequestError(
                    "The input file is not one that was uploaded here for a batch.",
                    code="not_a_batch_file",
                    param="input_file_id",
                    next_step="Upload it with the purpose `batch`.",
                )
            workload = file.workload
            # What holds the file is judged anew: a grant may have ended since it was uploaded.
            candidates = [each for each in keepers(question, "") if each.credential.id == _one_holder(held)]
            if not candidates:
                plan_follow_up(question, credential_id=_one_holder(held))  # says what is wrong with the holder
            considered, step = plan_lines(question, candidates, _about(question, workload))
        seen = msgspec.structs.replace(ask, model=workload.model, workload=workload)
        return seen, plan_workload(question, considered, step, workload)

    async def _weighed(
        self, question: Question, lines: Iterable[Line], candidates: Sequence[Candidate], means: Means
    ) -> tuple[Weighing, Considered, Step]:
        """Decide about every line, and add up what they are to do."""
        caller = question.caller
        chosen: tuple[Considered, Step] | None = None
        on: Step | None = None
        limits: Sequence[RateLimit] = ()
        weighing = Weighing(lambda line: means.ceiling(_weighable(on), line))
        for line in lines:
            try:
                if chosen is None:
                    chosen = plan_lines(question, candidates, _about(question, line))
                    on = chosen[1]
                    limits = caller.rules.rates.concerning(caller.spender, on.credential.id, line.model)
                check_length(caller, limits, line)
            except KeysteadError as error:
                raise at_line(line.number, error) from None
            weighing.add(line)
            if line.number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
        weighing.workload()  # there was a line
        assert chosen is not None, "as just seen"
        named = await self._holdings.find(caller.key, list(weighing.references))
        brought = _brought(weighing.references, named)
        if brought is not None and chosen[1].is_platform:
            raise brought.not_found()
        if any(each.credential_id != chosen[1].credential.id for each in named):
            raise _apart()
        return weighing, *chosen


def _weighable(step: Step | None) -> Step:
    assert step is not None, "a line is weighed once its credential is chosen"
    return step


def _about(question: Question, of: Line | Workload) -> Question:
    """Return the question about one line, as if it were sent by itself."""
    facts = msgspec.structs.replace(question.facts, model=of.model, endpoint=of.endpoint)
    return msgspec.structs.replace(question, endpoint=of.endpoint, model=of.model, facts=facts)


def _brought(named: Iterable[Reference], held: Sequence[StoredObject]) -> Reference | None:
    """Return something that is named and that nobody here is bound to; None if all is."""
    bound = {Reference(each.kind, each.upstream_id) for each in held}
    return next((each for each in named if each.kind in BROUGHT and each not in bound), None)


def _one_holder(held: Sequence[StoredObject]) -> str:
    if len({each.credential_id for each in held}) != 1:
        raise _apart()
    return held[0].credential_id


def _apart() -> InvalidRequestError:
    return InvalidRequestError(
        "What the request names is held by several credentials, and no provider sees more than its own.",
        code="holders_apart",
        next_step="Keep what belongs together with one credential: name it with `x-keystead-credential`.",
    )
