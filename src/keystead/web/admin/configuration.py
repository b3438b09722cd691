"""Configuration as code: the organization's rules as one document; what a document would change; changing it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import ConflictError, KeysteadError
from keystead.domain.secret import Secret
from keystead.identity.authority import require_held
from keystead.web.admin.config.difference import Action, Difference, FieldChange, Place, differences, without_ended
from keystead.web.admin.config.document import SECTIONS, Document, canonical
from keystead.web.admin.config.read import READS, present
from keystead.web.admin.config.steps import KeyStep, Step, keys_needed, steps_of
from keystead.web.admin.config.write import bring, made_up, perform, rehearsal
from keystead.web.admin.route import Act, Call, Route, act
from keystead.web.admin.values import Name, Nothing

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
"""JSON of the largest document in YAML, escapes included."""


class PlanConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document, to be compared with what is in force."""

    document: Document
    prune: bool = False
    """Whether what is not in the document, in the sections that it has, is to go."""


class ApplyConfiguration(PlanConfiguration, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document, to be put in force."""

    keys: dict[Name, Secret] = {}
    """Provider keys by credential: of those that `plan` lists, and of those that say `rotate`."""
    force: bool = False
    """Use keys of which the probe proved nothing."""
    dry_run: bool = False
    """Try everything, permissions and checks included, and keep nothing. Keys are neither needed nor probed."""


class DifferenceShown(msgspec.Struct, frozen=True, kw_only=True):
    """One object that is not as the document says."""

    section: str
    name: str
    action: Action
    """`keep`: it is not in the document, and is not removed for that."""
    fields: tuple[FieldChange, ...]
    problem: str
    """Why it cannot be made so; empty if it can."""


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """What is not as the document says."""

    differences: tuple[DifferenceShown, ...]
    keys: tuple[str, ...]
    """Credentials whose keys must be brought."""
    rotating: tuple[str, ...]
    """Credentials whose keys, if brought, are compared with those in use."""
    ended: tuple[str, ...]
    """Rules of the document that have ended by themselves, and are left out."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done for a document."""

    wanted: Document
    differences: tuple[Difference, ...]
    steps: Sequence[Step | KeyStep]
    ended: tuple[Place, ...]

    @property
    def rotating(self) -> tuple[str, ...]:
        """Existing credentials whose keys may have to be exchanged."""
        needed = keys_needed(self.steps)
        credentials = self.wanted.credentials or {}
        return tuple(name for name, entry in credentials.items() if entry.rotate and name not in needed)

    def shown(self) -> Differences:
        """Return what is told of it."""
        return Differences(
            differences=tuple(DifferenceShown(**msgspec.structs.asdict(one)) for one in self.differences),
            keys=keys_needed(self.steps),
            rotating=self.rotating,
            ended=tuple(".".join(place) for place in self.ended),
        )


async def export(call: Call[Nothing, Nothing]) -> Document:
    """Return what is in force, as far as the caller may see it, as a document."""
    async with call.rooms.database.read() as conn:
        return (await present(call.rooms, conn, call.who)).document


async def plan(call: Call[Nothing, PlanConfiguration]) -> Differences:
    """Return what would change."""
    async with call.rooms.database.read() as conn:
        return (await planned(call, conn, call.body)).shown()


async def apply(call: Call[Nothing, ApplyConfiguration]) -> Differences:
    """Make the changes, all of them or none."""
    async with call.rooms.database.read() as conn:
        found = await planned(call, conn, call.body)
        _refuse_impossible(found)
        turning = [] if call.body.dry_run else await _turning(call, conn, found)
    steps = [*found.steps, *turning]
    if not steps:
        return found.shown()
    keyed = [step for step in steps if isinstance(step, KeyStep)]
    if call.body.dry_run:
        async with rehearsal(call) as change:
            await perform(call, change, steps, await made_up(call, keyed, found.wanted))
        return found.shown()
    brought = await bring(call, keyed, found.wanted, call.body.keys, force=call.body.force)
    async with act(call) as change:
        if (await planned(call, change.conn, call.body)).differences != found.differences:
            raise ConflictError(
                "The configuration was changed by somebody else at the same time; nothing was applied.",
                code="configuration_changed",
                next_step="Look at the differences again, then apply the document again.",
            )
        await _record(call, change, found, turning)
        await perform(call, change, steps, brought)
    return found.shown()


async def planned(call: Call[Any, Any], conn: AsyncConnection, asked: PlanConfiguration) -> Planned:
    """Work out what is to be done for a document.

    Raises:
        PolicyDenied: the caller may not see what it speaks of.
        InvalidRequestError: the document cannot be.
    """
    document = asked.document
    for section in ("organization", *SECTIONS):
        if getattr(document, section) is not None:
            require_held(call.who, READS[section], None)
    wanted, ended = without_ended(canonical(document), call.rooms.clock.now_us())
    there = await present(call.rooms, conn, call.who)
    wanted = _with_plain_origins(call, wanted, there.document)
    found = differences(there.document, wanted, gone=there.gone, prune=asked.prune)
    possible = [one for one in found if not one.problem]
    return Planned(
        wanted=wanted,
        differences=found,
        steps=steps_of(possible, there.document, wanted, there.ids),
        ended=ended,
    )


def _with_plain_origins(call: Call[Any, Any], wanted: Document, there: Document) -> Document:
    """Return the document with origins in the form in which they are kept: `https://Host/` is `https://host`."""
    if wanted.credentials is None:
        return wanted
    known = there.credentials or {}
    plain = {}
    for name, entry in wanted.credentials.items():
        kept = known.get(name)
        origin = entry.origin
        try:
            if origin is not None and (kept is None or kept.origin != origin):
                origin = call.rooms.egress_guard.check_origin(origin)
        except KeysteadError as error:
            error.param = f"credentials.{name}.origin"
            raise
        plain[name] = msgspec.structs.replace(entry, origin=origin)
    return msgspec.structs.replace(wanted, credentials=plain)


def _refuse_impossible(found: Planned) -> None:
    problems = [one for one in found.differences if one.problem and one.action != "keep"]
    if problems:
        told = " ".join(f"{'.'.join(one.place)}: {one.problem}" for one in problems[:5])
        raise ConflictError(
            f"The document cannot be applied, and nothing was. {told}",
            code="configuration_not_possible",
            param=".".join(problems[0].place),
            next_step="Change these entries of the document.",
        )


async def _turning(call: Call[Any, ApplyConfiguration], conn: AsyncConnection, found: Planned) -> list[KeyStep]:
    """Return the credentials that are to have another key than they use."""
    turning = []
    for name in found.rotating:
        key = call.body.keys.get(name)
        if key is not None and not await call.rooms.credentials.is_active_key(
            conn, organization_id=call.who.organization_id, credential=name, key=key
        ):
            turning.append(KeyStep(place=("credentials", name), new=False))
    return turning


async def _record(call: Call[Any, ApplyConfiguration], change: Act, found: Planned, turning: Sequence[KeyStep]) -> None:
    """Say that what follows is one document. What it changes is told by the single events."""
    done = [one for one in found.differences if one.action != "keep"]
    await change.record(
        "configuration.applied",
        object_kind="organization",
        object_id=call.who.organization_id,
        created=sum(one.action == "create" for one in done),
        changed=sum(one.action == "change" for one in done),
        removed=sum(one.action == "remove" for one in done),
        rotated=[step.place[1] for step in turning],
        prune=call.body.prune,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/config",
        permission=Permission.ORGANIZATION_READ,
        handler=export,
        summary="The organization's rules as one document: the sections that you may see, and no secret.",
        answer=Document,
    ),
    Route(
        method="POST",
        path="/config/plan",
        permission=Permission.ORGANIZATION_READ,
        handler=plan,
        summary="What a document would change. You must be allowed to see what it speaks of.",
        body=PlanConfiguration,
        answer=Differences,
        max_body_bytes=MAX_DOCUMENT_BYTES,
    ),
    Route(
        method="POST",
        path="/config/apply",
        permission=Permission.ORGANIZATION_READ,
        handler=apply,
        summary="Put a document in force, all of it or nothing. It takes what each single change takes.",
        body=ApplyConfiguration,
        answer=Differences,
        max_body_bytes=MAX_DOCUMENT_BYTES,
        errors=(404, 409, 502),
    ),
)
