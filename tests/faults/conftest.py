"""What the stories of these tests share, and the table of all of them at the end."""

from __future__ import annotations

import pytest
from pipeline_story import RUNS, Story


@pytest.fixture
def story(broker, pipeline_name, tmp_path):
    """Makes a story on the session's Kafka; its processes end with the test."""
    made = []

    def tell(**settings):
        made.append(Story(tmp_path / f"pipeline{len(made)}", broker, pipeline_name, **settings))
        return made[-1]

    return tell


def pytest_terminal_summary(terminalreporter):
    """Faults x runs x lost x doubly learnt."""
    if not RUNS:
        return
    terminalreporter.section("fault stories")
    names = list(RUNS[0])
    rows = [names, *([str(run[name]) for name in names] for run in RUNS)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(names))]
    for row in rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
