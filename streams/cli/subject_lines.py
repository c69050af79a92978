"""What changed, as lines: the subjects of an alert or of a retrain request, as they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streams.cli.wording import figure, one_line

if TYPE_CHECKING:
    from rich.text import Text

SUBJECTS_MAX = 5
SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_NAME_WIDTH = 40
_LABEL_WIDTH = 12
_STRENGTH_SHOWN = 1_000
"""A p-value of 0 is beyond any threshold."""


def comparison(subject: Mapping[str, Any]) -> str:
    """How large the change is, empty where that was not measured.

    >>> comparison({"source": "ks_distance", "value": 0.54, "threshold": 0.1})
    'ks_distance 0.54 > 0.1'
    """
    if not subject.get("source"):
        return ""
    value, threshold = subject.get("value"), subject.get("threshold")
    below = isinstance(value, int | float) and isinstance(threshold, int | float) and value < threshold
    return f"{one_line(subject['source'], _NAME_WIDTH)} {figure(value)} {'<' if below else '>'} {figure(threshold)}"


def subject_line(subject: Mapping[str, Any]) -> str:
    """One subject for a pipe: `feature:amount (mean +0.5 sd) ks_distance 0.83 > 0.1`."""
    said = f"{one_line(subject.get('subject', '?'))} ({_bet(subject)}) {comparison(subject)}"
    return said.strip()


def _bet(subject: Mapping[str, Any]) -> str:
    """Which stream of it has changed, and how."""
    aspect, bet = one_line(subject.get("aspect", "")), one_line(subject.get("bet", "?"))
    return bet if aspect in {"", "value", "error"} else f"{aspect}, {bet}"


def subject_text(subjects: Sequence[Mapping[str, Any]]) -> Text:
    """The first ones as aligned lines for a terminal, how many there are more at the end."""
    from rich.text import Text

    rows = [
        (
            one_line(subject.get("subject", "?"), _NAME_WIDTH),
            one_line(_bet(subject), _NAME_WIDTH),
            comparison(subject),
            _strength(subject),
        )
        for subject in subjects[:SUBJECTS_MAX]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    text = Text()
    for number, row in enumerate(rows):
        text.append("\n" if number else "")
        text.append(row[0].ljust(widths[0]) + "  ", style="bold")
        text.append(f"{row[1].ljust(widths[1])}  {row[2].ljust(widths[2])}  {row[3]}".rstrip())
    if len(subjects) > SUBJECTS_MAX:
        text.append(f"\nand {len(subjects) - SUBJECTS_MAX:,} more")
    return text


def _strength(subject: Mapping[str, Any]) -> str:
    strength = subject.get("strength")
    if not isinstance(strength, int | float) or not strength > 1:
        return ""
    return f"{strength:.1f} x the threshold" if strength < _STRENGTH_SHOWN else "far beyond the threshold"


def block(lines: Sequence[tuple[str, Text | str]]) -> Text:
    """Labelled lines below each other, indented; empty ones are left out.

    No table: it would break a path at the terminal's edge into two that nobody can copy.
    """
    from rich.text import Text

    text = Text()
    for label, content in lines:
        if not content:
            continue
        shown = Text(content) if isinstance(content, str) else content
        for number, part in enumerate(shown.split("\n")):
            text.append("\n" if text else "")
            text.append(f"  {'' if number else label}".ljust(_LABEL_WIDTH), style="dim")
            text.append_text(part)
    return text
