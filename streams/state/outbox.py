"""What people act on, held back until the checkpoint that holds it is durable.

A record that was published and then forgotten by a crash could never be taken back: an alert without a history. So a
record enters the outbox, the outbox enters the checkpoint, and only when that checkpoint is durable may the record go
out. After a crash whatever the checkpoint holds goes out again under the same id, and readers drop the repeat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from streams.errors import StateError

_FORMAT = 1


class OutboxRecord(msgspec.Struct, frozen=True):
    """A record to publish."""

    topic: str
    key: bytes | None
    record_id: str
    """Unique in the outbox, the same whenever the same facts lead to it."""
    payload: bytes


class _Held(msgspec.Struct):
    record: OutboxRecord
    sequence: int | None = None
    """Of the first checkpoint that holds it; None until one is taken."""


_decode = msgspec.msgpack.Decoder(tuple[int, list[OutboxRecord]]).decode


def deterministic_id(*parts: str | int) -> str:
    """32 hexadecimal digits that depend on the parts alone, on their types and on where one ends.

    >>> deterministic_id("incident", "feature:amount", 17) == deterministic_id("incident", "feature:amount", 17)
    True
    >>> deterministic_id("a", "bc") == deterministic_id("ab", "c")
    False
    """
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=16).hexdigest()


class Outbox:
    """Records in the order they were added.

    >>> outbox = Outbox()
    >>> outbox.add("fraud.alerts", b"i1", "i1/started", b"{}")
    >>> saved = outbox.snapshot(sequence=7)
    >>> [record.record_id for record in outbox.unpublished()]
    []
    >>> outbox.mark_durable(7)
    >>> [record.record_id for record in outbox.unpublished()]
    ['i1/started']
    >>> outbox.published(["i1/started"])
    >>> len(outbox)
    0
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._held: dict[str, _Held] = {}
        self._durable: int | None = None

    def add(self, topic: str, key: bytes | None, record_id: str, payload: bytes) -> None:
        """Hold a record; the same one again changes nothing.

        Raises:
            StateError: the outbox is full, or another record has this id.
        """
        record = OutboxRecord(topic, key, record_id, payload)
        held = self._held.get(record_id)
        if held is not None:
            if held.record != record:
                raise StateError(
                    f"outbox record {record_id} for {topic} must be the same each time, got another content"
                )
            return
        if len(self._held) >= self._limit:
            raise StateError(
                f"outbox must hold at most {self._limit} records that are not published yet, got one more: "
                "the broker does not take them, or no checkpoint becomes durable"
            )
        self._held[record_id] = _Held(record)

    def snapshot(self, sequence: int) -> bytes:
        """Everything in it, for the checkpoint numbered `sequence`; sequences of a process rise."""
        for held in self._held.values():
            if held.sequence is None:
                held.sequence = sequence
        return msgspec.msgpack.encode((_FORMAT, [held.record for held in self._held.values()]))

    def mark_durable(self, sequence: int) -> None:
        """The checkpoint numbered `sequence` is durable, and so is what the snapshots up to it held."""
        if self._durable is None or sequence > self._durable:
            self._durable = sequence

    def unpublished(self) -> list[OutboxRecord]:
        """Records that may go out now, in the order they were added."""
        durable = self._durable
        if durable is None:
            return []
        return [h.record for h in self._held.values() if h.sequence is not None and h.sequence <= durable]

    def published(self, record_ids: Iterable[str]) -> None:
        """The broker has acknowledged these: forget them. Unknown ids are ignored.

        Raises:
            ValueError: one of them could not have gone out yet.
        """
        for record_id in record_ids:
            held = self._held.get(record_id)
            if held is None:
                continue
            if held.sequence is None or self._durable is None or held.sequence > self._durable:
                raise ValueError(f"outbox record {record_id} must be in a durable checkpoint before it is published")
            del self._held[record_id]

    def __len__(self) -> int:
        return len(self._held)

    @classmethod
    def restore(cls, snapshot: bytes, limit: int = 10_000) -> Outbox:
        """From a durable checkpoint: all it holds may go out, again under the same ids.

        Raises:
            StateError: the bytes are not what `snapshot` gave.
        """
        try:
            version, records = _decode(snapshot)
        except msgspec.DecodeError as error:
            raise StateError(f"outbox must be what a snapshot gave, got other bytes: {error}") from error
        if version != _FORMAT:
            raise StateError(f"outbox must have format {_FORMAT}, got {version}")
        made = cls(limit)
        first = 0
        made._held = {record.record_id: _Held(record, first) for record in records}
        made._durable = first
        return made
