"""How answers are written."""

import pytest

from keystead.cli import output
from keystead.cli.output import Column
from keystead.cli.problem import CommandError
from keystead.cli.session import Session


def test_numbers_stand_to_the_right_and_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "[bold]a[/bold]", "count": 1}, {"name": "b", "count": 1000}]
    columns = (
        Column("name", lambda row: row["name"]),
        Column("count", lambda row: output.number(row["count"]), "right"),
    )
    output.table(rows, columns, empty="none")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "count"]
    assert lines[2].rstrip() == "[bold]a[/bold]       1"
    assert lines[3].rstrip() == "b                1,000"


@pytest.mark.parametrize("acts", ["\x1b]0;owned\x07", "\x1b[2J", "\r", "\x9b31m", "\u202e", "\u2066", "\u200b"])
def test_nothing_in_other_peoples_text_is_obeyed_by_a_terminal(acts: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"before{acts}after"
    output.table(
        [{"a": text}, {"a": text}], [Column("a", lambda row: row["a"]), Column("b", lambda row: row["a"])], empty=""
    )
    output.fields([("a", text)])
    output.say(text)
    CommandError(text, fault="provider", next_step=text).show()
    said = capsys.readouterr()
    assert not any(one in said.out + said.err for one in acts if not one.isprintable())
    assert said.out.count("after") == 6
    assert said.err.count("after") == 2


def test_a_long_value_is_not_cut_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([{"a": "x" * 500}], [Column("a", lambda row: row["a"])], empty="")
    assert "x" * 500 in capsys.readouterr().out


def test_only_the_last_column_is_folded_and_only_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    columns = (Column("at", lambda row: row["at"]), Column("what", lambda row: row["what"]))
    rows = [{"at": "2026-01-01 09:00:00", "what": "It was put into use."}]

    def drawn(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        output.table(rows, columns, empty="")
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()[2:]]

    assert drawn(42) == ["2026-01-01 09:00:00   It was put into use."]
    assert drawn(35) == ["2026-01-01 09:00:00   It was put", "                      into use."]
    assert drawn(20) == ["2026-01-01 09:00:00   It was put into use."], "for the terminal to wrap"


def test_no_rows_are_told_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([], [Column("a", str)], empty="There is none.")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "There is none.\n")


def test_json_is_the_answer_as_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(url="", output="json")
    output.write_list(session, [{"a": "ü", "b": None}], [], empty="none")
    assert capsys.readouterr().out == '[\n  {\n    "a": "ü",\n    "b": null\n  }\n]\n'
    output.write_list(session, [], [], empty="none")
    assert capsys.readouterr().out == "[]\n"


def test_figures_are_exact() -> None:
    assert output.per_million("0.00000125") == "1.25"
    assert output.per_million("0.00001") == "10"
    assert output.per_million("0") == "0"
    assert output.money("0.000000000001", "USD") == "0.000000000001 USD"
    assert output.money(None, "USD") == ""
    assert output.number(None) == ""
    assert output.milliseconds(1_234_567) == "1,234.6"


def test_instants_are_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert output.local("2026-01-01T00:00:00.5Z") == "2026-01-01 09:00:00"
        assert output.local(None) == ""
    finally:
        monkeypatch.undo()
        time.tzset()


def test_fields_line_up_and_empty_ones_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    output.fields([("a", "1"), ("long name", "2"), ("none", "")])
    assert capsys.readouterr().out == "a          1\nlong name  2\n"


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("Working"):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("ppm", "shown"),
    [(None, ""), (0, "0 %"), (200_000, "20 %"), (125_000, "12.5 %"), (1, "0.0001 %"), (10**7, "1000 %")],
)
def test_parts_per_million_are_shown_as_a_percentage(ppm: int | None, shown: str) -> None:
    assert output.percent(ppm) == shown
