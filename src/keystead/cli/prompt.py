"""`keystead prompt …`: one's own saved prompts of the playground."""

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from keystead.cli.document_file import read_text
from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, write, write_list
from keystead.cli.problem import CommandError
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_PATH = ("playground", "prompts")
_LIST = (
    Column("name", lambda item: item["name"]),
    Column("saved", lambda item: local(item["created_at"])),
    Column("changed", lambda item: local(item["changed_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("prompt")
def command() -> None:
    """Your saved prompts of the playground: list, show, save, delete. Nobody else sees them."""


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List your saved prompts, newest first."""
    write_list(session, list(session.client().items(*_PATH)), _LIST, empty="You have saved no prompt.")


@command.command("show")
@click.argument("prompt")
@connected
def show(session: Session, *, prompt: str) -> None:
    """Show your saved prompt PROMPT (id, or its name)."""
    answer = session.client().get(*_PATH, _id_of(session, prompt))
    write(session, answer, lambda: _show(answer))


@command.command("save")
@click.argument("name")
@click.option("--model", "models", multiple=True, help="Which to ask; may be repeated, up to four beside each other.")
@click.option("--system", default="", help="The system prompt.")
@click.option("--question", "questions", multiple=True, help="What to ask; may be repeated, one after the other.")
@click.option("--file", help="Instead of these: the content as JSON, as `show --output json` has it; - reads it in.")
@click.option("--replace", "prompt", help="Save it in the place of this one (id, or its name).")
@connected
def save(
    session: Session,
    *,
    name: str,
    models: tuple[str, ...],
    system: str,
    questions: tuple[str, ...],
    file: str | None,
    prompt: str | None,
) -> None:
    """Save a prompt under NAME, sealed, for you alone."""
    if (file is None) is not bool(models or system or questions):
        raise click.UsageError("Say what to save: --file, or --model, --system and --question.")
    said = {"models": models, "system": system, "questions": [{"text": text} for text in questions]}
    body = {"name": name, "content": said if file is None else _content(file)}
    path = _PATH if prompt is None else (*_PATH, _id_of(session, prompt), "change")
    write_list(session, [session.client().post(*path, body=body)], _LIST, empty="")


@command.command("delete")
@click.argument("prompt")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def delete(session: Session, *, prompt: str, yes: bool) -> None:
    """Delete your saved prompt PROMPT (id, or its name) for good."""
    confirm(f"Delete the prompt {prompt}?", yes=yes)
    answer = session.client().post(*_PATH, _id_of(session, prompt), "delete")
    write(session, answer, lambda: fields([("prompt", answer["id"]), ("state", "deleted")]))


def _id_of(session: Session, said: str) -> str:
    """Return the id of the prompt that is meant. Names need not differ."""
    if said.startswith("prm_"):
        return said
    found = [str(item["id"]) for item in session.client().items(*_PATH) if item["name"] == said]
    if len(found) == 1:
        return found[0]
    told = "Several of your prompts are" if found else "None of your prompts is"
    next_step = "Say its id: `keystead prompt list`."
    raise CommandError(f"{told} named {said!r}.", fault="caller", next_step=next_step)


def _content(file: str) -> Json:
    """Return what a file holds: the content, or the whole prompt as it was shown.

    Raises:
        CommandError: it is no JSON object.
    """
    try:
        value = msgspec.json.decode(read_text(file))
    except (msgspec.DecodeError, RecursionError) as error:
        raise CommandError(f"{file} is not JSON: {error}", fault="caller", next_step="Mend it.") from error
    if isinstance(value, dict):
        value = value.get("content", value)
    if not isinstance(value, dict):
        raise CommandError(f"{file} holds no prompt.", fault="caller", next_step="See `keystead prompt show -o json`.")
    return value


def _show(answer: Json) -> None:
    content = answer["content"]
    questions = [
        one.get("text", "") + "".join(" (image)" for _ in one.get("images", ())) for one in content.get("questions", ())
    ]
    rest = [(name, str(value)) for name, value in content.items() if name not in {"models", "system", "questions"}]
    fields(
        [
            ("prompt", f"{answer['name']}  {answer['id']}"),
            ("changed", local(answer["changed_at"])),
            ("models", ", ".join(content.get("models", ()))),
            ("system", content.get("system", "")),
            *(("question", text) for text in questions),
            *((name.replace("_", " "), value) for name, value in rest),
        ]
    )
