"""An error on the command line: what happened, whose fault it is, what to do next."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import click
import msgspec

from keystead.domain.inert import inert

_WHOSE: Final = {
    "caller": "this command's",
    "policy": "nobody's: your organization's rules",
    "provider": "the provider's",
    "gateway": "the gateway's",
}


class CommandError(click.ClickException):
    """The command failed. Exit code 1; a wrong use of the command itself is click's UsageError, exit code 2."""

    exit_code = 1

    def __init__(self, message: str, *, fault: str, next_step: str, code: str = "", request_id: str = "") -> None:
        """Say what happened."""
        super().__init__(message)
        self.fault = fault
        self.next_step = next_step
        self.code = code
        self.request_id = request_id
        self.as_json = False
        self.param = ""
        """What of the request is at fault, where one thing is."""

    @classmethod
    def from_problem(cls, problem: Mapping[str, Any]) -> "CommandError":
        """Return the error that the admin API's problem details tell."""
        error = cls(
            str(problem.get("detail", "The request was refused.")),
            fault=str(problem.get("fault", "gateway")),
            next_step=str(problem.get("next_step", "")),
            code=str(problem.get("code", "")),
            request_id=str(problem.get("request_id", "")),
        )
        error.param = str(problem.get("param") or "")
        return error

    def show(self, file: Any = None) -> None:
        """Write it to standard error, as text or as JSON."""
        stream = file or sys.stderr
        if self.as_json:
            fields = {
                "error": self.message,
                "code": self.code,
                "fault": self.fault,
                "next_step": self.next_step,
                "request_id": self.request_id,
            }
            click.echo(msgspec.json.encode(fields), file=stream)
            return
        click.echo(inert(f"Error: {self.message}"), file=stream)
        known = ", ".join(part for part in (self.code, self.request_id) if part)
        click.echo(f"Fault: {_WHOSE.get(self.fault, self.fault)}{f' ({known})' if known else ''}", file=stream)
        if self.next_step:
            click.echo(inert(f"Next:  {self.next_step}"), file=stream)
