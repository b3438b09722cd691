"""How answers are written: JSON for programs, tables and plain lines for people."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import click
import msgspec

from keystead.cli.session import Session
from keystead.domain.inert import inert

Json = Mapping[str, Any]
_WIDE = 100_000  # a table in a pipe is not cut; one wider than the terminal is wrapped by the terminal


class Column(NamedTuple):
    """One column of a table: its title, and what it shows of an item."""

    title: str
    show: Callable[[Json], str]
    align: Literal["left", "right"] = "left"


def write(session: Session, answer: Any, for_people: Callable[[], None]) -> None:
    """Write `answer` as JSON, or let `for_people` write it."""
    if session.output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
    else:
        for_people()


def say(text: str, *, err: bool = False) -> None:
    """Write text that has names or messages of others in it: a terminal obeys none of them (T33)."""
    click.echo(inert(text), err=err)


def write_list(session: Session, items: Sequence[Json], columns: Sequence[Column], *, empty: str) -> None:
    """Write a list as a JSON array or as a table."""
    write(session, items, lambda: table(items, columns, empty=empty))


def table(items: Sequence[Json], columns: Sequence[Column], *, empty: str) -> None:
    """Write a table; `empty` is said instead of one without rows."""
    if not items:
        click.echo(empty, err=True)
        return
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - rich takes a tenth of a second to import
    from rich.cells import cell_len  # noqa: PLC0415 - as above
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    rows = [[inert(column.show(item)) for column in columns] for item in items]
    for column, *cells in zip(columns, *rows, strict=True):
        # Only the last column, which may hold prose, is folded: an id in two pieces could not be copied.
        last = column is columns[-1]
        least = None if last else max(map(cell_len, (column.title, *cells)))
        drawn.add_column(column.title, justify=column.align, overflow="fold", no_wrap=not last, min_width=least)
    for row in rows:
        drawn.add_row(*map(Text, row))  # Text, not str: what came from elsewhere is not markup
    wide = Console(file=sys.stdout, highlight=False, width=_WIDE)
    terminal = Console(file=sys.stdout, highlight=False)
    fits = sys.stdout.isatty() and wide.measure(drawn).minimum <= terminal.width
    (terminal if fits else wide).print(drawn)


def fields(pairs: Sequence[tuple[str, str]]) -> None:
    """Write named values, one a line; empty ones are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{name:<{width}}  {value}")


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Show that long work is under way, if a person watches; lend what says something newer of it."""
    if not sys.stderr.isatty():
        yield lambda _newer: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich takes a tenth of a second to import

    with Console(stderr=True).status(what) as status:
        yield status.update


def local(instant: str | None) -> str:
    """Return an RFC 3339 instant as local time, to the second; empty for none."""
    if instant is None:
        return ""
    return datetime.fromisoformat(instant).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def number(count: int | None) -> str:
    """Return a count with thousands separated; empty for none."""
    return "" if count is None else f"{count:,}"


def milliseconds(us: int | None) -> str:
    """Return microseconds as milliseconds; empty for none."""
    return "" if us is None else f"{us / 1000:,.1f}"


def money(amount: str | None, currency: str | None) -> str:
    """Return an exact amount with its currency; empty for none."""
    return "" if amount is None else f"{amount} {currency or ''}".rstrip()


def per_million(price: str) -> str:
    """Return the price of one unit as the price of a million."""
    return f"{(Decimal(price) * 1_000_000).normalize():f}"


def percent(ppm: int | None) -> str:
    """Return parts per million as a percentage; empty for none."""
    return "" if ppm is None else f"{(Decimal(ppm) / 10_000).normalize():f} %"


def words(values: Sequence[str] | None, *, none: str) -> str:
    """Return a list as words; `none` for no list."""
    return none if values is None else ", ".join(values)
