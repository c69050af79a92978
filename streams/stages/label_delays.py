"""How labels come in: how many predictions have theirs, and how long they took."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

QUANTILES = (0.5, 0.9, 0.99)


class LabelDelays:
    """Counts since the start, and the delays of the last `rows` examples.

    >>> delays = LabelDelays(rows=100)
    >>> delays.predicted(); delays.predicted(); delays.joined("a", 250)
    >>> report = delays.report(["a", "b"])
    >>> report["predictions"], report["examples"], report["coverage"], report["delay_ms"]["p50"]
    (2, 1, 0.5, 250.0)
    """

    def __init__(self, rows: int) -> None:
        self.counts = {"predictions": 0, "examples": 0, "corrections": 0}
        self._recent: deque[tuple[str, int]] = deque(maxlen=4 * rows)

    def predicted(self) -> None:
        """A prediction that was not seen before."""
        self.counts["predictions"] += 1

    def joined(self, identity: str, delay_ms: int) -> None:
        """An example that was not seen before."""
        self.counts["examples"] += 1
        self._recent.append((identity, delay_ms))

    def corrected(self) -> None:
        """A second, different label."""
        self.counts["corrections"] += 1

    def report(self, window_ids: Iterable[str]) -> dict[str, Any]:
        """Counts, the share of the window's rows that have their label by now, and delay quantiles in ms."""
        known = {identity for identity, _ in self._recent}
        ids = list(window_ids)
        covered = sum(identity in known for identity in ids)
        delays = [delay for _, delay in self._recent]
        values = np.quantile(delays, QUANTILES).tolist() if delays else [None] * len(QUANTILES)
        return {
            **self.counts,
            "coverage": covered / len(ids) if ids else None,
            "delay_ms": {f"p{round(100 * q)}": value for q, value in zip(QUANTILES, values, strict=True)},
        }

    def snapshot(self) -> dict[str, Any]:
        """Plain, msgpack-able."""
        return {"counts": dict(self.counts), "recent": list(self._recent)}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        self.counts = dict(snapshot["counts"])
        self._recent.clear()
        self._recent.extend((identity, delay) for identity, delay in snapshot["recent"])
