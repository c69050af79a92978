"""The partitions that one stage merges, as they are fetched: fed chunk by chunk, paused while enough is in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from faust.types import TP

from streams.stages.merge import Input

if TYPE_CHECKING:
    from streams.kafka.fetching import Chunk
    from streams.kafka.member import Member


class Inputs:
    """`rows_max` rows of one input are held in memory; above it, its fetch is paused until half of them are used."""

    def __init__(self, member: Member, sides: Iterable[Input], rows_max: int) -> None:
        self.member, self.rows_max = member, rows_max
        self.sides = {TP(side.topic, side.partition): side for side in sides}
        self.paused: set[TP] = set()

    def feed(self, chunk: Chunk) -> bool:
        """Take what was fetched; False when it does not begin where the last chunk ended."""
        tp = TP(chunk.topic, chunk.partition)
        side = self.sides[tp]
        if not side.feed(chunk.start, chunk.stop, chunk.rows):
            return False
        if side.buffered > self.rows_max:
            self.paused.add(tp)
            self.member.consumer.on_buffer_full(tp)  # pause_partitions would lose what is fetched already
        return True

    def expected(self, chunk: Chunk) -> int:
        """Where the next chunk of this one's partition must begin."""
        return self.sides[TP(chunk.topic, chunk.partition)].read

    def read_ends(self) -> None:
        """Look how far each log goes by now."""
        ends = self.member.consumer.ends
        for tp, side in self.sides.items():
            side.end = ends.get(tp)

    def resume_fetching(self) -> None:
        """After a step: go on where there is room again."""
        for tp in list(self.paused):
            if self.sides[tp].buffered < self.rows_max // 2:
                self._resume(tp)

    def forget_buffered(self) -> None:
        """Before a seek to `positions`."""
        for side in self.sides.values():
            side.forget_buffered()
        for tp in list(self.paused):
            self._resume(tp)

    def positions(self) -> dict[TP, int]:
        """Where to read on."""
        return {tp: side.next for tp, side in self.sides.items()}

    def _resume(self, tp: TP) -> None:
        self.paused.discard(tp)
        self.member.consumer.on_buffer_drop(tp)
