"""Write docs/reference from the code, so that it cannot say something else: `python -m tools.build_docs [--check]`."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
from prometheus_client import Counter

from keystead.cli import main as cli
from keystead.domain.traffic import CostState, ErrorClass, State
from keystead.domain.usage import COUNTS
from keystead.gateway.faults import fault_of
from keystead.metering.prices import load_snapshot
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS
from keystead.settings import SETTINGS
from keystead.telemetry import Metrics
from keystead.web.admin import openapi
from keystead.web.admin.config.document import Document
from keystead.web.admin.routes import ROUTES
from tools.error_codes import error_codes
from tools.markdown import table
from tools.translation_page import translation_page

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"
HELP_WIDTH: Final = 100


def main() -> int:
    """Write the pages, or with `--check` say which are out of date."""
    stale = []
    for name, page in PAGES.items():
        path = FOLDER / name
        head = "<!-- Made from the code by `make docs`; edits here are lost. -->\n\n" if name.endswith(".md") else ""
        text = f"{head}{page().rstrip()}\n"
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale and "--check" in sys.argv:
        print(f"Out of date in docs/reference: {', '.join(stale)}. Run `make docs`.")
        return 1
    return 0


def settings_page() -> str:
    """Every setting of the server."""
    rows = ((f"`{row.variable}`", f"`{row.default}`" if row.default else "empty", row.help) for row in SETTINGS)
    return (
        "# Settings\n\nAll come from environment variables. A `KEYSTEAD_…` variable that is not listed here stops the "
        "start: it is a typing slip.\n\n"
        + table(("variable", "default", "what it does"), rows)
        + "\n\nThe command line reads four more: `KEYSTEAD_URL` (where the gateway is), `KEYSTEAD_ADMIN_TOKEN`, "
        "`KEYSTEAD_OUTPUT` (`table` or `json`) and `KEYSTEAD_KEY` (a virtual key, for `keystead launch`)."
    )


def cli_page() -> str:
    """Every command, as its own `--help` says it."""
    sections = [
        f"## {name}\n\n```text\n{text}\n```"
        for name, text in _help_texts(cli, click.Context(cli, info_name="keystead"))
    ]
    return "# Command line\n\nWhat `--help` says, command by command.\n\n" + "\n\n".join(sections)


def _help_texts(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    context.terminal_width = HELP_WIDTH
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _help_texts(child, click.Context(child, info_name=name, parent=context))


def admin_api_page() -> str:
    """The routes of the admin API."""
    return (
        "# Admin API\n\nThe whole of it, with types, is at `/openapi.json` of a running gateway (OpenAPI 3.1).\n\n"
        "- **Sign in** with an admin token (`ksa_…`) as `Authorization: Bearer`. Each route needs the permission beside "
        "it; a role is a set of permissions.\n"
        "- **Errors** are `application/problem+json` (RFC 9457) with `code`, `fault` and `next_step`: [errors](errors.md).\n"
        "- **Lists** come in pages: pass `next_cursor` back as `cursor`.\n"
        "- **Instants** are RFC 3339 in UTC; **amounts** are decimal text beside a currency, never floats.\n"
        "- **No route returns a provider's key**, to anyone.\n\n" + openapi.table(ROUTES)
    )


def errors_page() -> str:
    """Every error code of ours, and what a provider's refusals are called."""
    codes = (
        (f"`{row.code}`", row.status, row.fault, "<br>".join(row.messages), row.next_step) for row in error_codes()
    )
    classes = ((f"`{kind.value}`", fault_of(kind).value) for kind in ErrorClass)
    return (
        "# Errors\n\nAn error comes in the caller's own dialect on the inference paths, as problem+json on the admin "
        "API. `code` is stable; `fault` says who can mend it: the caller, the organization's policy, the provider or "
        "the gateway. `…` stands for what is filled in.\n\n## Codes\n\n"
        + table(("code", "status", "fault", "message", "what to do next"), codes)
        + "\n\n## What a provider's refusal means\n\nA provider's refusal passes to the client with its own status and "
        "body. The record, and the header `x-keystead-error`, say what it means, judged by provider and body and not "
        "by status alone.\n\n" + table(("error class", "fault"), classes)
    )


def metrics_page() -> str:
    """Every metric."""
    rows = []
    for metric in vars(Metrics()).values():
        if hasattr(metric, "describe"):
            described = metric.describe()[0]
            name = f"{described.name}_total" if isinstance(metric, Counter) else described.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - it has no public name
            rows.append((f"`{name}`", described.type, labels, described.documentation))
    return (
        "# Metrics\n\n`GET /metrics` in the Prometheus text format, for an operator's admin "
        "token. No label holds a key, a person or an organization.\n\n"
        + table(("metric", "type", "labels", "what it counts"), rows)
    )


def providers_page() -> str:
    """The provider table."""
    rows = (
        (
            f"`{row.name}`",
            row.title,
            _origin(row),
            "<br>".join(f"{dialect.value} `{prefix or '/'}`" for dialect, prefix in row.dialects.items()),
            "<br>".join(
                f"{dialect.value}: {', '.join(sorted(kind.value for own, kind in row.endpoints if own is dialect))}"
                for dialect in row.dialects
            ),
            f"`{row.probe.method} {row.probe.path}`{'' if row.probe.conclusive else ' (proves nothing by itself)'}",
        )
        for row in PROVIDERS.values()
    )
    settings = (
        (f"`{row.name}`", f"`{name}`", f"{given.help}{' (needed)' if given.needed else ''}")
        for row in PROVIDERS.values()
        for name, given in row.settings.items()
    )
    return (
        "# Providers\n\nA provider is a row of data, not a class. Any model it serves can be named, today's release "
        "included: `provider/model`, or the bare name when one credential alone can serve it.\n\n"
        + table(("name", "provider", "origin", "dialects", "endpoints", "probe (never billed)"), rows)
        + "\n\n## Settings of a credential\n\nGiven with `--setting NAME=VALUE`.\n\n"
        + table(("provider", "setting", "what it is"), settings)
    )


def _origin(row: Provider) -> str:
    own = row.places.template if row.places is not None else row.origin
    return f"`{own}`" if own else "yours (`--origin`)"


def prices_page() -> str:
    """What prices are shipped, and in which words they are told."""
    price_list = load_snapshot().catalogue.price_list
    licence = price_list.licence.partition(";")[0]
    rows = (
        (
            f"`{name}`",
            str(len(models)),
            ", ".join(f"`{model.id}`" for model in models[:4]) + (", …" if len(models) > 4 else ""),
        )
        for name, models in sorted(price_list.providers.items())
    )
    return (
        f"# Prices\n\nThe list shipped with this version is `{price_list.version}`, built from "
        f"[{price_list.source}]({price_list.source_url}) ({licence}); "
        f"{sum(len(models) for models in price_list.providers.values())} models. Rows are dated: an old request is "
        "priced as it was. `keystead price show MODEL` tells what a model costs here and why; `keystead price` also "
        "keeps your own contract prices, which win over the list. A cost that the provider itself reports wins over "
        "both.\n\n"
        + table(("provider", "models", "such as"), rows)
        + "\n\n## Units\n\nToken counts are disjoint: each token is in exactly one of them.\n\n"
        + "\n".join(f"- `{name}`" for name in COUNTS)
        + "\n\n## States of a cost\n\n"
        + table(("state", "what it means"), _documented(CostState))
        + "\n\n## Ends of a request\n\n"
        + table(("state", "what it means"), _documented(State))
    )


def _documented(kind: type[CostState | State]) -> Iterator[tuple[str, str]]:
    """Return each member with the string under it in the source, which Python itself does not keep."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    words = [
        node.value.value for node in body.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    members = [member for member in kind if member is not State.INTENT]
    for member, word in zip(members, words[1:], strict=True):
        yield f"`{member.value}`", str(word)


def configuration_schema() -> str:
    """The JSON Schema of a document of configuration, for editors that check YAML while it is written."""
    schema = msgspec.json.schema(Document)
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Keystead configuration",
        "$comment": "Made from the code by `make docs`; edits here are lost.",
    }
    return msgspec.json.format(msgspec.json.encode(about | schema), indent=2).decode()


PAGES: Final[dict[str, Callable[[], str]]] = {
    "admin-api.md": admin_api_page,
    "cli.md": cli_page,
    "configuration.schema.json": configuration_schema,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
    "prices.md": prices_page,
    "providers.md": providers_page,
    "settings.md": settings_page,
    "translation.md": translation_page,
}


if __name__ == "__main__":
    sys.exit(main())
