"""`alerts` and `retrain` against the recorded history: what it raised was told, and what was told it raised.

The windows say which incident was open after each. So every incident has a `started` at its first window, and a
`recovered` at the first window without it (or at its last one, when the reference was taken anew).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import TypeVar

import msgspec

from streams.messages import Alert, Cut, RetrainRequest
from streams.verify.evidence import Evidence, outbox_of
from streams.verify.findings import Findings, Promise
from streams.verify.windows import Told, Window

Record = TypeVar("Record", Alert, RetrainRequest)


@dataclass(slots=True)
class _Run:
    """One incident as the windows have it."""

    windows: list[Window]
    after: Window | None

    def __contains__(self, cut: str) -> bool:
        return any(window.cut.id == cut for window in self.windows)


def check_telling(evidence: Evidence, told: Told, findings: Findings) -> None:
    """Both topics, both ways."""
    runs = {incident: _Run(windows, after) for history in told.histories for incident, windows, after in history.runs()}
    known = told.by_cut()
    _alerts(evidence, told, runs, known, findings["alerts"])
    _retrain(evidence, told, runs, known, findings["retrain"])


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


def _strange(record: Alert | RetrainRequest, told: Told, known: dict[str, Window]) -> str:
    """Why the record is of no window that is known; empty if the windows of its time are gone."""
    if not told.whole and known:
        oldest = min(known.values(), key=lambda window: _age(window.cut))
        if _age(record.cut) < _age(oldest.cut):
            return ""
    return f"{record.id} is of no window of the surviving history"


def _alerts(evidence: Evidence, told: Told, runs: dict[str, _Run], known: dict[str, Window], promise: Promise) -> None:
    heard = _heard(evidence, "alerts", Alert, promise)
    unheld = 0
    for alert, at in heard.values():
        if alert.cut.id not in known:
            problem = _strange(alert, told, known)
            unheld += not problem
        else:
            problem = _misplaced(alert, runs.get(alert.incident), evidence.config.name, whole=told.whole)
        if problem:
            promise.breaks(at, problem)
    begin = _first_held(evidence, "alerts")
    oldest = min((_age(alert.cut) for alert, _ in heard.values()), default=None)
    for name, window in _due(evidence, told, runs):
        if name in heard:
            continue
        if begin and (oldest is None or _age(window.cut) <= oldest):
            unheld += 1
        else:
            promise.breaks(window.at, f"{name} is in the history, and nobody was told")
    _escalations(heard.values(), promise, whole=not begin)
    promise.counts("monitor", incidents=len(runs))
    if begin:
        promise.leaves(f"not checkable before offset {begin:,} of {evidence.config.topic('alerts')}")
    if unheld:
        promise.leaves(f"{unheld:,} phases are of windows or alerts no longer held")


def _due(evidence: Evidence, told: Told, runs: dict[str, _Run]) -> Iterator[tuple[str, Window]]:
    """Ids of alerts that the surviving history has raised up to the monitor's checkpoint, with their windows."""
    total = int(evidence.monitor.state["windows_total"]) if evidence.monitor is not None else 0
    surviving = told.surviving.windows
    for incident, run in runs.items():
        for phase, window in (("started", run.windows[0]), ("recovered", run.after)):
            if window is None or window.number > total or surviving.get(window.number) != window:
                continue
            if phase == "started" and not told.whole and told.surviving.first and window.number == min(surviving):
                continue  # it may have begun in a window that is gone
            yield f"{incident}/{phase}/1", window


def _age(cut: Cut) -> int:
    """Cuts only grow, so their sums are an order."""
    return sum(cut.offsets.values())


def _misplaced(alert: Alert, run: _Run | None, pipeline: str, *, whole: bool) -> str:
    """Why an alert does not belong to where its cut is; empty if it does."""
    if run is None:
        return f"{alert.id} is of an incident that is in no window of the history"
    cut = alert.cut.id
    first, last = run.windows[0].cut.id, run.windows[-1].cut.id
    ends = {last} | ({run.after.cut.id} if run.after is not None else set())
    fits = {"started": cut == first, "escalated": cut in run, "recovered": cut in ends}[alert.phase]
    if not fits and whole:
        return f"{alert.id} is not told where the history has it"
    if alert.phase == "started" and alert.incident != _incident_id(pipeline, cut):
        return f"{alert.id} does not bear the name of its cut"
    if alert.id.rpartition("/")[0] != f"{alert.incident}/{alert.phase}":
        return f"{alert.id} must be named by its incident and phase"
    return ""


def _incident_id(pipeline: str, cut: str) -> str:
    return sha256(f"{len(pipeline)}:{pipeline}{cut}".encode()).hexdigest()[:16]


def _escalations(heard: Iterable[tuple[Alert, str]], promise: Promise, *, whole: bool) -> None:
    """Numbered from 1 in each incident."""
    if not whole:
        return
    numbers: dict[str, list[tuple[int, str]]] = {}
    for alert, at in heard:
        if alert.phase == "escalated":
            count = alert.id.rpartition("/")[2]
            numbers.setdefault(alert.incident, []).append((int(count) if count.isdecimal() else 0, at))
    for incident, found in numbers.items():
        for must, (number, at) in enumerate(sorted(found), 1):
            if number != must:
                promise.breaks(at, f"{incident}/escalated/{must} is missing before {incident}/escalated/{number}")
                break


def _retrain(evidence: Evidence, told: Told, runs: dict[str, _Run], known: dict[str, Window], promise: Promise) -> None:
    heard = _heard(evidence, "retrain", RetrainRequest, promise)
    unheld = 0
    for request, at in heard.values():
        if request.cut.id not in known:
            problem = _strange(request, told, known)
            unheld += not problem
        else:
            problem = _unasked(request, runs.get(request.incident))
        if problem:
            promise.breaks(at, problem)
    begin = _first_held(evidence, "retrain")
    asked = evidence.monitor.state.get("retrain", {}).get("asked", "") if evidence.monitor is not None else ""
    if asked and f"{asked}/retrain" not in heard and not begin:
        promise.breaks("monitor", f"{asked}/retrain was made by the history, and nobody was told")
    if begin:
        promise.leaves(f"not checkable before offset {begin:,} of {evidence.config.topic('retrain')}")
    if unheld:
        promise.leaves(f"{unheld:,} requests are of windows no longer held")


def _unasked(request: RetrainRequest, run: _Run | None) -> str:
    """Why a request does not belong to the history; empty if it does."""
    if run is None or request.cut.id not in run:
        return f"{request.id} is of no incident of the surviving history"
    if request.id != f"{request.incident}/retrain":
        return f"{request.id} must be named by its incident, of which there is one request"
    return ""
