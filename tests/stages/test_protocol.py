"""Exactly once under every schedule: thousands of seeded worlds, and mutations that each must be refuted."""

import os
import struct
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from protocol_world import RecordingLearner, TaskProcess, World

from streams.stages.learn import Learnt
from streams.stages.merge import Input
from streams.stages.task import Task, TaskConfig
from streams.state.intervals import Intervals
from streams.state.offsets import OffsetSet
from streams.state.pending_files import PendingFiles
from streams.state.pending_segment import Segment
from streams.state.place import StoreAwayError

SCHEDULES = int(os.environ.get("MILLRACE_SCHEDULES") or 400)
"""In each of four blocks; 25,000 make the hundred thousand of a night."""


IN_MEMORY = Path("/dev/shm")
"""Thousands of small files a minute are not what a disk is for."""


def refuted(seeds, **classes):
    return {seed: faults for seed in seeds if (faults := World(seed, **classes).run().faults())}


def with_copies(seeds, tallies=None, **classes):
    """The same of worlds whose processes keep copies of pending predictions on disk."""
    for seed in seeds:
        with TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
            world = World(seed, folder=Path(folder), **classes).run()
            if faults := world.faults():
                yield seed, faults
        if tallies is not None:
            tallies.update(recalled=world.recalls[True], refused=sum(world.refusals.values()))


@pytest.mark.parametrize("block", range(4))
def test_every_label_is_learnt_exactly_once_under_any_schedule(block):
    """Crashes, zombies, lost output tails, clock skew, duplicates, corrections, poison: no promise breaks."""
    assert refuted(range(block * SCHEDULES, (block + 1) * SCHEDULES)) == {}


@pytest.mark.parametrize("block", range(4))
def test_copies_on_disk_decide_nothing(block):
    """Killed, locked out, taken over, damaged, swapped: who finds copies on disk does as one who reads the log."""
    tallies = Counter()
    assert list(with_copies(range(block * SCHEDULES, (block + 1) * SCHEDULES), tallies)) == []
    assert min(tallies["recalled"], tallies["refused"]) > SCHEDULES // 4


class LearnsWhateverComes(Learnt):
    def first_time(self, partition, offset, closed):
        super().first_time(partition, offset, closed)
        return True


class RaisesTheMarkFirst(Learnt):
    def first_time(self, partition, offset, closed):
        if closed > self.marks.get(partition, 0):
            self.marks[partition] = closed
            self.above.setdefault(partition, Intervals()).discard_below(closed)
        return super().first_time(partition, offset, closed)


class RemembersTwoLabels(Learnt):
    def first_time(self, partition, offset, closed):
        recent = self.__dict__.setdefault("recent", [])
        new = (partition, offset) not in recent[-2:]
        recent.append((partition, offset))
        super().first_time(partition, offset, closed)
        return new


def learner_with(rule):
    class Mutant(RecordingLearner):
        def __init__(self, saved=None):
            super().__init__(saved)
            kept = self.learnt
            self.learnt = rule()
            self.learnt.marks, self.learnt.above = kept.marks, kept.above

    return Mutant


class ClosesOverWaitingLabels(Task):
    def _closed(self):
        return self.next_label


class JoinsWhateverMemoryHolds(Task):
    def _settle(self, identity, entry, out):
        keep, self.config = (
            self.config,
            self.config.__class__(
                wait_ms=10**9,
                early_ms=10**9,
                grace_ms=self.config.grace_ms,
                dedupe_horizon_ms=self.config.dedupe_horizon_ms,
                features_topic=self.config.features_topic,
                labels_topic=self.config.labels_topic,
            ),
        )
        try:
            super()._settle(identity, entry, out)
        finally:
            self.config = keep


class FreesMemoryWithoutGrace(Task):
    def _sweep(self):
        keep, self.config = (
            self.config,
            TaskConfig(
                wait_ms=self.config.wait_ms - 8,
                early_ms=self.config.early_ms - 8,
                grace_ms=0,
                dedupe_horizon_ms=self.config.dedupe_horizon_ms,
                features_topic=self.config.features_topic,
                labels_topic=self.config.labels_topic,
            ),
        )
        try:
            super()._sweep()
        finally:
            self.config = keep


class ForgetsWhatIsOpen(Task):
    def restore(self, rows):
        rows = list(rows)
        next_event = self.events.next
        self.open = OffsetSet()
        super().restore([row for row in rows if b'"source":' in row.value and source_of(row) >= next_event])


def source_of(row):
    return int(row.value.split(b'"source":')[1].split(b",")[0].rstrip(b"}"))


class PredictsAnewWhatIsLogged(Task):
    def restore(self, rows):
        super().restore(rows)
        self.logged.clear()


class ReadsKafkasOffsets(TaskProcess):
    """Positions from the last commit, state from the last checkpoint: two things that do not belong together."""

    def __init__(self, world, p):
        super().__init__(world, p)
        for side, position in zip(
            (self.stage.events, self.stage.labels), world.__dict__.get(f"at{p}", (0, 0)), strict=True
        ):
            side.read = position

    def work(self, rows):
        did = super().work(rows)
        self.w.__dict__[f"at{self.p}"] = (self.stage.events.next, self.stage.labels.next)
        return did


class ReadsWithoutWaiting(TaskProcess):
    """Takes events and labels as they come."""

    def work(self, rows):
        for side in (self.stage.events, self.stage.labels):
            side.__class__ = NeverWaits
        first, second = (
            (self.stage.events, self.w.features[self.p]),
            (self.stage.labels, self.w.labels[self.p]),
        )
        side, log = self.w.random.choice((first, second))
        part = log[side.read : side.read + rows]
        if not part:
            side, log = first if side is second[0] else second
            part = log[side.read : side.read + rows]
        side.feed(side.read, side.read + len(part), part)
        emitted = self.stage.step(rows, self.model)
        if emitted is None:
            return False
        self.out += [
            (self.w.predictions[self.p], record, source)
            for record, source in zip(emitted.predictions, emitted.sources, strict=True)
        ]
        self.out += [(self.w.examples, record, None) for record in emitted.examples]
        return True


class NeverWaits(Input):
    __slots__ = ()

    def waits(self):
        return False


MUTATIONS = {
    "no filter": {"learner": learner_with(LearnsWhateverComes)},
    "mark raised before the check": {"learner": learner_with(RaisesTheMarkFirst)},
    "bounded memory of learnt labels": {"learner": learner_with(RemembersTwoLabels)},
    "mark passes labels that wait": {"task": ClosesOverWaitingLabels},
    "pairs by what memory holds": {"task": JoinsWhateverMemoryHolds},
    "no grace for clock skew": {"task": FreesMemoryWithoutGrace},
    "open predictions forgotten": {"task": ForgetsWhatIsOpen},
    "logged predictions made anew": {"task": PredictsAnewWhatIsLogged},
    "Kafka's offsets": {"process": ReadsKafkasOffsets},
    "inputs not merged by time": {"process": ReadsWithoutWaiting},
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_without_any_one_rule_a_promise_breaks(mutation):
    """Each rule is needed: a suite that cannot fail proves nothing. A crash would be no refutation."""
    for seed in range(600):
        if World(seed, **MUTATIONS[mutation]).run().faults():
            return
    pytest.fail(f"{mutation}: not refuted by 600 schedules")


class RevivesWhatIsThere(PendingFiles):
    """Rows that were added after the cut, or joined before it, are pending again."""

    def recall(self, listed, _open):
        super().recall(listed, OffsetSet.of(Intervals.from_list([0, 4_096])))


class TakesAnyRow(Segment):
    def row(self, place):
        try:
            return super().row(place)
        except StoreAwayError:
            chunk = self.chunk_at(place)
            rows, _ = self.index(chunk)
            row = rows[place - chunk.first]
            body = os.pread(self._rows, int(row["size"]), int(row["at"]))
            start = int(row["id_size"] + max(0, row["key_size"]))
            head = body[: row["id_size"]].decode(), body[row["id_size"] : start], body[start:]
            return *head, int(row["event_ms"]), int(row["source"]), int(row["where"])


class StartsAtTheEnd(Task):
    """As if all that is pending had a copy."""

    def dump(self, acknowledged):
        told = super().dump(acknowledged)
        if told["kept"] is not None:
            told["kept"].start = acknowledged
        return told


def files_of(segment):
    return type("Files", (PendingFiles,), {"kind": segment})


MUTATED_COPIES = {
    "what is open is not asked": {"files": RevivesWhatIsThere},
    "what a row says is not checked": {"files": files_of(TakesAnyRow)},
    "the log is read from its end": {"task": StartsAtTheEnd},
}


@pytest.mark.parametrize("mutation", MUTATED_COPIES)
def test_without_any_one_check_copies_decide(mutation):
    """Each is needed. A crash would be no refutation."""
    for seed in range(600):
        with suppress(ValueError, IndexError, struct.error, msgspec.DecodeError):
            if list(with_copies([seed], **MUTATED_COPIES[mutation])):
                return
    pytest.fail(f"{mutation}: not refuted by 600 schedules")
