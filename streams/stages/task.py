"""Predict and join: the stage that owns one partition of features, labels and predictions.

Events and labels come in one merged order. Each event is predicted at its turn; each label meets its prediction, waits
for it, or is counted out. State is a fold over the two logs, so a restart that replays them decides alike: whether a
label joins is said by two record timestamps alone, and a prediction that is already in the log is used as it stands
instead of being made anew. The rules are those of the protocol model in docs/guarantees.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec

from learners.output import Output as Said
from streams.errors import MessageError
from streams.foreign import UNREADABLE
from streams.messages import Label, Output, Prediction, encode
from streams.stages.decoding import Decoding
from streams.stages.merge import Input, Merge, Row, positions_of
from streams.stages.restart import LOGGED, Kept, missing
from streams.stages.sent_places import SentPlaces
from streams.stages.staleness import FRESH, Staleness
from streams.stages.waiting import WaitingLabel, WaitingLabels
from streams.state.done import DoneIds
from streams.state.offsets import OffsetSet
from streams.state.pending import Pending, PendingStore

_new = tuple.__new__  # half the price of a named tuple's own: this runs for every event
EVENTS, LABELS = 0, 1  # ranks: at the same millisecond the event goes first


class Predictor(Protocol):
    """The shard's candidates as this worker has them now."""

    champion: str
    version: int

    def predict(self, features: Mapping[str, float | int | str]) -> dict[str, Said]:
        """What every candidate and baseline says, by name."""
        ...


class Outgoing(NamedTuple):
    """A record to send: key and value as bytes."""

    key: bytes | None
    value: bytes


class DeadLetter(NamedTuple):
    """A record that cannot be read, and why."""

    topic: str
    partition: int
    row: Row
    reason: str


@dataclass(slots=True)
class Emitted:
    """What one step asks the edge to send, in order."""

    predictions: list[Outgoing] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    """Source offset of each prediction."""
    examples: list[Outgoing] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    rows: int = 0
    """Input rows the step took."""
    first_ms: int = 0
    """Record time of the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConfig:
    """Settings of the join."""

    wait_ms: int
    early_ms: int
    grace_ms: int
    dedupe_horizon_ms: int
    features_topic: str
    labels_topic: str


class Task:
    """One partition's predict and join.

    `decoding` reads records, `pending` and `done` are empty at the first start. `saved` is what `dump` gave, `starts`
    the positions of a first start. Call `restore` with the logged predictions before the first `step`.
    """

    def __init__(
        self,
        partition: int,
        config: TaskConfig,
        decoding: Decoding,
        pending: PendingStore,
        done: DoneIds,
        saved: Mapping[str, Any] | None = None,
        starts: Mapping[str, int] | None = None,
    ) -> None:
        saved = saved or {"next": dict(starts or {}), "high_ms": {}}
        self.partition, self.config, self.decoding = partition, config, decoding
        self.pending, self.done = pending, done
        self.events, self.labels = (
            Input(
                topic,
                partition,
                rank,
                positions_of(saved["next"], topic, partition, 0),
                positions_of(saved["high_ms"], topic, partition, 0),
            )
            for rank, topic in ((EVENTS, config.features_topic), (LABELS, config.labels_topic))
        )
        self.merge = Merge((self.events, self.labels))
        self.next_label = self.labels.next
        self.tail: int = saved.get("tail", 0)
        """Offset in predictions from which a restart must read that has no copy of them on disk."""
        self.open = OffsetSet.from_saved(saved.get("open", []))
        """Source offsets pending when the state was saved: used by `restore` alone."""
        kept = saved.get("kept")
        self._kept = msgspec.convert(kept, Kept) if kept else None
        self._recalled = False
        self.waiting = WaitingLabels(saved.get("waiting"))
        self.now_ms: int = saved.get("now_ms", 0)
        self.ledger: Counter[str] = Counter(saved.get("ledger", {}))
        target = decoding.target
        self.classes: dict[Label | None, int] | None = dict.fromkeys(target.labels, 0) if target.labels else None
        """Predictions made by this object, by class: for those who watch, no part of the state."""
        self._stale = FRESH
        self._encoded: dict[str, tuple[Said, msgspec.Raw]] = {}
        """By candidate: what it said last, and its JSON. Baselines say the same object until something is learnt."""
        self.logged: dict[int, tuple[str, Row]] = {}
        """Predictions in the log whose event's turn has not come: source → id and row."""
        self.places = SentPlaces(reached=self.tail)
        pending.floors_of = self.places.floors_of

    # -- restart -------------------------------------------------------------------------------------------------

    def recall(self) -> int:
        """Take over the copies on disk that the checkpoint names, before anything else; for a thread.

        Answers the offset from which `predictions[partition]` must be read then.

        Raises:
            StoreAwayError: they are not what was copied. None was taken over: it must be read from `tail`.
        """
        kept = self._kept
        self.pending.recall([] if kept is None else kept.files, self.open)
        self._recalled = kept is not None
        return self.tail if kept is None else max(self.tail, kept.start)

    def restore(self, rows: Iterable[Row]) -> None:
        """Take `predictions[partition]` from `tail` (or what `recall` said) to its end.

        The first record of a source offset wins.
        """
        self.take_logged(rows)
        self.all_logged()

    def take_logged(self, rows: Iterable[Row]) -> None:
        """The same in parts; `all_logged` after the last one."""
        next_event, pending = self.events.next, self.pending
        for row in rows:
            self.places.reached = row.offset + 1
            if row.value is None:
                continue
            try:
                known = LOGGED(row.value)
            except UNREADABLE:
                continue  # somebody else's record in a topic of ours
            if known.source >= next_event:
                self.logged.setdefault(known.source, (known.id, row))
            elif known.source in self.open and not pending.is_on_disk(known.source) and known.id not in pending:
                pending.put(known.id, Pending(row.key, row.value, known.event_ms, known.source, row.offset))

    def all_logged(self) -> None:
        """Raises `StateError` when a prediction that awaits its label was not among the rows."""
        awaited, found = len(self.open), len(self.pending)
        if found != awaited:
            if self._recalled:
                self.pending.abandon()
            raise missing(self.partition, awaited, found, recalled=self._recalled)
        self.open = OffsetSet()

    # -- work ----------------------------------------------------------------------------------------------------

    def step(self, limit: int, model: Predictor, stale: Staleness = FRESH) -> Emitted | None:
        """Take up to about `limit` rows of each input; None if there is none or an input must be waited for.

        What the model lacks is told with each prediction of the step.
        """
        self._stale = stale
        turns = self.merge.take(limit)
        if not turns:
            return None
        out = Emitted(rows=len(turns), first_ms=turns[0].ms)
        for ms, rank, _, offset, row in turns:
            if ms > self.now_ms:
                self.now_ms = ms
                self._sweep()
            if rank == EVENTS:
                self._event(offset, row, model, out)
            else:
                self._label(offset, row, out)
        return out

    def _event(self, offset: int, row: Row, model: Predictor, out: Emitted) -> None:
        try:
            event = self.decoding.event(row.key, row.value)
        except MessageError as error:
            self.ledger["event_dead"] += 1
            out.dead.append(DeadLetter(self.events.topic, self.partition, row, str(error)))
            return
        identity = event.id
        ledger = self.ledger
        earlier = self.pending.get(identity)
        if earlier is not None and row.timestamp - earlier.event_ms > self.config.wait_ms + self.config.grace_ms:
            self.pending.pop(identity)  # two timestamps decide; that it is still in memory does not
            ledger["expired"] += 1
        elif earlier is not None or self.done.get(identity) is not None:
            ledger["event_duplicate"] += 1
            return
        ledger["predicted"] += 1
        if event.missing:
            ledger["feature_missing"] += event.missing
        if event.unknown:
            ledger["feature_unknown"] += event.unknown
        logged = self.logged.pop(offset, None) if self.logged else None
        if logged is None or logged[0] != identity:  # another's id: no record of ours
            key, event_ms = row.key, row.timestamp
            value = self._predict(event, event_ms, offset, model)
            out.predictions.append(_new(Outgoing, (key, value)))
            out.sources.append(offset)
            self.pending.put(identity, Pending(key, value, event_ms, offset, None))
        else:
            said = logged[1]
            self.pending.put(identity, Pending(said.key, said.value or b"", row.timestamp, offset, said.offset))
        if identity in self.waiting.by_id:
            for entry in self.waiting.take(identity):
                self._settle(identity, entry, out)

    def _predict(self, event: Any, event_ms: int, source: int, model: Predictor) -> bytes:  # noqa: ANN401 - CheckedEvent
        said = model.predict(event.features)
        served = model.champion
        others: dict[str, Any] = {}
        for name, output in said.items():
            if name != served:
                known = self._encoded.get(name)
                if known is None or known[0] is not output:
                    known = self._encoded[name] = output, msgspec.Raw(encode(Output(*output)))
                others[name] = known[1]
        prediction, probabilities = said[served]
        stale = self._stale
        if self.classes is not None:
            try:
                self.classes[prediction] += 1
            except KeyError:  # it said nothing
                self.classes[prediction] = 1
        return encode(
            Prediction(
                event.id,
                event.features,
                prediction,
                probabilities,
                served,
                model.version,
                others,
                source,
                event_ms,
                event.missing,
                stale.examples,
                stale.ms,
                event.time,
            )
        )

    def _label(self, offset: int, row: Row, out: Emitted) -> None:
        self.next_label = offset + 1
        try:
            label = self.decoding.label(row.key, row.value)
        except MessageError as error:
            self.ledger["label_dead"] += 1
            out.dead.append(DeadLetter(self.labels.topic, self.partition, row, str(error)))
            return
        time = encode(label.time) if label.time is not None else b""
        entry = _new(WaitingLabel, (offset, row.timestamp, label.label, time, False))
        self._settle(label.id, entry, out)

    def _settle(self, identity: str, entry: WaitingLabel, out: Emitted) -> None:
        """A label meets its event, which is pending, or done, never both; or waits for it."""
        self.waiting.settle(entry.offset)
        pending = self.pending.get(identity)
        if pending is not None:
            self._meet(identity, pending, entry, out)
            return
        known = self.done.get(identity)
        if known is None:
            self.waiting.put(identity, entry)
        elif known == entry.label and type(known) is type(entry.label):
            self.ledger["duplicate"] += 1
        else:
            self.ledger["correction"] += 1
            self.done.add(identity, entry.label, self.now_ms)
            out.examples.append(self._correction(identity, known, entry))

    def _meet(self, identity: str, pending: Pending, entry: WaitingLabel, out: Emitted) -> None:
        """Two timestamps decide, never what memory happens to hold."""
        delay_ms = entry.ms - pending.event_ms
        if delay_ms > self.config.wait_ms:  # as if its event were unknown: a later event may carry the same id
            self.waiting.put(identity, entry._replace(late=True))
        elif delay_ms < -self.config.early_ms:
            self.ledger["orphan"] += 1
        else:
            self.pending.pop(identity)
            self.done.add(identity, entry.label, self.now_ms)
            self.ledger["joined"] += 1
            out.examples.append(_new(Outgoing, (pending.key, self._example(pending.value, entry))))

    def _example(self, prediction: bytes, entry: WaitingLabel) -> bytes:
        """The prediction record as it was sent, with the label after it: what is learnt is what was served."""
        return b'%b,"label":%b,"label_source":[%d,%d],"closed":%d,"label_ms":%d%b}' % (
            prediction[:-1],
            encode(entry.label),
            self.partition,
            entry.offset,
            self._closed(),
            entry.ms,
            b',"label_time":' + entry.time if entry.time else b"",
        )

    def _correction(self, identity: str, before: Label, entry: WaitingLabel) -> Outgoing:
        record = {
            "id": identity,
            "kind": "correction",
            "label": entry.label,
            "label_before": before,
            "label_source": (self.partition, entry.offset),
            "closed": self._closed(),
            "label_ms": entry.ms,
            "v": 1,
        }
        return Outgoing(identity.encode(), encode(record))

    def _closed(self) -> int:
        return self.waiting.closed(self.next_label)

    def _sweep(self) -> None:
        """Expire by stream time; memory is freed a grace after the last rule that asks for it.

        So clocks that differ by less change neither who joins nor which id is known.
        """
        config, now_ms = self.config, self.now_ms
        expired = self.pending.expire_before(now_ms - config.wait_ms - 2 * config.grace_ms)
        if expired:
            self.ledger["expired"] += len(expired)
        self.done.expire_before(now_ms - config.dedupe_horizon_ms)
        for label in self.waiting.expire_before(now_ms - config.early_ms - config.grace_ms):
            self.ledger["late" if label.late else "orphan"] += 1

    # -- checkpoint ----------------------------------------------------------------------------------------------

    def acknowledged(self, sources: Sequence[int], first: int) -> None:
        """The broker holds these predictions, from offset `first` of the predictions partition on."""
        self.places.acknowledged(sources, first)

    def _start(self, acknowledged: int) -> int:
        """No logged prediction, and no pending one in memory, lies below this offset of predictions."""
        start = self.places.start(self.pending.oldest_source(), acknowledged)
        read = self.pending.oldest_where()
        bounds = [start, *(row.offset for _, row in self.logged.values())]
        return min(bounds) if read is None else min(read, *bounds)

    def dump(self, acknowledged: int) -> dict[str, Any]:
        """State as of now, msgpack-able, without the contents of pending predictions and without done ids.

        `acknowledged` is the end of the predictions log as far as the broker has confirmed it: whatever is pending and
        not confirmed lies at or above it.
        """
        start, floor, files = self._start(acknowledged), self.pending.floor_on_disk(), self.pending.listed()
        return {
            "next": self.merge.positions(),
            "high_ms": self.merge.watermarks(),
            "tail": start if floor is None else min(start, floor),
            "kept": None if files is None else Kept(start, files),
            "open": self.pending.sources_saved(),
            "waiting": self.waiting.by_id,
            "now_ms": self.now_ms,
            "ledger": dict(self.ledger),
        }

    def counts(self) -> dict[str, int]:
        """The ledger with what is open: labels = joined + duplicate + correction + late + orphan + dead + waiting."""
        return {**self.ledger, "pending": len(self.pending), "waiting": self.waiting.count}
