"""`alerts` and `retrain` against the recorded history: what it raised was told, and what was told it raised.

Each window names what was told since the one before it, and the monitor's checkpoint what was told since the last one.
So every record on the two topics is named once, where its cut belongs, and every name has its record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import TypeVar

import msgspec

from streams.messages import ENDS, Alert, Cut, RetrainRequest
from streams.verify.evidence import Checkpoint, Evidence, outbox_of
from streams.verify.findings import Findings, Promise
from streams.verify.windows import Told, Window

Record = TypeVar("Record", Alert, RetrainRequest)
_PHASES = ("started", "escalated", "recovered", "closed")


@dataclass(frozen=True, slots=True)
class _Named:
    """Where the history names a record."""

    before: Window | None
    """The window it comes after."""
    window: Window | None
    """The one that names it; None for a checkpoint."""
    at: str
    surviving: bool


def check_telling(evidence: Evidence, told: Told, findings: Findings) -> None:
    """Both topics, both ways."""
    named = _names(evidence, told, findings)
    _alerts(evidence, told, named, findings["alerts"])
    _retrain(evidence, told, named, findings["retrain"])


def _names(evidence: Evidence, told: Told, findings: Findings) -> dict[str, _Named]:
    """Every id that the history names; one that is named twice is an offence."""
    named: dict[str, _Named] = {}
    for history in told.histories:
        before = None
        for number in sorted(history.windows):
            window = history.windows[number]
            for identity in window.told:
                if identity in named:
                    findings[_role(identity)].breaks(window.at, f"{identity} is named by two windows")
                named[identity] = _Named(before, window, window.at, history is told.surviving)
            before = window
    for checkpoint in (evidence.monitor, evidence.monitor_after):
        windows = told.surviving.windows
        last = windows.get(_total(checkpoint))
        for identity in checkpoint.state.get("told", ()) if checkpoint is not None else ():
            named.setdefault(identity, _Named(last, None, "monitor", surviving=True))
    return named


def _role(identity: str) -> str:
    return "retrain" if identity.endswith("/retrain") or identity.startswith("schedule/") else "alerts"


def _total(checkpoint: Checkpoint | None) -> int:
    return int(checkpoint.state["windows_total"]) if checkpoint is not None else 0


def _heard(evidence: Evidence, role: str, kind: type[Record], promise: Promise) -> dict[str, tuple[Record, str]]:
    """Records by id with their place; one that is told twice must be the same."""
    topic, logs = evidence.config.topic(role), evidence.logs
    place = (topic, 0)
    log = logs.read(place, logs.begins[place], logs.ends[place])
    rows = [(row.value or b"", f"{topic}/0/{row.offset}") for row in log]
    held = [(value, "monitor") for value in outbox_of(evidence.monitor, topic)]
    found: dict[str, tuple[Record, str]] = {}
    first: dict[str, bytes] = {}
    for value, at in rows + held:
        try:
            record = msgspec.json.decode(value, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            promise.breaks(at, "cannot be read")
            continue
        content = blake2b(value, digest_size=16).digest()
        if first.setdefault(record.id, content) != content:
            promise.breaks(at, f"{record.id} was told before, and differently")
        found.setdefault(record.id, (record, at))
    promise.counts("monitor", records=len(rows), told=len(found))
    return found


def _first_held(evidence: Evidence, role: str) -> int:
    """The offset from which on the log is to be judged: 0 also where somebody cut a log that keeps everything."""
    topic = evidence.config.topic(role)
    return 0 if topic in evidence.unlimited else evidence.logs.begins[topic, 0]


def _misplaced(record: Alert | RetrainRequest, named: _Named | None, told: Told) -> str | None:
    """Why a record is not where the history has it; empty if it is, None if the windows of its time are gone."""
    if named is None:
        oldest = min((_age(w.cut) for history in told.histories for w in history.windows.values()), default=0)
        if not told.whole and _age(record.cut) <= oldest:
            return None
        return f"{record.id} is named by no window of the surviving history"
    early = named.before is not None and not _covers(record.cut, named.before.cut)
    late = named.window is not None and not _covers(named.window.cut, record.cut)
    return f"{record.id} is not told where the history has it" if early or late else ""


def _covers(later: Cut, earlier: Cut) -> bool:
    return all(later.offsets.get(place, 0) >= offset for place, offset in earlier.offsets.items())


def _missing(
    evidence: Evidence, named: dict[str, _Named], heard: dict[str, tuple[Record, str]], role: str, promise: Promise
) -> None:
    """Names up to the checkpoint without a record."""
    begin, unheld = _first_held(evidence, role), 0
    oldest = min((_age(record.cut) for record, _ in heard.values()), default=None)
    for identity, where in named.items():
        if _role(identity) != role or identity in heard or not _told_by_now(where, evidence):
            continue
        if begin and (oldest is None or where.window is None or _age(where.window.cut) <= oldest):
            unheld += 1
        else:
            promise.breaks(where.at, f"{identity} is in the history, and nobody was told")
    if begin:
        promise.leaves(f"not checkable before offset {begin:,} of {evidence.config.topic(role)}")
    if unheld:
        promise.leaves(f"{unheld:,} records are no longer held")


def _told_by_now(where: _Named, evidence: Evidence) -> bool:
    """Whether the checkpoint that was read first holds it: what came later may be on its way."""
    if not where.surviving or evidence.monitor is None:
        return False
    if where.window is not None:
        return where.window.number <= _total(evidence.monitor)
    return where.before is None or where.before.number <= _total(evidence.monitor)


def _age(cut: Cut) -> int:
    """Cuts only grow, so their sums are an order."""
    return sum(cut.offsets.values())


def _judge(
    heard: dict[str, tuple[Record, str]], named: dict[str, _Named], told: Told, promise: Promise
) -> Iterator[tuple[Record, str]]:
    """Those that are where the history has them; the others are offences, or of windows that are gone."""
    unheld = 0
    for record, at in heard.values():
        problem = _misplaced(record, named.get(record.id), told)
        if problem is None:
            unheld += 1
        elif problem:
            promise.breaks(at, problem)
        else:
            yield record, at
    if unheld:
        promise.leaves(f"{unheld:,} records are of windows no longer held")


def _alerts(evidence: Evidence, told: Told, named: dict[str, _Named], promise: Promise) -> None:
    heard = _heard(evidence, "alerts", Alert, promise)
    for alert, at in _judge(heard, named, told, promise):
        if alert.phase == "started" and alert.incident != _incident_id(evidence.config.name, alert.cut.id):
            promise.breaks(at, f"{alert.id} does not bear the name of its cut")
        if alert.id.rpartition("/")[0] != f"{alert.incident}/{alert.phase}":
            promise.breaks(at, f"{alert.id} must be named by its incident and phase")
    _missing(evidence, named, heard, "alerts", promise)
    if not _first_held(evidence, "alerts"):
        _stories(heard.values(), promise)
    promise.counts("monitor", incidents=len({alert.incident for alert, _ in heard.values()}))


def _incident_id(pipeline: str, cut: str) -> str:
    return sha256(f"{len(pipeline)}:{pipeline}{cut}".encode()).hexdigest()[:16]


def _stories(heard: Iterable[tuple[Alert, str]], promise: Promise) -> None:
    """Each incident starts once, escalates by numbers from 1, and tells nothing after its end."""
    stories: dict[str, list[tuple[int, Alert, str]]] = {}
    for alert, at in heard:
        stories.setdefault(alert.incident, []).append((_age(alert.cut), alert, at))
    for incident, story in stories.items():
        story.sort(key=lambda each: (each[0], _PHASES.index(each[1].phase), each[1].id))
        if story[0][1].id != f"{incident}/started/1":
            promise.breaks(story[0][2], f"{incident} has {story[0][1].phase} before it started")
        for _, alert, at in story[:-1]:
            if alert.phase in ENDS:
                promise.breaks(at, f"{incident} goes on after it has {alert.phase}")
        escalated = [(int(alert.id.rpartition("/")[2]), at) for _, alert, at in story if _numbered(alert)]
        for must, (number, at) in enumerate(sorted(escalated), 1):
            if number != must:
                promise.breaks(at, f"{incident}/escalated/{must} is missing before {incident}/escalated/{number}")
                break


def _numbered(alert: Alert) -> bool:
    return alert.phase == "escalated" and alert.id.rpartition("/")[2].isdecimal()


def _retrain(evidence: Evidence, told: Told, named: dict[str, _Named], promise: Promise) -> None:
    heard = _heard(evidence, "retrain", RetrainRequest, promise)
    for request, at in _judge(heard, named, told, promise):
        if request.id != (f"{request.incident}/retrain" if request.incident else request.id):
            promise.breaks(at, f"{request.id} must be named by its incident, of which there is one request")
    _missing(evidence, named, heard, "retrain", promise)
    asked = evidence.monitor.state.get("retrain", {}).get("asked", "") if evidence.monitor is not None else ""
    if asked and f"{asked}/retrain" not in heard and not _first_held(evidence, "retrain"):
        promise.breaks("monitor", f"{asked}/retrain was made by the history, and nobody was told")
