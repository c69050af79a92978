"""DDM: an alarm when the error rate leaves its lowest level by three standard deviations.

Source: J. Gama et al., "Learning with Drift Detection", SBIA 2004, 286-295.

Its lowest level is 0 with a deviation of 0 after a start without an error, and then the first error is
an alarm: a model that errs once in a thousand rows would raise one at nearly every error. So each fresh start
begins with one error that was not there, and the level is taken after 100 rows, not 30.
"""

from __future__ import annotations

from collections.abc import Mapping

from river.drift import binary

from drift.detectors.detector import RiverDetector, Watch


class Ddm(RiverDetector):
    """DDM, safe for models that hardly err."""

    def __init__(self, watch: Watch, params: Mapping[str, float]) -> None:
        super().__init__("ddm", watch, binary.DDM, params)
        self._river.update(1)

    def _fold(self, value: float) -> bool:
        if self._river.drift_detected:
            self._river.update(1)  # River starts afresh here
        return super()._fold(value)
