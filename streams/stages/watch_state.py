"""The watch stage as bytes and back: its plain state, its detectors through the allowlist, its reference by digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from drift.detectors import DetectorState
from drift.reference import Reference
from learners.allowlist import Allowlist
from learners.snapshots import dumps, loads
from streams.config import Config
from streams.errors import StateError
from streams.stages.watch import Watch
from streams.state.outbox import Outbox


class Objects(Protocol):
    """Where references are kept."""

    def get_object(self, path: str, digest: str) -> bytes:
        """The payload, verified."""
        ...


@dataclass(frozen=True, slots=True)
class WatchState:
    """One checkpoint of the monitor."""

    watch: Watch
    outbox: Outbox
    settings: Mapping[str, Any]
    """Those whose change is not harmless."""


def reference_path(digest: str) -> str:
    """Where the store keeps a reference."""
    return f"objects/references/monitor/{digest}.obj"


def pack_watch(state: WatchState, sequence: int) -> bytes:
    """The payload of checkpoint number `sequence`; the reference itself is stored apart, once."""
    watch = state.watch
    detectors = {
        name: {
            "name": detector.name,
            "watch": detector.watch,
            "rows": detector.rows,
            "skipped": detector.skipped,
            "learning": detector.learning,
            "scale": detector.scale,
            "river": dumps(detector.river),
        }
        for name, detector in watch.detector_states().items()
    }
    return msgspec.msgpack.encode(
        {
            "state": watch.dump(),
            "detectors": detectors,
            "outbox": state.outbox.snapshot(sequence),
            "settings": dict(state.settings),
        }
    )


def load_watch(config: Config, store: Objects, payload: bytes) -> WatchState:
    """The stage as the checkpoint left it.

    Raises:
        StateError: the payload, a detector or the reference cannot be read.
    """
    try:
        packed = msgspec.msgpack.decode(payload, strict=False)
        saved = packed["state"]
        digest = saved["reference"]
        reference = Reference.from_bytes(store.get_object(reference_path(digest), digest)) if digest else None
        watch = Watch(config, saved, reference, {name: _detector(d) for name, d in packed["detectors"].items()})
        return WatchState(watch, Outbox.restore(packed["outbox"]), packed["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"the monitor's checkpoint could not be read: {error!r}; `millrace rebuild --monitor` begins a new history"
        ) from error


def _detector(packed: Mapping[str, Any]) -> DetectorState:
    return DetectorState(
        name=packed["name"],
        watch=packed["watch"],
        rows=packed["rows"],
        skipped=packed["skipped"],
        learning=tuple(packed["learning"]),
        scale=tuple(packed["scale"]) if packed["scale"] is not None else None,
        river=loads(packed["river"], Allowlist()),
    )
