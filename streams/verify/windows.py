"""`metrics`: the recorded history of the monitor. Its windows are numbered, and each is named by its cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import msgspec

from streams.messages import Cut
from streams.verify.evidence import Evidence, outbox_of
from streams.verify.findings import Findings, Promise


class _Told(msgspec.Struct):
    id: str
    window: int
    cut: Cut
    incident: str | None
    told: tuple[str, ...]


class Window(NamedTuple):
    """One evaluated window as it was told."""

    number: int
    cut: Cut
    incident: str | None
    """The one that was open after it."""
    told: tuple[str, ...]
    """Ids of alerts and requests since the window before."""
    bytes_digest: bytes
    at: str


@dataclass(slots=True)
class History:
    """Windows in their order. A rebuild of the monitor begins a new history; the last one survives."""

    windows: dict[int, Window] = field(default_factory=dict)
    first: bool = True
    """Whether nothing was told before it."""


@dataclass(slots=True)
class Told:
    """Everything that was told of windows, and what the monitor's outbox still holds."""

    histories: list[History]
    whole: bool
    """False: retention has removed the first of them."""

    @property
    def surviving(self) -> History:
        """The one that the checkpoint goes on from."""
        return self.histories[-1]


def cut_id(pipeline: str, offsets: dict[str, int]) -> str:
    """The name that these offsets give a window, for ever."""
    parts = (pipeline, *(f"{place}:{offset}" for place, offset in sorted(offsets.items())))
    return blake2b(msgspec.msgpack.encode(parts), digest_size=16).hexdigest()


def read_windows(evidence: Evidence, findings: Findings) -> Told:
    """The log, then the outboxes: what is in both is the same."""
    promise, topic = findings["windows"], evidence.config.topic("metrics")
    place, logs = (topic, 0), evidence.logs
    told = Told([History()], whole=logs.begins[place] == 0)
    records = 0
    for row in logs.read(place, logs.begins[place], logs.ends[place]):
        records += 1
        _take(evidence, told, row.value or b"", f"{topic}/0/{row.offset}", promise)
    for checkpoint in (evidence.monitor, evidence.monitor_after):
        for payload in outbox_of(checkpoint, topic):
            _take(evidence, told, payload, f"{topic}: to be told", promise)
    promise.counts("monitor", records=records, histories=len(told.histories), windows=len(told.surviving.windows))
    return told


def _take(evidence: Evidence, told: Told, value: bytes, at: str, promise: Promise) -> None:
    try:
        said = msgspec.json.decode(value, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        promise.breaks(at, "is no window")
        return
    window = Window(said.window, said.cut, said.incident, said.told, blake2b(value, digest_size=16).digest(), at)
    history = told.surviving
    known = history.windows.get(window.number)
    if known is not None and known.bytes_digest == window.bytes_digest:
        return  # told again after a crash
    if known is not None and (window.number > 1 or not _later(window, history)):
        promise.breaks(at, f"window {window.number:,} was told before, and differently: two histories")
        return
    if known is not None or (window.number == 1 and history.windows and _later(window, history)):
        history = History(first=False)
        told.histories.append(history)
    if window.cut.id != cut_id(evidence.config.name, window.cut.offsets) or said.id != window.cut.id:
        promise.breaks(at, f"window {window.number:,} does not bear the name of its cut")
    history.windows[window.number] = window


def _later(window: Window, history: History) -> bool:
    """Whether it begins behind all that a history has seen, as after a rebuild."""
    last = history.windows[max(history.windows)]
    return all(window.cut.offsets.get(place, 0) >= offset for place, offset in last.cut.offsets.items())


def check_windows(evidence: Evidence, told: Told, findings: Findings) -> None:
    """No gap, no cut twice, none going back; as many as the monitor has counted."""
    promise, topic = findings["windows"], evidence.config.topic("metrics")
    for history in told.histories:
        ordered = [history.windows[number] for number in sorted(history.windows)]
        if ordered and ordered[0].number != 1 and (told.whole or not history.first):
            promise.breaks(ordered[0].at, f"windows must be told from 1, got {ordered[0].number:,}")
        for before, after in pairwise(ordered):
            if after.number != before.number + 1:
                promise.breaks(
                    after.at, f"window {after.number:,} follows {before.number:,}: those between are missing"
                )
            back = [p for p, offset in before.cut.offsets.items() if after.cut.offsets.get(p, 0) < offset]
            if back or after.cut.id == before.cut.id:
                promise.breaks(after.at, f"window {after.number:,} does not end behind its predecessor")
    if not told.whole:
        first = min(told.histories[0].windows, default=0)
        promise.leaves(f"not checkable before offset {evidence.logs.begins[topic, 0]:,} of {topic}, window {first:,}")
    newest = max(told.surviving.windows, default=0)
    counted, counted_after = (
        checkpoint.state["windows_total"] if checkpoint else newest
        for checkpoint in (evidence.monitor, evidence.monitor_after)
    )
    if newest < counted and (newest or told.whole):
        promise.breaks("monitor", f"its history has {counted:,} windows, {newest:,} were told")
    if newest > counted_after:
        at = told.surviving.windows[newest].at
        promise.breaks(at, f"window {newest:,} was told, the monitor's history has {counted_after:,}")
