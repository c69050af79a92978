"""What the stories of these tests share, which part of them runs, and the table of all at the end."""

from __future__ import annotations

import os
import re

import pytest
from pipeline_story import RUNS, Story


def pytest_collection_modifyitems(config, items):
    """`MILLRACE_FAULTS_PART=2/3` leaves every third of the long fault tests, from the second on."""
    part = os.environ.get("MILLRACE_FAULTS_PART")
    if not part:
        return
    asked = re.fullmatch(r"([1-9])/([1-9])", part)
    if asked is None or asked[1] > asked[2]:
        raise pytest.UsageError(f"MILLRACE_FAULTS_PART must be a part such as 1/2 or 2/3, got {part!r}")
    mine, parts = int(asked[1]), int(asked[2])
    long = [item for item in items if item.get_closest_marker("faults")]
    left_out = {item for at, item in enumerate(long, 1) if at % parts != mine % parts}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def told(request):
    """The test's report carries its stories: several processes may run tests."""
    before = len(RUNS)
    yield
    request.node.user_properties += [("story", run) for run in RUNS[before:]]


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
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    runs = [
        run
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, run in report.user_properties
        if name == "story"
    ]
    if not runs:
        return
    terminalreporter.section("fault stories")
    names = list(runs[0])
    rows = [names, *([str(run[name]) for name in names] for run in runs)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(names))]
    for row in rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
