"""What every process tells of itself, and how scores are told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from streams.config import Config
from streams.observability.families import Figures
from streams.observability.health import Condition

BASELINES = frozenset({"no_change", "prior", "mean"})


def process_figures(role: str, condition: Condition, figures: Figures) -> None:
    """Who it is and whether it is ready."""
    figures.add("millrace_info", 1, version("millrace"), role)
    figures.add("millrace_ready", int(condition.ready))


def role_of(config: Config, candidate: str) -> str:
    """What a candidate is in this pipeline."""
    if candidate in BASELINES:
        return "baseline"
    return "champion" if candidate == config.models.champion else "challenger"


def scores(
    config: Config, report: Mapping[str, Any], span: str | None = "window"
) -> Iterator[tuple[str, str, str, float]]:
    """(Candidate, role, score's name, value) of every score in a report that is a number; `span` None: it is flat."""
    for candidate, told in report.items():
        for name, value in (told[span] if span else told).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                continue
            if name not in {"examples", "unscored"}:
                yield candidate, role_of(config, candidate), name, float(value)
