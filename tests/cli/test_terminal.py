"""Tables, lines and progress: plain in a pipe, and no data moves the cursor."""

import io
import json
import sys

import pytest

from streams.cli import terminal
from streams.errors import MillraceError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_in_a_pipe_is_tab_separated_lines(capsys):
    """`cut` and `awk` read it; a tab or line end within a cell does not break it."""
    terminal.table(("a", "b"), [("1\t2", "x\ny"), (None, 3)])

    assert capsys.readouterr().out == "a\tb\n1 2\tx y\n\t3\n"


def test_a_table_on_a_terminal_shows_markup_as_it_is(monkeypatch):
    """`[red]` in somebody's column name is a name."""
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    terminal.table(("name",), [("[red]x[/red]",), ("\x1b[2Jgone",)])

    assert "[red]x[/red]" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()


def test_no_colour_where_nobody_wants_any(monkeypatch):
    """NO_COLOR, or no terminal."""
    for variable, stream, coloured in (("", Terminal(), True), ("1", Terminal(), False), ("", io.StringIO(), False)):
        monkeypatch.setenv("NO_COLOR", variable)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr(sys, "stderr", stream)
        terminal.complain("broken")

        assert ("\x1b[" in stream.getvalue()) is coloured
        assert "error:" in stream.getvalue()


def test_progress_in_a_pipe_is_a_line_every_few_seconds(monkeypatch, capsys):
    """A log of an hour has hundreds of lines, not millions."""
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    with terminal.progress("sending") as update:
        for second in range(12):
            now[0] = float(second)
            update(second / 12, f"{second} rows")

    assert capsys.readouterr().err == "sending: 5 rows (42%)\nsending: 10 rows (83%)\n"


def test_json_is_one_line_in_a_pipe_and_control_characters_are_escaped(capsys):
    """What programs read is JSON and nothing else."""
    terminal.json_out({"a": "\x1b[2J", "é": 1})
    out = capsys.readouterr().out

    assert json.loads(out) == {"a": "\x1b[2J", "é": 1}
    assert "\x1b" not in out
    assert out.count("\n") == 1


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    """After a run of minutes: which file, and why."""
    with pytest.raises(MillraceError, match=r"could not write .*result\.json: No such file or directory"):
        terminal.write_out(tmp_path / "gone" / "result.json", "{}")


def test_a_bar_is_told_how_many_of_so_many():
    """Never more than all of them, and nothing of nothing is no division."""
    told = []
    count = terminal.counting(lambda share, text: told.append((share, text)), 2_000, "rows")
    count(1_000)
    count(3_000)
    terminal.counting(lambda share, text: told.append((share, text)), 0, "rows")(0)

    assert told == [(0.5, "1,000 rows"), (1.0, "3,000 rows"), (0.0, "0 rows")]
