"""Chunks that do not begin where the last one ended: rows that were fetched and never came here.

A log that has lost rows looks otherwise: its chunks go on one behind the other, or its fetch ends with an error. So a
hole says nothing of the log. What a log no longer holds is found at the start: see `reading.require_held`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from streams.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from faust.types import TP

    from streams.kafka.fetching import Chunk

HEAL_S = 10.0
"""Chunks fetched before a seek may still come for a moment; a hole that stays longer will not heal."""


class _Owned(Protocol):
    def positions(self) -> Mapping[TP, int]: ...
    def forget_buffered(self) -> None: ...


class _Owner(Protocol):
    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> object: ...
    async def seek_and_resume(self, positions: Mapping[TP, int]) -> None: ...


class Holes:
    """Tells a chunk that is only out of date from one whose predecessor is missing."""

    def __init__(self, owned: _Owned, clock: Callable[[], float] = time.monotonic) -> None:
        self.owned, self.clock = owned, clock
        self._since: dict[tuple[str, int], float] = {}
        """By partition: a chunk of another one that fits heals nothing."""

    def none(self, chunk: Chunk) -> None:
        """This one fitted."""
        if self._since:
            self._since.pop((chunk.topic, chunk.partition), None)

    def found(self, owner: _Owner, chunk: Chunk, expected: int) -> None:
        """A chunk did not fit: older ones are dropped, for a later one the input is read again from `expected`.

        Raises:
            BrokerError: it has not healed for `HEAL_S`.
        """
        if chunk.start < expected:
            return
        place, now = (chunk.topic, chunk.partition), self.clock()
        since = self._since.get(place)
        if since is None:
            self._since[place] = now
            self.owned.forget_buffered()
            owner.spawn(owner.seek_and_resume(self.owned.positions()), "seek-again")
        elif now - since > HEAL_S:
            raise BrokerError(
                f"could not read {chunk.topic}/{chunk.partition} on at offset {expected}: only rows from {chunk.start} "
                f"came for {HEAL_S:g} s. The next start goes on from the last checkpoint, and tells what to do if the "
                "log no longer holds what comes then"
            )
