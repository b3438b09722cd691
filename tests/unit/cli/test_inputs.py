"""What commands take."""

import click
import pytest
from click.testing import CliRunner

from keystead.cli.inputs import Moment, Pair, Percent, confirm, read_secret
from tests.fakes.clock import FakeClock


@click.command()
def reading() -> None:
    click.echo(f"read {read_secret('Key')!r}")


@click.command()
@click.option("--yes", is_flag=True)
def destroying(yes: bool) -> None:
    confirm("Destroy?", yes=yes)
    click.echo("destroyed")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("7d", "2025-12-25T00:00:00Z"),
        ("24h", "2025-12-31T00:00:00Z"),
        ("30m", "2025-12-31T23:30:00Z"),
        ("2w", "2025-12-18T00:00:00Z"),
        ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_a_span_back_or_a_point(text: str, moment: str) -> None:
    assert Moment(clock=FakeClock()).convert(text, None, None) == moment


def test_a_span_ahead_counts_forwards() -> None:
    assert Moment(ahead=True, clock=FakeClock()).convert("30d", None, None) == "2026-01-31T00:00:00Z"


def test_a_date_without_an_offset_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert Moment(clock=FakeClock()).convert("2026-01-01", None, None) == "2025-12-31T15:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "-7d", "7 d", "2026-13-01", "99999999d"])
def test_what_is_no_moment_is_a_wrong_use(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Moment(clock=FakeClock()).convert(text, None, None)


def test_a_span_beyond_the_calendar_is_a_wrong_use() -> None:
    with pytest.raises(click.BadParameter):
        Moment(clock=FakeClock()).convert("999999w", None, None)


def test_a_pair_is_split_at_its_first_equals_sign() -> None:
    assert Pair().convert("a=b=c", None, None) == ("a", "b=c")
    for text in ("a", "=b", ""):
        with pytest.raises(click.BadParameter):
            Pair().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "ppm"), [("20%", 200_000), ("20", 200_000), ("0%", 0), ("0.0001 %", 1), ("12.5%", 125_000)]
)
def test_a_percentage_is_exact_parts_per_million(text: str, ppm: int) -> None:
    assert Percent().convert(text, None, None) == ppm


@pytest.mark.parametrize("text", ["", "%", "-5%", "20%%", "1e3%", "NaN", "0.00001%", "5 percent", "\u0665%", "5%\n"])
def test_what_is_no_percentage_is_a_wrong_use(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Percent().convert(text, None, None)


def test_a_piped_secret_is_read_without_what_surrounds_it() -> None:
    assert CliRunner().invoke(reading, input="  canary\n").output == "read 'canary'\n"


def test_an_empty_pipe_is_a_wrong_use() -> None:
    result = CliRunner().invoke(reading, input="\n")
    assert result.exit_code == 2


def test_nothing_is_destroyed_without_a_terminal_unless_yes_is_said() -> None:
    assert CliRunner().invoke(destroying, input="y\n").exit_code == 2
    assert CliRunner().invoke(destroying, ["--yes"]).output == "destroyed\n"
