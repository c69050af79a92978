"""ADWIN: a window that shrinks when its old part and its new part differ in mean.

Source: A. Bifet and R. Gavaldà, "Learning from Time-Changing Data with Adaptive Windowing", SDM 2007.
River's sees a rise and a fall alike. On errors and losses a fall is good news: it restarts the
window as in River, and is not reported.
"""

from __future__ import annotations

from collections.abc import Mapping

from river import drift

from drift.detectors.detector import RiverDetector, Watch


class Adwin(RiverDetector):
    """ADWIN, one-sided on errors and losses."""

    def __init__(self, watch: Watch, params: Mapping[str, float]) -> None:
        super().__init__("adwin", watch, drift.ADWIN, params)

    def _fold(self, value: float) -> bool:
        mean_before = self._river.estimation
        fired = super()._fold(value)
        # When it fires it has dropped the old part: what is left is the new level.
        return fired and (self._watch == "number" or self._river.estimation > mean_before)
