"""A scorecard's figures as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drift.scorecard.card import Scorecard, by_name
from drift.scorecard.judging import Detections, Score

SUMMARY = ("contender", "false alarms per 100,000", "90 % interval", "as it came", "median delay", "missed",
           "right blame", "µs an event")  # fmt: skip
"""Headings of the first table; the second's are `change`, then the contenders."""
_PLAIN = 100
_HARDLY_MATTERS = 10


def rate(number: float) -> str:
    """A rate to three digits.

    >>> rate(0.0), rate(0.204), rate(12.34), rate(936.2)
    ('0', '0.20', '12.3', '936')
    """
    if math.isnan(number):
        return "-"
    if number == 0:
        return "0"
    return f"{number:.2f}" if number < _HARDLY_MATTERS else f"{number:.1f}" if number < _PLAIN else f"{number:,.0f}"


def delay(number: float, horizon: int) -> str:
    """In events; beyond the horizon where most trials missed."""
    if math.isnan(number):
        return "-"
    return f"> {horizon:,}" if math.isinf(number) else f"{number:,.0f}"


def share(number: float) -> str:
    """In per cent, a dash for none."""
    return "-" if math.isnan(number) else f"{number:.0%}"


def summary(card: Scorecard) -> list[tuple[str, ...]]:
    """Rows below `SUMMARY`."""
    return [_summary(score, card.config.horizon_rows) for score in card.scores]


def _summary(score: Score, horizon: int) -> tuple[str, ...]:
    low, high = score.drawn.interval
    overall = score.overall
    return (
        score.name,
        rate(score.drawn.rate),
        f"{rate(low)} to {rate(high)}",
        f"{score.as_it_came.alarms:,} in {score.as_it_came.events:,}",
        delay(overall.median, horizon),
        f"{overall.misses} of {overall.trials}",
        share(overall.blame),
        "-" if math.isnan(score.cost_us) else f"{score.cost_us:.1f}",
    )


def changes(card: Scorecard, names: Sequence[str] | None = None) -> list[tuple[str, ...]]:
    """One row a change: median delays and misses of each contender (or of these)."""
    scores = [score for score in card.scores if names is None or score.name in names]
    rows = []
    for _, sizes in by_name(card.tried):
        for tried in sizes:
            cells = (_cell(score.detections.get(tried.key), card.config.horizon_rows) for score in scores)
            rows.append((tried.key, *cells))
    return rows


def _cell(found: Detections | None, horizon: int) -> str:
    if found is None:
        return "-"
    if found.misses == found.trials:
        return "missed"
    missed = f" ({found.misses}/{found.trials} missed)" if found.misses else ""
    return f"{delay(found.median, horizon)}{missed}"
