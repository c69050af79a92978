"""What must have become of the events and labels of one partition, worked out from their two logs alone.

The rule: a label joins its event if -early <= label - event <= wait, by the record times; an id is known while its
prediction waits for a label, and after it has one for the dedupe horizon. All of it is done in the order of record
times, without sweeps, marks or buffers.

Two things no log can say. Whether an id that comes again just when it is forgotten was still known depends on which
record a worker saw first: there what the outputs say is taken (`slack_ms`). And where a log begins later than its
pipeline did, nobody knows what came before: until `trust_ms` of stream time the outputs are believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from streams.messages import Label
from streams.topic_logs import Row
from streams.verify.columns import Column, digest
from streams.verify.inputs import Inputs

PREDICTED, REPEATED, EVENT_DEAD, MISTOLD = 1, 2, 3, 4
"""Fates of an event; `MISTOLD` is one whose prediction is of something else."""
JOINED, DUPLICATE, CORRECTION, ORPHAN, WAITS, LABEL_DEAD, UNKNOWN = 1, 2, 3, 4, 5, 6, 7
"""Fates of a label; `WAITS` is one whose event has not come, late or early."""
LENIENT = 0x80
"""Beside a fate: it may as well have been another."""
_CORRECTED = 1
_SWEEP_ROWS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`[labels]` and `[join]` of the configuration."""

    wait_ms: int
    early_ms: int
    grace_ms: int
    horizon_ms: int
    slack_ms: int
    """How far a worker's stream time may be from that of an ideal observer."""

    @property
    def memory_ms(self) -> int:
        """After so much stream time nothing that came before matters any more."""
        return self.horizon_ms + self.wait_ms + self.early_ms + 3 * self.grace_ms


class Outputs(NamedTuple):
    """What the logs say became of one partition, by offset."""

    subjects: Column
    """Event → digest of its first prediction's id, features and time; 0: none."""
    subjects_ms: int
    """Record time of the first prediction held, 0 if all of them are: those of earlier events may be gone."""
    met: Column
    """Label → its first example: 1 for a correction, else the event's offset + 2; 0: none."""
    met_ms: int
    """Record time of the first example held, 0 if all of them are: those of earlier labels may be gone."""
    dead: Mapping[tuple[str, int], bool]
    """Kind (`event`, `label`) and offset of the dead letters → whether the reason is a setting, which may change."""


class _Waiting(NamedTuple):
    offset: int
    ms: int
    label: Label


class Timeline:
    """One partition replayed. Feed it once by `run`; then look at what it holds."""

    def __init__(self, rules: Rules, inputs: Inputs, outputs: Outputs, *, believe: bool) -> None:
        self.rules, self.inputs, self.outputs = rules, inputs, outputs
        self.believe = believe
        """Whether records from before the log's beginning may have been known."""
        self.trust_ms: int | None = None
        self.now_ms = 0
        self.event_fates, self.label_fates = Column("B"), Column("B")
        self.event_ms, self.label_events = Column(), Column()
        """`label_events`: the event that a label joined, + 1."""
        self.met_from = 0
        """Examples of labels below this offset may be gone."""
        self.counts: Counter[str] = Counter()
        self.either: Counter[str] = Counter()
        """Decisions that could have gone otherwise, and left no trace."""
        self._pending: dict[int, int] = {}
        self._done: dict[int, tuple[Label, int]] = {}
        self._waiting: dict[int, list[_Waiting]] = {}
        self.unsure: set[int] = set()
        """Events of which nobody can know whether they were new, or whether the one before was still known."""
        self._unsure: dict[int, int] = {}
        """Ids of which that holds → until when it matters."""
        self.unburied: dict[tuple[str, int], str] = {}
        """Kind and offset of what must be a dead letter and is none → what is wrong with it."""
        self.good: set[tuple[str, int]] = set()
        """Kind and offset of what is a dead letter, and must not be."""
        self._rows = self._next_event = 0

    def run(self, events: Iterable[Row], labels: Iterable[Row], trust_from: tuple[int, int] | None = None) -> None:
        """Replay both logs; `trust_from` are their first record times, where they may not be whole."""
        if trust_from is not None:
            self.trust_ms = max(trust_from) + self.rules.memory_ms
        for ms, is_label, row in in_order(events, labels):
            self.now_ms = max(self.now_ms, ms)
            self._rows += 1
            if self._rows % _SWEEP_ROWS == 0:
                self._forget(self.rules.slack_ms)
            if is_label:
                self._label(row)
            else:
                self._event(row)
        self._forget(0)
        words = ("joined", "duplicate", "correction", "label_dead")
        self.counts["unjoined"] = self.counts["labels"] - sum(self.counts[word] for word in words)

    def pending(self) -> set[int]:
        """Events whose prediction still waits for its label."""
        return set(self._pending.values())

    def waiting(self) -> set[int]:
        """Labels that may still meet their event."""
        bound_ms = self.now_ms - self.rules.early_ms - self.rules.grace_ms
        return {entry.offset for entries in self._waiting.values() for entry in entries if entry.ms >= bound_ms}

    @property
    def in_the_dark(self) -> bool:
        """Whether what came before the log's beginning may matter now."""
        return self.trust_ms is not None and self.now_ms < self.trust_ms

    # -- events --------------------------------------------------------------------------------------------------

    def _event(self, row: Row) -> None:
        offset = row.offset
        self._next_event = offset + 1
        self.counts["events"] += 1
        event = self.inputs.event(row)
        if self._is_dead("event", offset, event.problem, arguable=event.arguable):
            self.event_fates[offset] = EVENT_DEAD
            return
        key = hash(event.identity)
        new, close = self._is_new(key, row.timestamp)
        if close or self._is_unsure(key) or (self.believe and self.in_the_dark):
            told = bool(self.outputs.subjects[offset])
            if told or row.timestamp > self.outputs.subjects_ms:
                new = told
            else:  # nobody can know
                self.either["events"] += 1
                self._lose(key)
                self.unsure.add(offset)
        if not new:
            lenient = LENIENT if self.in_the_dark or self._is_unsure(key) else 0
            self.event_fates[offset] = REPEATED | lenient
            self.counts["event_duplicate"] += 1
            return
        self.event_fates[offset] = PREDICTED
        self.event_ms[offset] = row.timestamp
        self.counts["predicted"] += 1
        said = self.outputs.subjects[offset]
        if said and said != digest((event.identity, event.features, row.timestamp)):
            self.event_fates[offset] = MISTOLD
        self._pending[key] = offset
        self._done.pop(key, None)
        for entry in self._waiting.pop(key, ()):
            self._settle(key, entry)

    def _is_new(self, key: int, event_ms: int) -> tuple[bool, bool]:
        """Whether an id is unknown to an event of this time, and whether that is a close call."""
        rules = self.rules
        source = self._pending.get(key)
        if source is not None:
            until_ms, asked_ms = self.event_ms[source] + rules.wait_ms + rules.grace_ms, event_ms
        elif (done := self._done.get(key)) is not None:
            until_ms, asked_ms = done[1] + rules.horizon_ms, self.now_ms
        else:
            return True, False
        return until_ms < asked_ms, abs(until_ms - asked_ms) < rules.slack_ms

    # -- labels --------------------------------------------------------------------------------------------------

    def _label(self, row: Row) -> None:
        offset = row.offset
        self.counts["labels"] += 1
        if row.timestamp <= self.outputs.met_ms:
            self.met_from = offset + 1
        label = self.inputs.label(row)
        if self._is_dead("label", offset, label.problem, arguable=label.arguable):
            self.counts["label_dead"] += 1
            self.label_fates[offset] = LABEL_DEAD
            return
        self._settle(hash(label.identity), _Waiting(offset, row.timestamp, label.label))

    def _settle(self, key: int, entry: _Waiting) -> None:
        """A label and what is known of its id at this moment."""
        if self.believe and self.in_the_dark:
            if self._believed(key, entry):
                return
            self._lose(key)  # what it is now rests on what is not held
        source, done = self._pending.get(key), self._done.get(key)
        if source is not None and self._may_meet(key, source, entry):
            delay_ms = entry.ms - self.event_ms[source]
            if delay_ms > self.rules.wait_ms:
                self._wait(key, entry)
            elif delay_ms < -self.rules.early_ms:
                self._decide(entry, ORPHAN)
            else:
                self._join(key, source, entry)
        elif done is not None:
            self._again(key, done, entry)
        else:
            self._wait(key, entry)
        if self._is_unsure(key):
            self.either["labels"] += 1
            self.label_fates[entry.offset] |= LENIENT
            self.unsure |= {source} if source is not None else set()

    def _lose(self, key: int) -> None:
        """What is known of this id could be otherwise, from now on until all of it is forgotten."""
        self._unsure[key] = self.now_ms + self.rules.memory_ms
        if (source := self._pending.get(key)) is not None:
            self.unsure.add(source)

    def _is_unsure(self, key: int) -> bool:
        return self._unsure.get(key, -1) >= self.now_ms

    def _may_meet(self, key: int, source: int, entry: _Waiting) -> bool:
        """Not if the event was forgotten: then its label is later than it may be, or the clocks were further apart."""
        rules = self.rules
        if self.event_ms[source] + rules.wait_ms + 2 * rules.grace_ms >= self.now_ms:
            return True
        if entry.ms - self.event_ms[source] > rules.wait_ms:
            return False
        self._lose(key)
        return self.outputs.met[entry.offset] == source + 2

    def _again(self, key: int, done: tuple[Label, int], entry: _Waiting) -> None:
        """A further label of an id that has one."""
        label, since_ms = done
        until_ms = since_ms + self.rules.horizon_ms
        known, same = until_ms >= self.now_ms, label == entry.label
        if abs(until_ms - self.now_ms) < self.rules.slack_ms:
            self._lose(key)
            known = same if self.outputs.met[entry.offset] == 0 else self.outputs.met[entry.offset] == _CORRECTED
        if not known:
            self._wait(key, entry)
        elif same:
            self._decide(entry, DUPLICATE, "duplicate")
        else:
            self._decide(entry, CORRECTION, "correction")
            self._done[key] = entry.label, self.now_ms

    def _believed(self, key: int, entry: _Waiting) -> bool:
        """Take the outputs' word; False where they say nothing, or speak of an event that is still to come."""
        met = self.outputs.met[entry.offset]
        source = met - 2
        if met == 0 or source >= self._next_event or (met > 1 and not self._in_time(source, entry)):
            return False
        if met == _CORRECTED:  # its event has met a label that is no longer held
            self._decide(entry, CORRECTION, "correction")
            self._pending.pop(key, None)
        else:
            self.label_events[entry.offset] = source + 1
            self._decide(entry, JOINED, "joined")
            if self._pending.get(key) == source:
                del self._pending[key]
        self._done[key] = entry.label, self.now_ms
        return True

    def _in_time(self, source: int, entry: _Waiting) -> bool:
        if not self.event_fates[source]:  # it came before the log begins
            return True
        return -self.rules.early_ms <= entry.ms - self.event_ms[source] <= self.rules.wait_ms

    def _join(self, key: int, source: int, entry: _Waiting) -> None:
        if self.believe and self.in_the_dark:  # and no example says so: somebody earlier may have had it
            self._decide(entry, UNKNOWN)
            return
        del self._pending[key]
        self._done[key] = entry.label, self.now_ms
        self.label_events[entry.offset] = source + 1
        self._decide(entry, JOINED, "joined")

    def _wait(self, key: int, entry: _Waiting) -> None:
        self._decide(entry, WAITS)
        self._waiting.setdefault(key, []).append(entry)

    def _decide(self, entry: _Waiting, fate: int, word: str = "") -> None:
        lenient = LENIENT if self.in_the_dark else 0
        self.label_fates[entry.offset] = fate | lenient
        if word:
            self.counts[word] += 1

    # -- both ----------------------------------------------------------------------------------------------------

    def _is_dead(self, kind: str, offset: int, problem: str, *, arguable: bool) -> bool:
        """Whether the record went to the dead letters, or must have."""
        if (kind, offset) in self.outputs.dead:
            if not problem and not self.outputs.dead[kind, offset]:
                self.good.add((kind, offset))
        elif problem and not arguable:
            self.unburied[kind, offset] = problem
        else:
            return False
        if kind == "event":
            self.counts["event_dead"] += 1
        return True

    def _forget(self, slack_ms: int) -> None:
        """Free what no later record can meet, with so much room for clocks that differ."""
        rules, event_ms = self.rules, self.event_ms
        gone_ms = self.now_ms - rules.wait_ms - 2 * rules.grace_ms - slack_ms
        self._pending = {key: source for key, source in self._pending.items() if event_ms[source] >= gone_ms}
        known_ms = self.now_ms - rules.horizon_ms - slack_ms
        self._done = {key: done for key, done in self._done.items() if done[1] >= known_ms}
        self._unsure = {key: until_ms for key, until_ms in self._unsure.items() if until_ms >= self.now_ms}
        waits_ms = self.now_ms - rules.early_ms - rules.grace_ms - slack_ms
        kept = {key: [entry for entry in those if entry.ms >= waits_ms] for key, those in self._waiting.items()}
        self._waiting = {key: entries for key, entries in kept.items() if entries}


def in_order(events: Iterable[Row], labels: Iterable[Row]) -> Iterator[tuple[int, bool, Row]]:
    """(ms, whether a label, row) of two logs by record time, events first; a clock that goes back stands still."""
    left, right = _timed(events), _timed(labels)
    event, label = next(left, None), next(right, None)
    while event is not None or label is not None:
        if label is None or (event is not None and event[0] <= label[0]):
            assert event is not None
            yield event[0], False, event[1]
            event = next(left, None)
        else:
            yield label[0], True, label[1]
            label = next(right, None)


def _timed(rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
    high_ms = 0
    for row in rows:
        high_ms = max(high_ms, row.timestamp)
        yield high_ms, row
