"""A run of one partition that keeps every promise, made by hand: what changes in it must be found."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from streams.config import Config
from streams.messages import Alert, Cut, Hurt, RetrainRequest, encode
from streams.topic_logs import MemoryLogs
from streams.verify.audit import audit
from streams.verify.evidence import Checkpoint, Evidence, OutboxRecord
from streams.verify.windows import cut_id

CONFIG = Config.model_validate(
    {
        "name": "p",
        "topics": {"partitions": 1},
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"x": "numeric"},
        "labels": {"wait": "3s", "early": "2s", "grace": "500ms"},
        "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
    }
)
LABELS = (
    ("e0", 40, "yes"),
    ("e1", 130, "no"),
    ("e3", 280, "no"),
    ("e1", 500, "no"),
    ("e0", 510, "no"),
    ("e2", 4000, "no"),
    ("e9", 9001, "no"),
)
"""Id, time, label: two that join, one before its event, a duplicate, a correction, one too late, one that waits."""
DEAD_EVENT, DEAD_LABEL = 5, 7
"""Offsets of what cannot be read. Event 4 is pending, event 6 the second of its id."""
EXAMPLES = (("e0", 0), ("e1", 1), ("e3", 2), ("e0", 4))
"""Id and offset of the label, in the order in which they are learnt; the last one is a correction."""
LEDGER = {
    "predicted": 5,
    "joined": 3,
    "expired": 1,
    "duplicate": 1,
    "correction": 1,
    "late": 1,
    "label_dead": 1,
    "event_dead": 1,
    "event_duplicate": 1,
}
EVENTS = ((0, "e0"), (100, "e1"), (200, "e2"), (300, "e3"), (9000, "e4"), (9001, None), (9002, "e4"))


class Row(NamedTuple):
    """One record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def log(*rows):
    """(ms, document or bytes) of each record."""
    return [
        Row(offset, ms, b"k", said if isinstance(said, bytes) else encode(said))
        for offset, (ms, said) in enumerate(rows)
    ]


def event(identity):
    return {"id": identity, "features": {"x": 1.0}} if identity else b"{no event"


def prediction(number, **changes):
    """Of event `number`, as it was served."""
    ms, identity = EVENTS[number]
    said = {"id": identity, "features": {"x": 1.0}, "prediction": "no", "source": number, "event_ms": ms}
    return said | {"model": "champion", "version": 0, "candidates": {}, "probabilities": None, "v": 1} | changes


def example(identity, offset, **changes):
    """The one that label `offset` has made of event `identity`."""
    said = {"label": LABELS[offset][2], "label_source": [0, offset], "closed": 0, "label_ms": LABELS[offset][1]}
    if offset == 4:
        return {"id": identity, "kind": "correction", "label_before": "yes"} | said | changes
    return prediction(int(identity[1])) | said | changes


def shard_over(examples, *, filtered=True):
    """What the learner's checkpoint says of this log; unfiltered, as a learner would that learns whatever comes."""
    chain, seen, ledger = b"", set(), Counter()
    for row in examples:
        source = tuple(row["label_source"])
        if filtered and source in seen:
            ledger["duplicate"] += 1
            continue
        seen.add(source)
        if row.get("kind") == "correction":
            ledger["correction"] += 1
            continue
        ledger["learnt"] += 1
        chain = hashlib.blake2b(chain + b"%d/%d" % source, digest_size=16).digest()
    state = {"next": len(examples), "ledger": dict(ledger), "chain": chain}
    return Checkpoint(name="shard-0", offsets={"p.examples/0": len(examples)}, state=state, generation=1)


def task(events=7, labels=8, generation=1, **changes):
    """The task's checkpoint."""
    state: dict[str, Any] = {"ledger": LEDGER, "waiting": {"e9": [[6, 9001, "no", b"", False]]}, "open": [4, 1]}
    return Checkpoint(
        name="task-0",
        offsets={"p.features/0": events, "p.labels/0": labels},
        state=state | changes,
        generation=generation,
    )


def dead_letter(place):
    return Row(0, 9002, place.encode(), b"{", (("reason", b"$ must be JSON"),))


def letters(*places):
    return [dead_letter(place)._replace(offset=offset) for offset, place in enumerate(places)]


# -- what people are told ----------------------------------------------------------------------------------------


def cut(number):
    """Of window `number`."""
    offsets = {"p.examples/0": number, "p.predictions/0": number}
    return Cut(cut_id("p", offsets), offsets)


def incident(number):
    """The one that begins with window `number`."""
    return hashlib.sha256(b"1:p" + cut(number).id.encode()).hexdigest()[:16]


INCIDENT = incident(2)


def window(number, incident=None, **changes):
    return {
        "id": cut(number).id,
        "window": number,
        "cut": msgspec.to_builtins(cut(number)),
        "incident": incident,
        "told": [],
    } | changes


def alert(phase, number, count=1, begun=2, **changes):
    """One phase of the incident that began with window `begun`, told with window `number`."""
    name = incident(begun)
    told = Alert(
        id=f"{name}/{phase}/{count}",
        incident=name,
        phase=phase,
        severity="warning",
        title="",
        subjects=[],
        since_ms=0,
        cut=cut(number),
        since={},
        hurt=Hurt(verdict="unknown", words="unknown: no labels yet", examples_before=0, examples_since=0),
        false_alarms="1 per 100000 events",
        events=0,
        repeats=0,
        model="champion",
        version=0,
        report=None,
    )
    return msgspec.to_builtins(told) | changes


def request(number, begun=2, **changes):
    name = incident(begun)
    told = RetrainRequest(
        id=f"{name}/retrain",
        incident=name,
        cause="hurt",
        model="champion",
        version=0,
        reason="",
        evidence=[],
        since_ms=0,
        basis="latest",
        ranges={},
        examples=1,
        cut=cut(number),
    )
    return msgspec.to_builtins(told) | changes


TOLD = ([], [f"{INCIDENT}/started/1"], [f"{INCIDENT}/escalated/1", f"{INCIDENT}/retrain"], [f"{INCIDENT}/recovered/1"])
"""By window."""
WINDOWS = tuple(window(n, INCIDENT if n in {2, 3} else None, told=told) for n, told in enumerate(TOLD, 1))
ALERTS = (alert("started", 2), alert("escalated", 3), alert("recovered", 4))


def monitor(windows=4, asked=INCIDENT, outbox=(), told=()):
    """The monitor's checkpoint; `outbox` are (topic, record), `told` ids since the last window."""
    held = [OutboxRecord(f"p.{role}", None, str(n), encode(said)) for n, (role, said) in enumerate(outbox)]
    return Checkpoint(
        name="monitor",
        offsets={},
        state={"windows_total": windows, "retrain": {"asked": asked}, "told": list(told)},
        outbox=msgspec.msgpack.encode((1, held)),
    )


def run(examples=EXAMPLES, *, begins=None, unlimited=(), after=None, config=CONFIG, **changes):
    """The evidence on a run that keeps every promise, but for the changes: rows of a topic, or a checkpoint."""
    rows = [row if isinstance(row, dict) else example(*row) for row in examples]
    told = {
        "features": log(*[(ms, event(identity)) for ms, identity in EVENTS]),
        "labels": log(*[(ms, {"id": i, "label": label}) for i, ms, label in LABELS], (9002, b"{no label")),
        "predictions": log(*[(EVENTS[n][0], prediction(n)) for n in range(5)]),
        "examples": log(*[(600, row) for row in rows]),
        "dead-letters": letters(f"p.features/0/{DEAD_EVENT}", f"p.labels/0/{DEAD_LABEL}"),
        "metrics": log(*[(700, said) for said in WINDOWS]),
        "alerts": log(*[(700, said) for said in ALERTS]),
        "retrain": log((700, request(3))),
    }
    states = {"task": task(), "shard": shard_over(rows), "monitor": monitor()} | {
        name: changes.pop(name) for name in ("task", "shard", "monitor") if name in changes
    }
    logs = {(f"p.{role}", 0): list(log) for role, log in (told | changes).items()}
    return Evidence(
        config=config,
        logs=MemoryLogs(logs, {(f"p.{role}", 0): begin for role, begin in (begins or {}).items()}),
        tasks={0: states["task"]} if states["task"] else {},
        shards={0: states["shard"]} if states["shard"] else {},
        monitor=states["monitor"],
        monitor_after=after or states["monitor"],
        unlimited=frozenset(f"p.{role}" for role in unlimited),
    )


def rows(role, **changes):
    """A topic of the run that keeps its promises, as a list."""
    return list(run(**changes).logs.read((f"p.{role}", 0), 0, 10**9))


def replaced(role, offset, value):
    """That topic with another value at one offset."""
    told = rows(role)
    told[offset] = told[offset]._replace(value=value if isinstance(value, bytes | None) else json.dumps(value).encode())
    return told


def told(evidence):
    """`promise: place what` of each offence."""
    return [f"{promise.name}: {each.at} {each.what}" for promise in audit(evidence).broken for each in promise.offences]


def again(role, *values):
    """A topic with more records behind it."""
    held = rows(role)
    return [
        *held,
        *(row._replace(offset=len(held) + n, timestamp=9999) for n, row in enumerate(log(*[(0, v) for v in values]))),
    ]
