"""The monitor's own core over recorded topics: what was told, computed again; or what other settings would tell.

Rows go into `Watch` up to one recorded cut after the other. Among these are those before which the order went back when
it happened (`stages.setbacks`), so each row is taken in its turn of then. Nothing is published and no state is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from drift.reference import Reference
from streams.config import Config
from streams.cuts import Offsets, between, key_of, total
from streams.messages import Alert, Beginning, Cut
from streams.stages.merge import Input, Row
from streams.stages.setbacks import setbacks_of
from streams.stages.watch import Watch
from streams.topic_logs import Logs

_STEP_ROWS = 100
"""Of each input at a time: an alert's time is known to that many rows."""
_BUFFER_ROWS = 1_000


class Sent(msgspec.Struct, frozen=True):
    """What is needed of a record of `alerts`, whichever version wrote it; the rest stays in `document`."""

    id: str
    incident: str
    phase: str
    cut: Cut
    severity: str = ""
    title: str = ""
    subjects: list[Any] = []
    since_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAlert:
    """An alert that was sent."""

    said: Sent
    document: Mapping[str, Any]
    """The record as it is on the topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An alert of a replay, or one that was sent, and when in the stream it was."""

    alert: Mapping[str, Any]
    """As it is on the wire."""
    at_ms: int


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What came of a replay."""

    alerts: list[Found] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)
    """Stream time at each barrier, by its name."""
    predictions: int = 0
    examples: int = 0
    references: list[str] = field(default_factory=list)
    """Digests."""
    windows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier:
    """A recorded cut: all rows below it are taken before any behind it."""

    name: str
    """Empty where nobody asks when it was passed."""
    offsets: Offsets


def barriers_of(name: str, cut: Cut) -> list[Barrier]:
    """A cut, and those before which the order went back on the way to it."""
    return [*(Barrier(name="", offsets=each) for each in setbacks_of(cut)), Barrier(name=name, offsets=cut.offsets)]


def replay(
    config: Config,
    logs: Logs,
    began: Beginning,
    barriers: Iterable[Barrier],
    stop: Offsets,
    *,
    reference: Reference | None = None,
    note: Callable[[int], None] = lambda _rows: None,
) -> Replayed:
    """Run the monitor's core from where it `began` to `stop`, which is exclusive.

    Args:
        config: Whose settings decide.
        logs: What is read.
        began: In every input, and what was known then.
        barriers: Cuts in any order; those that are not between beginning and stop are passed over.
        stop: Of every input.
        reference: The one of `drift.reference.file`, None to collect it.
        note: Told the number of rows so far.
    """
    start: Offsets = began.offsets
    watch = Watch(config, {"next": start, "high_ms": {}, "known": began.known}, reference)
    inside = [each for each in barriers if between(start, each.offsets, stop)]
    ordered = sorted(inside, key=lambda each: total(each.offsets))
    sources = {
        _key(side): logs.read((side.topic, side.partition), side.next, _end(side, stop)) for side in watch.merge.inputs
    }
    found = Replayed(references=[reference.digest] if reference else [])
    feeding = _Feeding(watch, sources, found, note)
    reached = start
    for barrier in ordered:
        if between(reached, barrier.offsets, stop):  # of another life, or of other settings' windows
            feeding.upto(barrier.offsets)
            reached = {**reached, **barrier.offsets}
            if barrier.name:
                found.passed[barrier.name] = feeding.now_ms
    feeding.upto(stop)
    return found


def _key(side: Input) -> str:
    return key_of((side.topic, side.partition))


def _end(side: Input, offsets: Offsets) -> int:
    """Where a cut stands in one input; of one that it does not name, nothing was read."""
    return offsets.get(_key(side), side.next)


class _Feeding:
    """Rows from the logs into the watch, some at a time."""

    def __init__(
        self, watch: Watch, sources: Mapping[str, Iterator[Row]], found: Replayed, note: Callable[[int], None]
    ) -> None:
        self._watch, self._sources, self._found, self._note = watch, sources, found, note
        self._ahead: dict[str, Row | None] = {key: next(source, None) for key, source in sources.items()}
        self._rows = 0

    @property
    def now_ms(self) -> int:
        """Stream time."""
        return max(self._watch.merge.watermarks().values(), default=0)

    def upto(self, offsets: Offsets) -> None:
        """Take every row below these."""
        for side in self._watch.merge.inputs:
            side.end = _end(side, offsets)
        while True:
            fed = [self._fill(side, _end(side, offsets)) for side in self._watch.merge.inputs]
            seen = self._watch.step(_STEP_ROWS)
            if seen is None:
                if not any(fed):
                    return
                continue
            self._rows += seen.rows
            self._note(self._rows)
            self._take(seen)

    def _fill(self, side: Input, stop: int) -> bool:
        if side.buffered >= _STEP_ROWS or side.read >= stop:
            return False
        key, rows = _key(side), list[Row]()
        while len(rows) < _BUFFER_ROWS and (row := self._ahead[key]) is not None and row.offset < stop:
            rows.append(row)
            self._ahead[key] = next(self._sources[key], None)
        ahead = self._ahead[key]
        more = ahead is not None and ahead.offset < stop
        side.feed(side.read, rows[-1].offset + 1 if more and rows else stop, rows)
        return True

    def _take(self, seen: Any) -> None:  # noqa: ANN401 - `Seen`
        found = self._found
        found.alerts += [Found(alert=document(alert), at_ms=self.now_ms) for alert in seen.alerts]
        found.references += [reference.digest for reference in seen.references]
        found.windows += len(seen.metrics)
        counts = self._watch.delays.counts
        found.predictions, found.examples = counts["predictions"], counts["examples"]


def document(alert: Alert) -> dict[str, Any]:
    """As it would be on the topic."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(alert))
    return plain
