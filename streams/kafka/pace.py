"""How many rows one step may take, so that no stage holds the event loop longer than a few milliseconds."""

from __future__ import annotations

from collections.abc import Callable

STEP_S = 0.005
ROWS_MAX = 200


class Pace:
    """Follows the measured cost of a row.

    >>> pace = Pace()
    >>> pace.took(200, 0.2)  # a forest: 1 ms a row
    >>> pace.rows
    5
    """

    def __init__(self, told: Callable[[int, float], None] = lambda _rows, _seconds: None) -> None:
        self._told = told
        self.rows = ROWS_MAX // 4
        self._row_s = 0.0

    def took(self, rows: int, seconds: float) -> None:
        """One step's rows and its CPU time: waiting for a busy machine is no reason for smaller and dearer steps."""
        self._told(rows, seconds)
        cost = seconds / max(rows, 1)
        self._row_s = cost if self._row_s == 0 else 0.8 * self._row_s + 0.2 * cost
        self.rows = max(1, min(ROWS_MAX, int(STEP_S / self._row_s))) if self._row_s > 0 else ROWS_MAX
