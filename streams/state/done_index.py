"""Done ids that are no longer recent, found by hash and held to be there by their bytes alone.

Runs are gathered in blocks, each with a hash table of its own that is filled once and never grows: tables of one size
need no rehashing, which would hold the loop, and expire as they are. In front of the blocks stand Bloom filters, each
over the blocks of a segment, so that an id that was never seen costs one look per filter. A new filter has room for
twice the ids that are alive: most of the time the one before it is past the horizon, and there is no other.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.state.done_run import Run

Hashes = npt.NDArray[np.int64]

_FILTER_BLOCKS = 8  # at least: half a million ids and 1 MB, so that most pipelines have one filter
_FEW = 32  # one by one, they are quicker done than in arrays
_BYTES_PER_ID = 2  # 2 % of the ids that are absent go on to the tables
_TRIPLES = [sum(1 << bit for bit in bits) for bits in combinations(range(8), 3)]
PATTERNS = bytes(_TRIPLES[n % len(_TRIPLES)] for n in range(256))  # an id sets three bits of one byte
_PATTERN_OF = np.frombuffer(PATTERNS, np.uint8)


class Found(NamedTuple):
    """Where an id is."""

    number: int
    """Of its entry, counted from the first ever added."""
    run: Run
    place: int


class Block:
    """Some runs and an open-addressing table over them: a byte of each hash, and the entry's place in the block."""

    def __init__(self, rows_max: int) -> None:
        self.rows, self.rows_max = 0, rows_max
        slots = 1 << (2 * rows_max - 1).bit_length()  # at most half full, or probes would grow long
        self._mask = slots - 1
        self._tags = bytearray(slots)
        """0 is empty."""
        self._places = np.zeros(slots, np.min_scalar_type(rows_max - 1))
        self._starts: list[int] = []
        self.runs: list[tuple[int, Run]] = []
        """Number of the first entry, run."""

    @property
    def newest_ms(self) -> int:
        """Time of the newest entry."""
        return self.runs[-1][1].newest_ms

    def add(self, number: int, run: Run, hashes: Hashes) -> None:
        """Put in a run that there is room for; `number` is that of its first entry."""
        first = self.rows
        self._starts.append(first)
        self.runs.append((number, run))
        self.rows += len(run)
        tags, places = np.frombuffer(self._tags, np.uint8), self._places
        tag = (hashes >> 32 & 255).astype(np.uint8)
        tag[tag == 0] = 255
        place = np.arange(first, self.rows).astype(places.dtype)
        slot = hashes & self._mask
        while len(slot) > _FEW:
            free = tags[slot] == 0
            places[slot[free]] = place[free]
            won = free & (places[slot] == place)  # of several that wanted a slot, one
            tags[slot[won]] = tag[won]
            left = ~won
            slot, tag, place = (slot[left] + 1) & self._mask, tag[left], place[left]
        for at, known, where in zip(slot.tolist(), tag.tolist(), place.tolist(), strict=True):
            while self._tags[at]:
                at = (at + 1) & self._mask  # noqa: PLW2901 - a probe
            self._tags[at], places[at] = known, where

    def find(self, hashed: int, identity: bytes) -> Found | None:
        """The newest entry of the id."""
        tags, mask = self._tags, self._mask
        tag = hashed >> 32 & 255 or 255
        slot, newest = hashed & mask, None
        while known := tags[slot]:
            if known == tag:
                found = self._at(int(self._places[slot]))
                if (newest is None or found.number > newest.number) and found.run.holds(found.place, identity):
                    newest = found
            slot = (slot + 1) & mask
        return newest

    def _at(self, place: int) -> Found:
        which = bisect_right(self._starts, place) - 1
        number, run = self.runs[which]
        place -= self._starts[which]
        return Found(number + place, run, place)


class Segment:
    """Blocks behind one Bloom filter: `filter[hash & mask]` has the three bits of the id's pattern."""

    def __init__(self, ids_max: int) -> None:
        size = 1 << (_BYTES_PER_ID * ids_max - 1).bit_length()
        self.room = size // _BYTES_PER_ID
        self.mask = size - 1
        self.filter = bytearray(size)
        self.blocks: list[Block] = []

    def note(self, hashes: Hashes) -> None:
        """The filter lets these through from now on."""
        np.bitwise_or.at(np.frombuffer(self.filter, np.uint8), hashes & self.mask, _PATTERN_OF[hashes >> 24 & 255])
        self.room -= len(hashes)


class DoneIndex:
    """Runs oldest first, by id.

    >>> index = DoneIndex(block_rows=64)
    >>> index.add(0, Run.of([("a", "yes", 1_000)]), ["a"])
    >>> index.find("a").number, index.find("b")
    (0, None)
    """

    def __init__(self, block_rows: int) -> None:
        self._block_rows = block_rows
        self._segments: list[Segment] = []
        self.filters: list[tuple[bytearray, int]] = []
        """Of each segment: what says at once that an id is absent. See `may_hold`."""
        self.rows = 0
        self.oldest_ms: float = math.inf
        """Time of the newest entry of the oldest block, which can be dropped when that is past."""

    def add(self, number: int, run: Run, ids: list[str]) -> None:
        """Put in a run of at most `block_rows` with these ids, newer than all others, the first one's entry `number`.

        0.3 ms for 1,000 ids.
        """
        segments = self._segments
        if not segments or segments[-1].blocks[-1].rows + len(run) > self._block_rows:
            if not segments or segments[-1].room < self._block_rows:
                segments.append(Segment(max(2 * self.rows, _FILTER_BLOCKS * self._block_rows)))
                self.filters.append((segments[-1].filter, segments[-1].mask))
            segments[-1].blocks.append(Block(self._block_rows))
        hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
        segments[-1].note(hashes)
        segments[-1].blocks[-1].add(number, run, hashes)
        self.rows += len(run)
        self.oldest_ms = segments[0].blocks[0].newest_ms

    def find(self, identity: str) -> Found | None:
        """The newest entry of the id, None if there is none."""
        hashed = hash(identity)
        pattern = PATTERNS[hashed >> 24 & 255]
        for segment in reversed(self._segments):
            if segment.filter[hashed & segment.mask] & pattern == pattern:
                text = identity.encode()
                for block in reversed(segment.blocks):
                    if found := block.find(hashed, text):
                        return found
        return None

    def oldest(self) -> Block | None:
        """The block that expires next."""
        return self._segments[0].blocks[0] if self._segments else None

    def drop_oldest(self) -> None:
        """Forget the oldest block."""
        blocks = self._segments[0].blocks
        self.rows -= blocks[0].rows
        del blocks[0]
        if not blocks:
            del self._segments[0], self.filters[0]
        self.oldest_ms = self._segments[0].blocks[0].newest_ms if self._segments else math.inf

    def runs_from(self, number: int) -> list[tuple[int, Run]]:
        """(number of the first entry, run) of the runs that reach beyond this number, oldest first."""
        runs: list[tuple[int, Run]] = []
        for segment in reversed(self._segments):
            for block in reversed(segment.blocks):
                runs[:0] = [each for each in block.runs if each[0] + len(each[1]) > number]
                if block.runs[0][0] <= number:
                    return runs
        return runs
