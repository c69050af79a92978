"""Everybody that a scorecard judges."""

from __future__ import annotations

import numpy as np

from drift.budget import AlarmBudgetConfig
from drift.detectors import CATALOG
from drift.scorecard.budgeted import Budgeted, with_joint
from drift.scorecard.changes import NUMBERS
from drift.scorecard.contenders import AlwaysFires, Contender, NeverFires
from drift.scorecard.river import RiverDetectors
from drift.scorecard.stretch import Stretch
from drift.scorecard.windows import EVIDENTLY, Windows, WindowSettings, calibrated

STATISTICS = (EVIDENTLY, "psi", "jensenshannon")
"""Of windows, at default thresholds and at calibrated ones."""
BUDGET = "millrace"
SHOWN = (
    BUDGET,
    f"{BUDGET}, joint",
    "adwin",
    "page_hinkley",
    f"{EVIDENTLY} windows",
    f"{EVIDENTLY} windows, calibrated",
)
"""Where there is no room for all of them."""
CALIBRATION_DRAWS = 200
_RIVERS_PAGE_HINKLEY = {"min_instances": 30, "delta": 0.005, "threshold": 50.0, "alpha": 0.9999}


def contenders(
    stretch: Stretch, budget: AlarmBudgetConfig, windows: WindowSettings, *, events_per_alarm: float,
    reference_rows: int, seed: int, draws: int = CALIBRATION_DRAWS,
) -> list[Contender]:  # fmt: skip
    """In the order they are shown: the pipeline's own settings, alternatives, controls."""
    found: list[Contender] = [Budgeted(BUDGET, f"the pipeline's settings: {_words(events_per_alarm)}", budget)]
    numbers = sum(kind in NUMBERS for kind in stretch.kinds.values())
    if not budget.joint and numbers > 1:
        found.append(Budgeted(f"{BUDGET}, joint", "the same with drift.joint = true", with_joint(budget)))
    for name, spec in CATALOG.items():
        if "number" in spec.watches or (stretch.losses is not None and stretch.indicator):
            found.append(RiverDetectors(name, indicator=stretch.indicator))
    found.append(
        RiverDetectors(
            "page_hinkley", indicator=stretch.indicator, params=_RIVERS_PAGE_HINKLEY, name="page_hinkley, River's"
        )
    )
    found += [Windows(statistic, windows) for statistic in STATISTICS]
    rng = np.random.default_rng([seed, 2])
    for statistic in STATISTICS:
        heights = calibrated(statistic, windows, stretch, reference_rows, events_per_alarm, draws, rng)
        found.append(Windows(statistic, windows, heights))
    return [*found, AlwaysFires(seed), NeverFires()]


def _words(events_per_alarm: float) -> str:
    return f"1 false alarm per {events_per_alarm:,.0f} events"
