"""What is judged: logs that are read as streams, and checkpoints, each of a moment of its own.

A pipeline may be running. So the checkpoints come first: whatever a task, shard or monitor has emitted up to its
checkpoint is in the logs by the time their ends are asked for. What lies beyond a checkpoint is not judged yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams.config import Config
from streams.topic_logs import Logs, Place

NEVER = 1 << 62
"""A time, in ms, later than any record's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The newest valid one of a task, shard or monitor."""

    name: str
    offsets: Mapping[str, int]
    """`topic/partition` → how far it had read."""
    state: Mapping[str, Any]
    outbox: bytes = b""
    """Of the monitor: what is durable and perhaps not published yet."""
    generation: int = 0
    sequence: int = 0

    def at(self, place: Place) -> int:
        """How far it had read there."""
        return self.offsets.get(f"{place[0]}/{place[1]}", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All there is to judge by."""

    config: Config
    logs: Logs
    """Their ends were asked for after the checkpoints were read."""
    tasks: Mapping[int, Checkpoint] = field(default_factory=dict)
    """By partition; none yet where it is absent."""
    shards: Mapping[int, Checkpoint] = field(default_factory=dict)
    monitor: Checkpoint | None = None
    """Read before the ends of the logs: what it has told is in them, or in its outbox."""
    monitor_after: Checkpoint | None = None
    """Read after the ends of `alerts` and `retrain`: whatever is in them, its history must hold."""
    starts: Mapping[Place, int] = field(default_factory=dict)
    """With `start = <time>`: the first offset at or after it."""
    compacted: frozenset[str] = frozenset()
    """Topics in which any record may go once its key has come again."""
    unlimited: frozenset[str] = frozenset()
    """Topics that lose no record by themselves: there, a log that begins later was cut by hand."""


class OutboxRecord(msgspec.Struct, frozen=True):
    """What a monitor's checkpoint holds back until it is durable."""

    topic: str
    key: bytes | None
    record_id: str
    payload: bytes


_OUTBOX = msgspec.msgpack.Decoder(tuple[int, list[OutboxRecord]])


def outbox_of(checkpoint: Checkpoint | None, topic: str) -> list[bytes]:
    """Payloads for this topic in the checkpoint's outbox."""
    if checkpoint is None or not checkpoint.outbox:
        return []
    _, records = _OUTBOX.decode(checkpoint.outbox)
    return [record.payload for record in records if record.topic == topic]
