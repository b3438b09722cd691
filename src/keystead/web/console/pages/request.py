"""One request whole: its attempts as a picture, what decided, what it used, at what price, and what was promised."""

from typing import Any, Final

from keystead.domain.errors import NotFoundError
from keystead.web.admin import credentials, explain, known_models, request_explanation, requests
from keystead.web.console import attempt_chain
from keystead.web.console.bill import bill_of
from keystead.web.console.visit import Answer, Page, Shown, Visit


async def show(visit: Visit) -> Answer:
    """Show one request."""
    found = await visit.desk.ask(requests.show, request=visit.path["request"])
    explained: Any = None
    if visit.desk.may(request_explanation.explain):
        explained = await visit.desk.ask(request_explanation.explain, request=visit.path["request"])
    most = {one.number: one for one in explained.attempts} if explained else {}
    return Shown(
        template="request.html",
        values={
            "one": found.request,
            "tokens_timed": any(attempt.first_token_us is not None for attempt in found.attempts),
            "chain": attempt_chain.chain_of(found.request, found.attempts) if found.attempts else None,
            "tried": [
                {
                    "attempt": attempt,
                    "began_us": attempt_chain.began_us(found.request, attempt),
                    "why": attempt_chain.why(attempt),
                    "bill": bill_of(attempt),
                    "most": most.get(attempt.number),
                    "credential": await _credential(visit, attempt.credential_id),
                }
                for attempt in found.attempts
            ],
            "found": found,
            "explained": explained,
            "may_explain": visit.desk.may(explain.explain),
            "sees_models": visit.desk.may(known_models.show),
        },
    )


async def _credential(visit: Visit, identifier: str) -> Any:
    """Return a credential of the organization's own with its terms, if the reader may see it."""
    if not visit.desk.may(credentials.show):
        return None
    try:
        return await visit.desk.ask(credentials.show, credential=identifier)
    except NotFoundError:
        return None


PAGES: Final = (Page(method="GET", path="/requests/{request}", handler=show),)
"""After the pages of the list, of which one has a word where this has an id."""
