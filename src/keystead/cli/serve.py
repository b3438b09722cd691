"""`keystead serve`."""

import click

from keystead.cli.problem import CommandError
from keystead.cli.session import settings


@click.command("serve")
def command() -> None:
    """Start the gateway, and prepare the data folder on the first start.

    All settings are environment variables; `keystead doctor --settings` lists them.
    """
    from keystead.app import serve  # noqa: PLC0415 - the server's libraries take a second to import
    from keystead.domain.errors import KeysteadError  # noqa: PLC0415 - as above

    here = settings()
    try:
        serve(here)
    except KeysteadError as error:
        raise CommandError(
            error.message, fault=error.fault.value, next_step=error.next_step, code=error.code
        ) from error
