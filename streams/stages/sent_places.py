"""Where the predictions of a task lie in their log, as far as the broker has said it: lower bounds, not each one's."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

TAIL_SHARE = 1024
"""A restart reads at most this part more of the predictions than reach back to the oldest pending one in memory."""


class SentPlaces:
    """Offsets of predictions below which those of a source, and of later ones, do not lie.

    Not of all batches: a prediction that waits for days must not keep an entry for each batch behind it. None that is
    made from now on lies below `reached`.

    >>> places = SentPlaces(reached=40)
    >>> places.acknowledged([7, 8], first=50)
    >>> places.acknowledged([9, 12], first=53)
    >>> places.floors_of([6, 7, 12]), places.start(oldest=8, end=55), places.start(oldest=None, end=55)
    ([40, 50, 53], 50, 55)
    """

    def __init__(self, reached: int) -> None:
        self.reached = reached
        self._sent: deque[tuple[int, int]] = deque()
        """Of batches that the broker holds: the first source, and its offset in predictions; ascending."""

    def acknowledged(self, sources: Sequence[int], first: int) -> None:
        """The broker holds the predictions of these sources, from offset `first` of the predictions partition on."""
        sent = self._sent
        # Whoever looks for a batch that is left out finds one before it.
        if sources and (not sent or first - sent[-1][1] >= (first - sent[0][1]) // TAIL_SHARE):
            sent.append((sources[0], first))

    def start(self, oldest: int | None, end: int) -> int:
        """Below it none lies whose source is `oldest` or later; earlier sources are not asked for any more.

        `end` is that of the log as far as it is acknowledged; `oldest` is None if no source is asked for.
        """
        sent = self._sent
        if oldest is None:
            sent.clear()
            self.reached = max(self.reached, end)
        else:
            while len(sent) > 1 and sent[1][0] <= oldest:  # predictions go out in the order of their sources
                sent.popleft()
        return min(end, sent[0][1]) if sent else end

    def floors_of(self, sources: Sequence[int]) -> list[int]:
        """Of each of these sources a bound of its own."""
        firsts, offsets = [first for first, _ in self._sent], [self.reached, *(offset for _, offset in self._sent)]
        return [offsets[bisect_right(firsts, source)] for source in sources]
