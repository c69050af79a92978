"""`millrace alerts`: what the monitor has told people, and what it tells them now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from streams.cli.option_lists import spread
from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.subject_lines import SEVERITY_STYLES, block, subject_line, subject_text
from streams.cli.subscription import Wanted, show_records
from streams.cli.wording import iso_time, local_time, one_line, plural, span

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config import Config
    from streams.kafka.subscribing import Record
    from streams.messages import Alert

app = typer.Typer(no_args_is_help=False)

_MARKS = {"started": "●", "escalated": "▲", "recovered": "✓", "closed": "✓"}


@app.command(epilog="Examples:  millrace alerts   |   millrace alerts --follow   |   millrace alerts --since 1h --json")
@spread
def alerts(wanted: Wanted, config: ConfigOption = CONFIG, override: SetOption = None) -> None:
    """Show alerts: each phase of an incident (started, escalated, recovered, closed) is one.

    In a pipe each is one line, tab-separated: time, severity, phase, incident, title, since, subjects, hurt, model,
    report, cut. Reading leaves nothing on the broker; an alert may come twice after a crash, under the same id.
    """
    from streams.messages import Alert

    loaded = load_config(config, override)
    show_records(
        loaded,
        "alerts",
        Alert,
        wanted,
        lambda alert, record: alert_block(loaded, alert, record.timestamp),
        alert_line,
    )


def alert_line(alert: Alert, record: Record) -> str:
    """One alert for a pipe."""
    columns = [
        iso_time(record.timestamp),
        alert.severity,
        alert.phase + (f" ({alert.reason})" if alert.reason else ""),
        alert.incident,
        alert.title,
        f"since {iso_time(alert.since_ms)}",
        "; ".join(map(subject_line, alert.subjects)),
        alert.hurt.words,
        f"{alert.model}@{alert.version}",
        f"report {alert.report or '-'}",
        f"cut {alert.cut.id}",
    ]
    return "\t".join(one_line(column) for column in columns)


def alert_block(config: Config, alert: Alert, told_ms: int) -> Any:  # noqa: ANN401 - rich's
    """One alert for a terminal."""
    from rich.console import Group
    from rich.text import Text

    from streams.messages import ENDS

    over = alert.phase in ENDS
    style = "bold green" if over else SEVERITY_STYLES[alert.severity]
    head = Text.assemble(
        (f"{_MARKS[alert.phase]} {alert.phase}", style),
        " ",
        (alert.severity, "dim" if over else style),
        "  ",
        (one_line(alert.title), "bold"),
    )
    ago = span(time.time() * 1000 - told_ms)
    lasted = f", {plural(alert.events, 'event')} after the alarm" if alert.events else ""
    lines: list[tuple[str, Text | str]] = [
        ("told", f"{local_time(told_ms)}, {ago} ago{lasted}"),
        ("because", _reason(alert)),
        ("since", local_time(alert.since_ms)),
        ("changed", subject_text(alert.subjects)),
        ("hurts", one_line(alert.hurt.words)),
        ("budget", one_line(f"{alert.false_alarms}; {_standing(alert)}")),
        ("model", f"{one_line(alert.model)}, version {alert.version:,}"),
        ("report", report_line(config, alert.report)),
        ("incident", f"{one_line(alert.incident)}, cut {one_line(alert.cut.id)}"),
    ]
    return Group(head, block(lines))


def _reason(alert: Alert) -> str:
    known = {
        "quiet": "nothing differs from the reference any more",
        "rebased": "what was new is the reference now",
        "hurts": "the loss is worse since",
    }
    return known.get(alert.reason, one_line(alert.reason))


def _standing(alert: Alert) -> str:
    """What is promised of the one that raised the alarm."""
    return str(alert.subjects[0].get("standing", "")) if alert.subjects else ""


def report_line(config: Config, report: str | None) -> str:
    """Where an incident's page is, and whether it is there."""
    if report is None:
        return "none (reports.on_incident = false)"
    place = report_path(config, report)
    if place is None:
        return one_line(report)
    return one_line(place) if place.is_file() else f"{one_line(place)} (not on this machine, or not rendered yet)"


def report_path(config: Config, report: str) -> Path | None:
    """The page below `reports.folder`; None where the record points out of it."""
    folder = config.path(config.reports.folder).resolve()
    place = (folder / report).resolve()
    return place if place.is_relative_to(folder) else None
