"""What the stages of one kind have done since this process began: counted as they work, a batch at a time.

Work done again after a crash or a rebalance counts again: a rate is what the process did. The exact ledgers, which
count everything once, are in the checkpoints (`millrace status`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from streams.observability.histogram import LATENCY_S, PAUSE_S, ROWS, WRITE_S, Histogram


class Work:
    """All stages of a kind (task, shard, monitor) together.

    >>> work, ledger = Work(), Counter(joined=100)  # as a checkpoint left it
    >>> work.follow("task-0", ledger)
    >>> ledger["joined"] += 5
    >>> work.follow("task-0", Counter(joined=99))  # revoked, and restored later from another's checkpoint
    >>> work.counts()["joined"]
    5
    """

    def __init__(self) -> None:
        self.rows = Histogram(ROWS)
        """Rows of a step."""
        self.cpu_s = 0.0
        """Of all steps."""
        self.latency = Histogram(LATENCY_S)
        """From the input's record time to the output: a batch lies evenly between its oldest and newest row."""
        self.pauses = Histogram(PAUSE_S)
        """How long a cut held the event loop."""
        self.writes = Histogram(WRITE_S)
        """From a cut to its durable checkpoint."""
        self._ledgers: dict[str, tuple[Mapping[Any, int], Mapping[Any, int]]] = {}
        self._before: Counter[Any] = Counter()
        """Of ledgers that are not followed any more."""

    def took(self, rows: int, seconds: float) -> None:
        """A step is over."""
        self.rows.observe(rows)
        self.cpu_s += seconds

    def passed(self, oldest_ms: int, newest_ms: int, now_ms: float, times: int) -> None:
        """So many rows of these record times are through; a broker's clock that is ahead of ours counts as no delay."""
        self.latency.spread(max(0.0, now_ms - newest_ms) / 1000, max(0.0, now_ms - oldest_ms) / 1000, times)

    def follow(self, name: str, ledger: Mapping[Any, int]) -> None:
        """Count from here what this ledger gains; the one followed before under the same name counts as it is now."""
        if name in self._ledgers:
            self._before.update(_gained(*self._ledgers[name]))
        self._ledgers[name] = ledger, dict(ledger)

    def counts(self) -> Counter[Any]:
        """What all ledgers gained, by word."""
        total = Counter(self._before)
        for ledger, base in self._ledgers.values():
            total.update(_gained(ledger, base))
        return total


def _gained(ledger: Mapping[Any, int], base: Mapping[Any, int]) -> dict[Any, int]:
    return {word: count - base.get(word, 0) for word, count in ledger.items()}
