"""`keystead version`."""

import click

from keystead import __version__


@click.command("version")
def command() -> None:
    """Show the version."""
    click.echo(f"keystead {__version__}")
