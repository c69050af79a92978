"""A season that people know to be in their data."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PERIOD = re.compile(r"(\d+(?:\.\d+)?) ?(rows|s|m|h|d)")
_PERIOD_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A season that is known to be there: one of the two is given."""

    rows: float | None = None
    ms: float | None = None

    @classmethod
    def parse(cls, text: str, path: str = "period") -> Period:
        """Read `24h`, `7 d`, `48 rows`.

        >>> Period.parse("24h").ms, Period.parse("48 rows").rows
        (86400000.0, 48.0)

        Raises:
            ValueError: It is not of that form, or nothing.
        """
        found = _PERIOD.fullmatch(text.strip())
        if not found or not float(found[1]) > 0:
            raise ValueError(f'{path} must be like "24h" or "48 rows", got {text!r}')
        length = float(found[1])
        return cls(rows=length) if found[2] == "rows" else cls(ms=length * _PERIOD_MS[found[2]])

    def phase(self, position: int, event_ms: int) -> float:
        """Periods since an origin that does not matter."""
        return position / self.rows if self.rows is not None else event_ms / (self.ms or 1.0)
