"""Chunks that do not begin where the last one ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from streams.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from faust.types import TP

    from streams.kafka.seam import Chunk

HEAL_S = 10.0
"""Chunks fetched before a seek may still come for a moment; a hole that stays longer is lost input."""


class _Owned(Protocol):
    def positions(self) -> Mapping[TP, int]: ...
    def forget_buffered(self) -> None: ...


class _Owner(Protocol):
    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> object: ...
    async def seek_and_resume(self, positions: Mapping[TP, int]) -> None: ...


class Holes:
    """Tells a chunk that is only out of date from input that is gone."""

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
            StateError: it has not healed for `HEAL_S`.
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
            raise StateError(
                f"{chunk.topic}/{chunk.partition} must go on at offset {expected}, got rows from {chunk.start}: "
                "input is gone; `millrace rebuild --accept-gap` goes on without it"
            )
