"""How every command speaks: results on stdout, everything else on stderr; tables and bars only where a person looks.

On a terminal there are colours, tables and moving bars; in a pipe there are plain lines, tab-separated columns and a
progress line every few seconds. `NO_COLOR` takes the colours away, `--json` commands print JSON and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from streams.errors import MillraceError

PROGRESS_EVERY_S = 5.0
"""Between two plain progress lines."""

Update = Callable[[float | None, str], None]
"""Tells a bar the share that is done, in [0, 1] or None where nobody can know, and a text such as `12,000 sent`."""


def interactive(stream: TextIO | None = None) -> bool:
    """Whether a person looks at the stream (standard output unless named)."""
    stream = stream or sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console(*, stderr: bool = False) -> Any:  # noqa: ANN401 - rich is imported only when something is drawn
    """A rich console; markup in what it prints is not read, so that nobody's data can colour or break a line."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(text: str = "") -> None:
    """A line of the result, on stdout."""
    print(_printable(text))


def note(text: str) -> None:
    """A line about the work, on stderr."""
    print(_printable(text), file=sys.stderr)


def warn(text: str) -> None:
    """Something the person should know before going on, on stderr."""
    _coloured("warning:", "yellow", text)


def complain(text: str) -> None:
    """Why the command failed, on stderr; the caller ends with exit code 1."""
    _coloured("error:", "bold red", text)


def json_out(value: object) -> None:
    """One JSON document on stdout: indented for a person, one line in a pipe."""
    print(json.dumps(value, indent=2 if interactive() else None, ensure_ascii=False, default=str))


def write_out(path: Path, text: str) -> None:
    """A file that was asked for; MillraceError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MillraceError(f"could not write {path}: {error.strerror or error}") from error


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """A table; tab-separated lines with a heading line in a pipe."""
    cells = [["" if cell is None else _printable(str(cell)) for cell in row] for row in rows]
    if not interactive():
        for line in [list(columns), *cells]:
            print("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in line))
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    console().print(drawn)


@contextmanager
def progress(title: str) -> Iterator[Update]:
    """A moving bar on stderr, or a plain line there every few seconds."""
    if not interactive(sys.stderr):
        yield _plain_progress(title)
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(title, markup=False), BarColumn(), TaskProgressColumn())
    told = TextColumn("{task.fields[told]}", markup=False)
    with Progress(*columns, told, TimeElapsedColumn(), console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, told="")

        def update(fraction: float | None, text: str) -> None:
            bar.update(task, total=None if fraction is None else 1.0, completed=fraction or 0.0, told=text)

        yield update


def counting(update: Update, total: int, what: str) -> Callable[[int], None]:
    """Tells a bar how many of so many are done; `what` they are, such as `rows`."""

    def count(done: int) -> None:
        update(min(1.0, done / max(1, total)), f"{done:,} {what}")

    return count


def _plain_progress(title: str) -> Update:
    last = time.monotonic()

    def update(fraction: float | None, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_EVERY_S:
            last = now
            note(f"{title}: {text}" + ("" if fraction is None else f" ({fraction:.0%})"))

    return update


def _coloured(label: str, style: str, text: str) -> None:
    if interactive(sys.stderr) and not os.environ.get("NO_COLOR"):
        from rich.text import Text

        console(stderr=True).print(Text.assemble((label, style), " ", _printable(text)))
    else:
        note(f"{label} {text}")


def _printable(text: str) -> str:
    """The text without control characters: no file's content may move the cursor."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
