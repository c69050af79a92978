"""Learn: the stage that owns one shard. It is a fold over the shard's partition of `examples`, and nothing else.

Each example names the label it came from, and how far that labels partition is closed. A label already learnt, or below
its partition's mark, is dropped: replays, zombies and re-emissions of any age change nothing. The check comes before
the mark is raised; in the other order labels are lost.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from learners.candidates import Candidates
from learners.output import Output as Said
from learners.scores import PrequentialScores
from streams.messages import Example
from streams.stages.merge import Row
from streams.stages.task import DeadLetter
from streams.state.intervals import Intervals

_link = hashlib.blake2b
_EXAMPLE: Callable[[bytes], Example] = msgspec.json.Decoder(Example).decode


class Learnt:
    """Which labels were learnt: marks by labels partition, and the offsets at or above them.

    >>> learnt = Learnt()
    >>> learnt.first_time(0, 7, closed=5), learnt.first_time(0, 7, closed=8), learnt.first_time(0, 6, closed=8)
    (True, False, False)
    """

    def __init__(self, saved: Mapping[int, tuple[int, list[Any]]] | None = None) -> None:
        self.marks: dict[int, int] = {}
        self.above: dict[int, Intervals] = {}
        for partition, (mark, ranges) in (saved or {}).items():
            self.marks[partition], self.above[partition] = mark, Intervals.from_list(ranges)

    def first_time(self, partition: int, offset: int, closed: int) -> bool:
        """Whether this label was not learnt before; from now on it was, and nothing below `closed` is new."""
        mark = self.marks.get(partition, 0)
        above = self.above.get(partition)
        if above is None:
            above = self.above[partition] = Intervals()
        if mark <= offset < closed and not above:  # no label waits: what comes in below would go out again at once
            self.marks[partition] = closed
            return True
        new = offset >= mark and offset not in above
        if new:
            above.add(offset)
        if closed > mark:
            self.marks[partition] = closed
            above.discard_below(closed)
        return new

    def dump(self) -> dict[int, tuple[int, list[Any]]]:
        """Msgpack-able; reads back through the constructor."""
        return {partition: (self.marks.get(partition, 0), above.to_list()) for partition, above in self.above.items()}


class Learner:
    """One shard: candidates that learn every example once, and their prequential scores.

    It is the `Predictor` of its own worker's tasks: `version` is the examples offset it has learnt to.
    """

    def __init__(
        self,
        shard: int,
        topic: str,
        candidates: Candidates,
        scores: PrequentialScores,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        saved = saved or {}
        self.shard, self.topic = shard, topic
        self.candidates, self.scores = candidates, scores
        self.champion: str = candidates.champion
        self.labels = frozenset((type(label), label) for label in candidates.target.labels)
        """With their types: 1 and true are two labels."""
        self.version: int = saved.get("next", 0)
        self.learnt = Learnt(saved.get("learnt"))
        self.ledger: Counter[str] = Counter(saved.get("ledger", {}))
        self.taught: tuple[int, int, int] | None = None
        """Of the last `learn`: record times of its first and last label, and how many it learnt; None for none."""
        self.chain: bytes = saved.get("chain", b"")
        """Hash over the learnt labels in their order: equal chains mean equal histories."""

    def predict(self, features: Mapping[str, float | int | str]) -> dict[str, Said]:
        """What every candidate and baseline says now."""
        return self.candidates.predict(features)

    def learn(self, rows: Iterable[Row]) -> list[DeadLetter]:
        """Fold in rows of `examples`, in offset order; rows below `version` are skipped."""
        dead: list[DeadLetter] = []
        fresh: list[tuple[Row, Example]] = []
        first_time, labels, ledger, chain = self.learnt.first_time, self.labels, self.ledger, self.chain
        for row in rows:
            if row.offset < self.version:
                continue
            self.version = row.offset + 1
            try:
                example = _EXAMPLE(row.value or b"")
                if (type(example.label), example.label) not in labels:
                    self.candidates.target.parse(example.label)
            except (msgspec.DecodeError, ValueError, RecursionError):
                ledger["failed"] += 1
                dead.append(DeadLetter(self.topic, self.shard, row, "$ must be an example as millrace writes them"))
                continue
            partition, offset = example.label_source
            if not first_time(partition, offset, example.closed):
                ledger["duplicate"] += 1
            elif example.kind == "correction":
                ledger["correction"] += 1  # learning skips it: a model cannot unlearn
            else:
                fresh.append((row, example))
                chain = _link(b"%b%d/%d" % (chain, partition, offset), digest_size=16).digest()
        self.chain = chain
        self.taught = (fresh[0][1].label_ms, fresh[-1][1].label_ms, len(fresh)) if fresh else None
        if fresh:
            dead += self._learn(fresh)
            dead.sort(key=_offset)
        return dead

    def _learn(self, fresh: Sequence[tuple[Row, Example]]) -> list[DeadLetter]:
        self.scores.update_all(
            [(example.label, {**example.candidates, example.model: example}) for _, example in fresh]
        )
        self.ledger["learnt"] += len(fresh)
        failures = self.candidates.learn_all([(example.features, example.label) for _, example in fresh])
        if not failures:
            return []
        self.ledger["candidate_failed"] += len(failures)
        reasons: dict[int, list[str]] = {}
        for place, failure in failures:
            suspended = " and is suspended" if failure.suspended else ""
            reasons.setdefault(place, []).append(
                f"candidate {failure.candidate} raised {failure.error} in learn_one{suspended}"
            )
        return [
            DeadLetter(self.topic, self.shard, fresh[place][0], "; ".join(found)) for place, found in reasons.items()
        ]

    def dump(self) -> dict[str, Any]:
        """State as of now, msgpack-able: candidates as their snapshot."""
        return self.dump_without_candidates() | {"candidates": self.candidates.snapshot()}

    def dump_without_candidates(self) -> dict[str, Any]:
        """The same for whoever takes the snapshot at leisure, while nothing is learnt."""
        return {
            "next": self.version,
            "learnt": self.learnt.dump(),
            "ledger": dict(sorted(self.ledger.items())),  # how the log came in parts is not to be seen
            "chain": self.chain,
            "scores": self.scores.snapshot(),
        }

    def counts(self) -> dict[str, int]:
        """The ledger: examples = learnt + correction + duplicate + failed."""
        return dict(self.ledger)


def _offset(letter: DeadLetter) -> int:
    return letter.row.offset
