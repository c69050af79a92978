"""`dead-letters`: where each came from. Their key is that place, however often a replay says it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.topic_logs import Place, Row
from streams.verify.evidence import Evidence
from streams.verify.examples import Fold
from streams.verify.findings import Findings
from streams.verify.spans import Span
from streams.verify.timeline import Timeline

_SETTINGS = (b"input.event_bytes_max", b"configured ones")
"""In reasons that rest on a setting which may be another today."""


@dataclass(slots=True)
class Letters:
    """All that are held."""

    of: dict[Place, dict[int, bool]] = field(default_factory=lambda: defaultdict(dict))
    """Source's topic and partition → offset → whether the reason is a setting's."""
    whole: bool = True
    """False: retention has removed some."""

    def outputs(self, events: Place, labels: Place) -> Mapping[tuple[str, int], bool]:
        """Of one partition's two inputs, by kind and offset."""
        found = {("event", offset): arguable for offset, arguable in self.of.get(events, {}).items()}
        return found | {("label", offset): arguable for offset, arguable in self.of.get(labels, {}).items()}


def read_dead_letters(evidence: Evidence, findings: Findings) -> Letters:
    """All partitions; a letter of nothing that exists is told at once."""
    config, logs = evidence.config, evidence.logs
    topic, promise, letters = config.topic("dead-letters"), findings["dead_letters"], Letters()
    sources = {config.topic(role) for role in ("features", "labels", "examples", "alerts")}  # alerts: nobody took them
    records = 0
    for place in sorted(place for place in logs.ends if place[0] == topic):
        letters.whole = letters.whole and logs.begins[place] == 0
        for row in logs.read(place, logs.begins[place], logs.ends[place]):
            records += 1
            source = _source(row)
            at = f"{place[0]}/{place[1]}/{row.offset}"
            if source is None or source[0] not in sources or (source[0], source[1]) not in logs.ends:
                promise.breaks(at, "names no place in an input as its key")
            elif source[2] >= logs.ends[source[0], source[1]]:
                promise.breaks(at, f"is of a record that does not exist: {'/'.join(map(str, source))}")
            else:
                reason = dict(row.headers or ()).get("reason", b"")
                letters.of[source[0], source[1]][source[2]] = any(word in reason for word in _SETTINGS)
    promise.counts(topic, records=records, places=sum(map(len, letters.of.values())))
    if not letters.whole:
        promise.leaves(f"not checkable before the first one that {topic} still holds")
    return letters


def check_letters(letters: Letters, events: Span, labels: Span, timeline: Timeline, findings: Findings) -> None:
    """What cannot be read has one, what can has none, and every one is of a record that is there."""
    promise = findings["dead_letters"]
    for kind, span, fates in (("event", events, timeline.event_fates), ("label", labels, timeline.label_fates)):
        place = f"{span.place[0]}/{span.place[1]}"
        for (what, offset), problem in timeline.unburied.items():
            if what == kind and letters.whole:
                promise.breaks(f"{place}/{offset}", f"is {problem}, and no dead letter tells of it")
        for offset in sorted(offset for what, offset in timeline.good if what == kind):
            promise.breaks(f"{place}/{offset}", f"a good {kind} became a dead letter")
        for offset in sorted(letters.of.get(span.place, {})):
            if span.begin <= offset < span.stop and not fates[offset] and not span.lost:
                promise.breaks(f"{place}/{offset}", "has a dead letter, and there is no such record")


def check_failed(letters: Letters, fold: Fold, findings: Findings) -> None:
    """What is no example in `examples` must have one."""
    held = letters.of.get(fold.place, {})
    for offset in fold.failed:
        if offset not in held and letters.whole:
            at = f"{fold.place[0]}/{fold.place[1]}/{offset}"
            findings["dead_letters"].breaks(at, "is no example, and no dead letter tells of it")


def _source(row: Row) -> tuple[str, int, int] | None:
    topic, _, rest = (row.key or b"").decode(errors="replace").partition("/")
    partition, _, offset = rest.partition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    return topic, int(partition), int(offset)
