"""The playground: a conversation with up to four models at once, made by who is signed in (see `trial`)."""

import json
from typing import Any, Final

import msgspec

from keystead.domain.errors import KeysteadError
from keystead.web.admin import requests, saved_prompts, teams, virtual_key_models, virtual_keys
from keystead.web.admin.saved_prompts import PromptShown
from keystead.web.console.trial import PATH
from keystead.web.console.visit import Answer, Moved, Page, Shown, Told, Visit

_MOST: Final = "200"
_LISTED: Final = 500
"""Models that are offered, routes first; any other's name can be typed."""


async def show(visit: Visit) -> Answer:
    """Show the playground with one of the person's keys."""
    return await _shown(visit, None)


async def make_key(visit: Visit) -> Answer:
    """Make a key whose text nobody is ever shown: it can be used here and nowhere else."""
    body = {name: visit.form.get(name, "") for name in ("name", "team")}
    try:
        issued = await visit.desk.act(virtual_keys.create, {**body, "member": visit.desk.who.member_id})
    except KeysteadError as error:
        return await _shown(visit, error)
    return Moved(to=f"/console/playground?key={issued.virtual_key.id}")


async def models(visit: Visit) -> Answer:
    """Tell which models a key may call."""
    return Told(value={"items": await _usable(visit, visit.query.get("key", ""))})


async def request(visit: Visit) -> Answer:
    """Tell what became of a request: what it used, what it cost, and which credential did the work."""
    found = await visit.desk.ask(requests.show, request=visit.path["request"])
    last = found.attempts[-1] if found.attempts else None
    one = found.request
    return Told(
        value={
            "state": one.state,
            "over": one.finished_at is not None,
            "cost": one.cost,
            "currency": one.currency,
            "cost_state": one.cost_state,
            "charge": one.charge,
            "input": one.input_total,
            "output": one.output_total,
            "tokens": last.usage if last else {},
            "credential": f"{one.credential or one.credential_id} v{one.credential_version}" if last else None,
            "owner": one.owner,
            "provider": one.provider,
            "model": one.model,
            "attempts": one.attempts,
            "because": last.reason if last else None,
        }
    )


async def _usable(visit: Visit, key: str) -> Any:
    return (await visit.desk.ask(virtual_key_models.list_usable, virtual_key=key)).items[:_LISTED]


async def _opened(visit: Visit) -> PromptShown | None:
    """Return the saved prompt that the address names."""
    if not visit.query.get("prompt"):
        return None
    found: PromptShown = await visit.desk.ask(saved_prompts.show, saved_prompt=visit.query["prompt"])
    return found


async def _shown(visit: Visit, error: KeysteadError | None) -> Answer:
    desk = visit.desk
    desk.require(virtual_keys.create)
    found = await desk.ask(virtual_keys.list_all, {"mine": True, "limit": _MOST})
    keys = [key for key in found.items if key.state == "active"]
    chosen = next((key for key in keys if key.id == visit.query.get("key")), keys[0] if keys else None)
    prompt = await _opened(visit)
    return Shown(
        template="playground.html",
        values={
            "can_save": desk.may(saved_prompts.create),
            "prompts": (await desk.all(saved_prompts.list_all))[0] if desk.may(saved_prompts.list_all) else (),
            "prompt": prompt,
            # ASCII: what templates make visible in other people's text must come back as it was typed.
            "prompt_json": json.dumps(msgspec.to_builtins(prompt.content)) if prompt else "",
            "keys": keys,
            "chosen": chosen,
            "models": await _usable(visit, chosen.id) if chosen else (),
            "model": visit.query.get("model", ""),
            "run": PATH,
            "error": error,
            "teams": (await desk.ask(teams.list_all, {"limit": _MOST})).items if desk.may(teams.list_all) else (),
            "given": {
                "name": visit.form.get("name", f"playground-{desk.signed_in.member.name}"),
                "team": visit.form.get("team", desk.signed_in.member.team_id),
            },
        },
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path="/playground", handler=show),
    Page(method="POST", path="/playground", handler=make_key),
    Page(method="GET", path="/playground/models", handler=models),
    Page(method="GET", path="/playground/requests/{request}", handler=request),
)
