"""The pipeline's topics as logs, for whoever computes from them what the pipeline did: the verifier and a replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

Place = tuple[str, int]
"""Topic and partition."""


class Row(Protocol):
    """A record as the broker holds it."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """Record time, ms since the epoch."""

    @property
    def key(self) -> bytes | None:
        """None for a record without a key."""

    @property
    def value(self) -> bytes | None:
        """None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Of a dead letter: why and from where."""


class Logs(Protocol):
    """The pipeline's topics; reading may be repeated."""

    @property
    def begins(self) -> Mapping[Place, int]:
        """First offset that retention has left."""

    @property
    def ends(self) -> Mapping[Place, int]:
        """Last stable offset, as it was when it was asked for."""

    def read(self, place: Place, start: int, stop: int) -> Iterator[Row]:
        """Records of [start, stop) in the order of offsets."""


class MemoryLogs:
    """Logs in memory, whole or cut at the front: the twin of the broker's."""

    def __init__(self, rows: Mapping[Place, Iterable[Row]], begins: Mapping[Place, int] | None = None) -> None:
        self._rows = {place: list(log) for place, log in rows.items()}
        self.begins = dict.fromkeys(self._rows, 0) | dict(begins or {})
        self.ends = {place: log[-1].offset + 1 if log else self.begins[place] for place, log in self._rows.items()}

    def read(self, place: Place, start: int, stop: int) -> Iterator[Row]:
        """See `Logs`."""
        begin = max(start, self.begins[place])
        return (row for row in self._rows[place] if begin <= row.offset < stop)
