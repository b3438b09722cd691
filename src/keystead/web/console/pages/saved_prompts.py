"""Saved prompts: a script of the playground saves them; they are listed, shown, renamed and deleted without any."""

from typing import Any, Final

import msgspec

from keystead.domain.errors import InvalidRequestError, KeysteadError, PolicyDenied
from keystead.web.admin import saved_prompts
from keystead.web.console.visit import Answer, Moved, Page, Shown, Told, Visit

_ALL: Final = "/console/playground/prompts"


async def list_all(visit: Visit) -> Answer:
    """Show the person's own."""
    prompts, _ = await visit.desk.all(saved_prompts.list_all)
    return Shown(template="saved_prompts.html", values={"prompts": prompts})


async def save(visit: Visit) -> Answer:
    """Save what stands in the playground, and tell its page how that went: it holds what is not saved anywhere."""
    prompt_id, desk = visit.form.get("id", ""), visit.desk
    await desk.ask(saved_prompts.list_all)  # refused as a page to whoever may save nothing
    try:
        body = {"name": visit.form.get("name", ""), "content": _content(visit)}
        if prompt_id:
            saved = await desk.act(saved_prompts.change, body, saved_prompt=prompt_id)
        else:
            saved = await desk.act(saved_prompts.create, body)
    except PolicyDenied:
        raise
    except KeysteadError as error:
        return Told(value={"problem": {"message": error.message, "next_step": error.next_step}})
    return Told(value={"id": saved.id, "name": saved.name})


async def show(visit: Visit) -> Answer:
    """Show one, to be read, renamed or deleted."""
    return await _shown(visit, None)


async def rename(visit: Visit) -> Answer:
    """Give one another name."""
    try:
        body = {"name": visit.form.get("name", "").strip()}
        await visit.desk.act(saved_prompts.change, body, saved_prompt=visit.path["prompt"])
    except InvalidRequestError as error:
        return await _shown(visit, error)
    return Moved(to=f"{_ALL}/{visit.path['prompt']}")


async def delete(visit: Visit) -> Answer:
    """Delete one."""
    await visit.desk.act(saved_prompts.delete, {}, saved_prompt=visit.path["prompt"])
    return Moved(to=_ALL)


def _content(visit: Visit) -> Any:
    try:
        return msgspec.json.decode(visit.form.get("content", ""))
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError("What is to be saved is not well-formed JSON.") from error


async def _shown(visit: Visit, error: KeysteadError | None) -> Answer:
    one = await visit.desk.ask(saved_prompts.show, saved_prompt=visit.path["prompt"])
    return Shown(
        template="saved_prompt.html",
        values={"one": one, "error": error, "given": visit.form.get("name", one.name)},
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path="/playground/prompts", handler=list_all),
    Page(method="POST", path="/playground/prompts", handler=save),
    Page(method="GET", path="/playground/prompts/{prompt}", handler=show),
    Page(method="POST", path="/playground/prompts/{prompt}", handler=rename),
    Page(method="POST", path="/playground/prompts/{prompt}/delete", handler=delete),
)
