"""`predictions` read once: the first record of each event counts, later ones must be of the same event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams.topic_logs import Place
from streams.verify.columns import Column, digest
from streams.verify.evidence import NEVER, Checkpoint, Evidence
from streams.verify.examples import Met
from streams.verify.findings import Findings, Promise
from streams.verify.spans import Reach, Span
from streams.verify.timeline import LENIENT, MISTOLD, PREDICTED, Timeline

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, KeyError, TypeError)


@dataclass(slots=True)
class Served:
    """What one partition of `predictions` says, by the event's offset."""

    place: Place
    begin: int
    subjects: Column = field(default_factory=Column)
    """Digest of id, features and time of the first record."""
    digests: Column = field(default_factory=Column)
    """Digest of all of it."""
    where: Column = field(default_factory=Column)
    """Its offset + 1."""
    again: dict[int, set[int]] = field(default_factory=dict)
    """Digests of later records that differ from the first."""
    first_ms: int = 0
    """Record time of the first one held: what is older may have been removed."""
    records: int = 0
    repeated: int = 0
    foreign: int = 0
    """Records that are no predictions."""


def read_predictions(evidence: Evidence, partition: int, findings: Findings) -> Served:
    """Everything that one partition says."""
    place, logs = (evidence.config.topic("predictions"), partition), evidence.logs
    served = Served(place, logs.begins[place])
    if served.begin >= logs.ends[place]:
        served.first_ms = NEVER
    for row in logs.read(place, served.begin, logs.ends[place]):
        served.first_ms = served.first_ms or row.timestamp
        served.records += 1
        try:
            said: dict[str, Any] = msgspec.json.decode(row.value or b"")
            source, whole = said["source"], digest(said)
            subject = digest((said["id"], said["features"], said["event_ms"]))
            first = served.subjects[source]
        except _UNREADABLE:
            served.foreign += 1
            continue
        if source < 0:
            served.foreign += 1
        elif not first:
            served.subjects[source], served.digests[source] = subject, whole
            served.where[source] = row.offset + 1
        else:
            served.repeated += 1
            if subject != first:
                at = f"{place[0]}/{place[1]}/{row.offset}"
                findings["complete"].breaks(at, f"tells of another event under source {source:,} than the first did")
            elif whole != served.digests[source]:
                served.again.setdefault(source, set()).add(whole)
    return served


def check_complete(
    served: Served, events: Span, ends: int, timeline: Timeline, task: Checkpoint, findings: Findings
) -> None:
    """One prediction for each event that was taken, of its own features; none of anything else.

    An owner that lost its partition unawares may predict once more what its successor has predicted. A partition that
    never had a second owner has no such excuse.
    """
    part = task.name
    promise, (topic, partition) = findings["complete"], served.place
    told, unheld = _told(served, events, timeline, promise)
    for source in sorted(served.again) if task.generation == 1 else ():
        promise.breaks(f"{events.place[0]}/{partition}/{source}", "was predicted anew, and nobody had taken over")
    beyond = 0
    for source, _ in served.subjects:
        beyond += events.stop <= source < ends
        if problem := _needless(source, events, ends, timeline.event_fates[source]):
            promise.breaks(f"{topic}/{partition}/{served.where[source] - 1}", problem)
    promise.counts(
        part,
        events=timeline.counts["predicted"],
        predicted=told,
        repeated=served.repeated,
        repeated_otherwise=sum(map(len, served.again.values())),
        beyond=beyond,
        foreign=served.foreign,
    )
    if unheld:
        first = f"not checkable before offset {served.begin:,} of {topic}/{partition}"
        promise.leaves(f"{part}: {first}: {unheld:,} predictions are no longer held")


def _told(served: Served, events: Span, timeline: Timeline, promise: Promise) -> tuple[int, int]:
    """How many events have their prediction, and how many may have had it in what is no longer held."""
    told = unheld = 0
    for source, fate in timeline.event_fates:
        at = f"{events.place[0]}/{events.place[1]}/{source}"
        if fate == MISTOLD:
            said = f"{served.place[0]}/{served.place[1]}/{served.where[source] - 1}"
            promise.breaks(said, f"is not of the event {at}: id, features or time differ")
        elif fate != PREDICTED:
            continue
        elif served.subjects[source]:
            told += 1
        elif served.begin and timeline.event_ms[source] <= served.first_ms:
            unheld += 1
        else:
            promise.breaks(at, "was taken, and there is no prediction of it")
    return told, unheld


def _needless(source: int, events: Span, ends: int, fate: int) -> str:
    """Why there must be no prediction of this; empty if there may be."""
    if source >= ends:
        return f"is of an event that does not exist: source {source:,}"
    if not events.begin <= source < events.stop or fate in {PREDICTED, MISTOLD} or fate & LENIENT:
        return ""
    if fate == 0 and events.lost:
        return ""
    return f"is of source {source:,}, which is a duplicate, a dead letter or nothing"


def check_served(served: Served, met: Met, reach: Reach, timeline: Timeline, findings: Findings, part: str) -> None:
    """Each example is a prediction of its event with a label behind it.

    It is the first one, unless an owner that had lost its partition unawares was the one to join the label.
    """
    promise = findings["served"]
    same = repeated = unheld = 0
    for label, kind in met.met:
        source = kind - 2
        if source < 0:
            continue
        said, first = met.said[label], served.digests[source]
        at = f"{reach.examples}/{met.where[label] - 1}"
        if said == first:
            same += 1
        elif served.begin and timeline.event_ms[source] <= served.first_ms:
            unheld += 1
        elif not first:
            if source < reach.events.stop and label < reach.labels.stop:
                promise.breaks(at, f"was never served: there is no prediction of source {source:,}")
        elif said in served.again.get(source, ()):
            repeated += 1
        else:
            promise.breaks(at, f"is not what was served: it differs from the prediction of source {source:,}")
    promise.counts(part, examples_as_served=same, as_served_again=repeated)
    if unheld:
        first_held = f"not checkable before offset {served.begin:,} of {served.place[0]}/{served.place[1]}"
        promise.leaves(f"{part}: {first_held}: {unheld:,} examples are of predictions no longer held")
