"""Where the merged order went back in time: with these cuts, the logs alone say in which order rows were taken.

`merge` waits for every input until it has given what it was last known to hold. Yet a row may come into sight after
one that bears a later time: it was stored while the answer to the last question was under way, its copies were not
acknowledged yet, or another broker's clock is ahead. No wait makes that impossible. So nobody waits: the order in which
rows were taken is the order that counts, and what is told names each cut before which the order went back. Between two
of them rows were taken as `merge` sorts them, whatever the steps were; hence whoever takes the rows up to each such cut
before any behind it takes them in the very same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from streams.messages import Cut
from streams.stages.merge import Turn

SETBACKS_MAX = 4_096
"""Kept since the last window, the newest: only inputs without any prediction come to so many."""


class Setbacks:
    """Those since the last window that was told.

    >>> back, stood = Setbacks(), {"p/0": 0, "p/1": 0}
    >>> back.taken(Turn(30, 0, 0, 1, None))
    >>> stood["p/0"] = 2
    >>> back.taking(Turn(20, 0, 1, 0, None), stood.copy)
    >>> stood["p/1"] = 1
    >>> back.until(stood)
    [{'p/1': 0}]
    >>> setbacks_of(Cut("a", stood, back.until(stood)))
    [{'p/0': 2, 'p/1': 0}]
    """

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        saved = saved or {"last": (0, 0, 0, 0), "earlier": [], "newest": None}
        self._last: tuple[int, ...] = tuple(saved["last"])
        """Time, rank, partition and offset of the row that was taken last."""
        self._earlier: list[dict[str, int]] = list(saved["earlier"])
        """Oldest first, of each what had moved by the next one."""
        self._newest: dict[str, int] | None = saved["newest"]

    def taking(self, first: Turn, offsets: Callable[[], dict[str, int]]) -> None:
        """Before rows are taken that are sorted among themselves; `offsets` tells where they begin."""
        if first < self._last:
            newest = offsets()
            self._earlier = self.until(newest)[-SETBACKS_MAX + 1 :]
            self._newest = newest

    def taken(self, last: Turn) -> None:
        """After them."""
        self._last = last[:-1]

    def until(self, offsets: Mapping[str, int]) -> list[dict[str, int]]:
        """As a cut at these offsets tells them: oldest first, of each the inputs that had moved by the next one."""
        if self._newest is None:
            return []
        return [*self._earlier, {place: at for place, at in self._newest.items() if at != offsets[place]}]

    def told(self) -> None:
        """A window has named them: those to come count from its cut."""
        self._earlier, self._newest = [], None

    def dump(self) -> dict[str, Any]:
        """Msgpack-able; reads back through the constructor."""
        return {"last": self._last, "earlier": self._earlier, "newest": self._newest}


def setbacks_of(cut: Cut) -> list[dict[str, int]]:
    """The offsets of every input at each setback that a cut names, oldest first."""
    found, at = list[dict[str, int]](), dict(cut.offsets)
    for moved in reversed(cut.setbacks):
        at = at | moved
        found.append(at)
    return found[::-1]
