"""River's detectors as contenders, through the adapters that a pipeline uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from drift.columns import Column
from drift.detectors import CATALOG, Detector, DetectorState, Watch, build_detector
from drift.evidence import ColumnKind
from drift.scorecard.contenders import Columnwise


class RiverDetectors(Columnwise):
    """One detector on every numeric column and the loss, or on the loss alone where it takes errors only."""

    def __init__(
        self, detector: str, *, indicator: bool, params: Mapping[str, float] | None = None, name: str = ""
    ) -> None:
        self._watches = CATALOG[detector].watches
        features = "number" in self._watches
        params = dict(params or {})
        told = ", ".join(f"{key} {value:g}" for key, value in params.items()) or "millrace's defaults"
        super().__init__(name or detector, f"River's, {'each number and the loss' if features else 'the loss'}; {told}")
        self._detector, self._params = detector, params
        self._loss: Watch = "error" if indicator else "loss"
        self._warm: dict[str, tuple[Column, DetectorState]] = {}

    def watches(self, kind: ColumnKind | None) -> bool:
        """No categories."""
        return self._loss in self._watches if kind is None else kind != "categorical" and "number" in self._watches

    def judge(self, name: str, kind: ColumnKind | None, reference: Column, rows: Column) -> Iterator[tuple[int, float]]:
        """The reference warms it up; every alarm is as strong as any other."""
        detector = self._built(kind)
        known = self._warm.get(name)
        if known is None or known[0] is not reference:
            for value in reference.astype(np.float64).tolist():
                detector.update(value)
            self._warm[name] = reference, detector.state()
        else:
            detector.restore(known[1])
        for row, value in enumerate(rows.astype(np.float64).tolist(), 1):
            if detector.update(value):
                yield row, 1.0

    def _built(self, kind: ColumnKind | None) -> Detector:
        return build_detector(self._detector, watch=self._loss if kind is None else "number", params=self._params)
