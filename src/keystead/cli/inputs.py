"""What commands take: secrets, moments, pairs, confirmations."""

import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import click

from keystead.domain.clock import Clock, SystemClock

_SPAN: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(click.ParamType[str]):
    """A moment: `7d` (days; also m, h, w) before or after now, a date, or RFC 3339. Becomes RFC 3339 in UTC."""

    name = "moment"

    def __init__(self, *, ahead: bool = False, clock: Clock | None = None) -> None:
        """Count spans backwards from now, or forwards if `ahead`."""
        self._sign = 1 if ahead else -1
        self._clock = clock or SystemClock()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` as RFC 3339."""
        try:
            return _rfc3339(self._moment(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a span (7d, 24h) nor a date nor RFC 3339.", param, ctx)

    def _moment(self, value: str) -> datetime:
        span = _SPAN.fullmatch(value)
        if span is not None:
            now = _EPOCH + timedelta(microseconds=self._clock.now_us())
            return now + self._sign * timedelta(**{_UNITS[span[2]]: int(span[1])})
        # Without an offset, a person means the clock on the wall.
        return datetime.fromisoformat(value).astimezone(UTC)


class Stated(click.ParamType[str]):
    """Text that says something: a script's variable that is not set must not take a bound away."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value`."""
        if not value:
            self.fail("it is empty. Leave the option out if it is not meant.", param, ctx)
        return str(value)


class Pair(click.ParamType[tuple[str, str]]):
    """`NAME=VALUE`."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split `value` at its first `=`."""
        if isinstance(value, tuple):
            return value
        name, equals, rest = value.partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        return name, rest


class Percent(click.ParamType[int]):
    """`20%` or `20`, with at most four decimals. Becomes parts per million."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return `value` as parts per million."""
        if isinstance(value, int):
            return value
        plain = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,4})?) ?%?", value, re.ASCII)
        if not plain:
            self.fail(f"{value!r} is not a percentage such as 20%.", param, ctx)
        return int(Decimal(plain[1]) * 10_000)


def read_secret(prompt: str) -> str:
    """Return a secret from standard input when it is piped, else from a prompt that does not show it.

    A secret is never an argument: arguments are in the shell's history and in everybody's list of processes.
    """
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, err=True)).strip()
    secret = sys.stdin.read().strip()
    if not secret:
        raise click.UsageError("Standard input is empty: pipe the key in, or run the command in a terminal.")
    return secret


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal, `--yes` must say it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("This cannot be undone: say --yes.")
    click.confirm(question, abort=True, err=True)


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
