"""What every detector here is: a number in, "fired" out, and a state that outlives the process."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from drift.detectors.standardiser import Standardiser

Watch = Literal["error", "loss", "number"]
"""`error`: 1 for a wrong prediction and 0 for a right one; only a rise counts.
`loss`: any number, greater is worse; only a rise counts.
`number`: a feature; a rise and a fall count.
"""

MAGNITUDE_MAX = 1e150
"""Beyond it a square is no longer a finite float, and one such value spoils a River detector for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """A detector between two rows.

    All but `river` is plain; River's object is for the caller's allowlist,
    which `DetectorSpec.classes` names.
    """

    name: str
    watch: Watch
    rows: int
    skipped: int
    learning: tuple[float, ...] = ()
    """Values kept until the scale is known."""
    scale: tuple[float, float] | None = None
    """(centre, scale) that values are standardised with."""
    river: object


class Detector(Protocol):
    """Watch one number per row in bounded memory."""

    @property
    def name(self) -> str:
        """Its name in the catalog."""

    @property
    def rows(self) -> int:
        """Usable values seen since it was built."""

    @property
    def skipped(self) -> int:
        """Values that were not finite numbers; they change nothing but this count."""

    def update(self, value: float) -> bool:
        """Fold in one value; True at the row where a change is seen, after which the next row starts afresh.

        Raises:
            ValueError: An `error` that is neither 0 nor 1.
        """

    def state(self) -> DetectorState:
        """A copy: later updates do not change it."""

    def restore(self, state: DetectorState) -> None:
        """Go on from `state`, as if never stopped.

        Raises:
            ValueError: The state is another detector's.
        """


class RiverDetector:
    """The adapter. Subclasses, one per detector, mend what River leaves open.

    All five of River's reset themselves at the first `update` after they fired, on a call
    that also counts the new row: nothing to do here, and a test holds it. The scale of numbers is
    learnt anew as well.
    """

    def __init__(self, name: str, watch: Watch, river: Callable[..., Any], params: Mapping[str, Any]) -> None:
        self._name = name
        self._watch: Watch = watch
        self._river = river(**params)
        self._standardiser = None if watch == "error" else Standardiser()
        self._rows = 0
        self._skipped = 0

    @property
    def name(self) -> str:
        """Its name in the catalog."""
        return self._name

    @property
    def rows(self) -> int:
        """Usable values seen since it was built."""
        return self._rows

    @property
    def skipped(self) -> int:
        """Values that were not finite numbers; they change nothing but this count."""
        return self._skipped

    def update(self, value: float) -> bool:
        """Fold in one value; True at the row where a change is seen."""
        value = float(value)
        if not math.isfinite(value) or abs(value) > MAGNITUDE_MAX:
            self._skipped += 1
            return False
        if self._watch == "error" and value not in {0.0, 1.0}:
            raise ValueError(f"{self._name}: an error must be 0 or 1, got {value!r}")
        self._rows += 1
        if self._standardiser is not None:
            standard = self._standardiser.transform(value)
            if standard is None:
                return False
            value = standard
        fired = self._fold(value)
        if self._standardiser is not None and self._river.drift_detected:
            self._standardiser = Standardiser()  # or a level beyond the clip would be the last one seen
        return fired

    def state(self) -> DetectorState:
        """A copy: later updates do not change it."""
        return DetectorState(
            name=self._name,
            watch=self._watch,
            rows=self._rows,
            skipped=self._skipped,
            learning=self._standardiser.learning if self._standardiser else (),
            scale=self._standardiser.scale if self._standardiser else None,
            river=copy.deepcopy(self._river),
        )

    def restore(self, state: DetectorState) -> None:
        """Go on from `state`, as if never stopped."""
        if (state.name, state.watch) != (self._name, self._watch):
            raise ValueError(f"state must be of {self._name} on {self._watch}, got {state.name} on {state.watch}")
        if type(state.river) is not type(self._river):
            raise ValueError(f"state.river must be a {type(self._river).__name__}, got {type(state.river).__name__}")
        self._rows, self._skipped = state.rows, state.skipped
        self._standardiser = None if self._watch == "error" else Standardiser(state.learning, state.scale)
        self._river = copy.deepcopy(state.river)

    def _fold(self, value: float) -> bool:
        self._river.update(value)
        return bool(self._river.drift_detected)
