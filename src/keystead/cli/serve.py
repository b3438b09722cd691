"""`keystead serve`."""

import click
import msgspec

from keystead.cli.problem import CommandError
from keystead.cli.session import settings


@click.command("serve")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes on this machine [KEYSTEAD_WORKERS].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [KEYSTEAD_PORT].")
def command(workers: int | None, port: int | None) -> None:
    """Start the gateway, and prepare the data folder on the first start.

    Every setting is an environment variable; `keystead doctor --settings` lists them. An option wins over its variable.
    """
    from keystead.app import serve  # noqa: PLC0415 - the server's libraries take a second to import
    from keystead.domain.errors import KeysteadError  # noqa: PLC0415 - as above

    given = {name: value for name, value in (("workers", workers), ("port", port)) if value is not None}
    here = msgspec.structs.replace(settings(), **given)
    try:
        serve(here)
    except KeysteadError as error:
        # Who starts the server is its operator, and may know why the database cannot be reached.
        reason = str(error.__cause__) if isinstance(error.__cause__, OSError) else ""
        message = f"{error.message} It says: {reason}" if reason else error.message
        raise CommandError(message, fault=error.fault.value, next_step=error.next_step, code=error.code) from error
