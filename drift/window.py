"""The last rows of a stream, as columns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drift.columns import Column, check_kinds, dtype_of, encode, pack, plain, unpack
from drift.evidence import ColumnKind

Row = tuple[str, int, Mapping[str, object]]
"""Id, record time in ms since the epoch, values by column name (absent: missing)."""

_FORMAT = "millrace-window/1"
_PENDING_MAX = 256
"""Rows turned into columns at a time: 0.4 ms for 20 columns, so no append holds its caller for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """Settings, checked once when built."""

    window_rows: int
    """Rows kept."""
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    """The columns kept, by name; other values of a row are ignored."""

    def __post_init__(self) -> None:
        if self.window_rows < 1:
            raise ValueError(f"window.window_rows must be at least 1, got {self.window_rows}")
        check_kinds("window.kinds", self.kinds)


class SlidingWindow:
    """The last `window_rows` rows in the order they came.

    Appending puts the row's values aside as a tuple; every 256 rows, and when somebody looks, the tuples become
    columns. These live in buffers of twice the window's length, so that a window is always one slice of each and
    the rest moves to the front once per window.

    >>> window = SlidingWindow(WindowConfig(window_rows=2, kinds={"amount": "numeric"}))
    >>> window.extend([("a", 1, {"amount": 1.0}), ("b", 2, {}), ("c", 3, {"amount": 3.0})])
    >>> window.columns(), window.ids(), (window.from_ms, window.to_ms), window.rows_seen
    ({'amount': array([nan, 3.])}, ['b', 'c'], (2, 3), 3)
    """

    def __init__(self, config: WindowConfig) -> None:
        self.config = config
        self.rows_seen = 0
        """Rows appended since the window was new, across restarts."""
        self._names = tuple(config.kinds)
        self._ids: deque[str] = deque(maxlen=config.window_rows)
        self._times: deque[int] = deque(maxlen=config.window_rows)
        self._pending: list[tuple[object, ...]] = []
        length = config.window_rows + max(config.window_rows, _PENDING_MAX)
        self._buffers = {name: np.empty(length, dtype=dtype_of(kind)) for name, kind in config.kinds.items()}
        self._stop = 0  # the columns fill [stop - rows, stop) of each buffer

    def __len__(self) -> int:
        """Rows held."""
        return len(self._ids)

    @property
    def full(self) -> bool:
        """Whether it holds `window_rows` rows."""
        return len(self._ids) == self.config.window_rows

    @property
    def from_ms(self) -> int:
        """Record time of the first row held, ms since the epoch. Raises IndexError when empty."""
        return self._times[0]

    @property
    def to_ms(self) -> int:
        """Record time of the last row held, ms since the epoch. Raises IndexError when empty."""
        return self._times[-1]

    def append(self, row_id: str, event_ms: int, values: Mapping[str, object]) -> None:
        """Take in one row; the oldest falls out when the window is full. Called once per event."""
        self._ids.append(row_id)
        self._times.append(event_ms)
        self._pending.append(tuple(map(values.get, self._names)))
        self.rows_seen += 1
        if len(self._pending) >= _PENDING_MAX:
            self._columnise()

    def extend(self, rows: Iterable[Row]) -> None:
        """Take in rows in order."""
        for row_id, event_ms, values in rows:
            self.append(row_id, event_ms, values)

    def columns(self) -> dict[str, Column]:
        """Copies of the columns, shape `(len(self),)`, oldest row first, as pandas would type them."""
        return {
            name: plain(kind, column)
            for (name, kind), column in zip(self.config.kinds.items(), self._held(), strict=True)
        }

    def encoded(self, rows: slice) -> dict[str, Column]:
        """Copies of the columns of some rows in encoded form, as a reference keeps them."""
        self._columnise()
        start = self._stop - len(self._ids)
        return {name: buffer[start : self._stop][rows].copy() for name, buffer in self._buffers.items()}

    def ids(self) -> list[str]:
        """Ids of the rows held, oldest first."""
        return list(self._ids)

    def times_ms(self) -> list[int]:
        """Record times of the rows held, oldest first, ms since the epoch."""
        return list(self._times)

    def snapshot(self) -> dict[str, Any]:
        """The rows held, as a dict of what MessagePack can write; later appends do not change it."""
        packed = {
            name: pack(kind, column)
            for (name, kind), column in zip(self.config.kinds.items(), self._held(), strict=True)
        }
        return {
            "format": _FORMAT,
            "rows_seen": self.rows_seen,
            "ids": list(self._ids),
            "times_ms": list(self._times),
            "columns": packed,
        }

    @classmethod
    def restore(cls, config: WindowConfig, snapshot: Mapping[str, Any]) -> SlidingWindow:
        """A window that goes on as if it had never stopped.

        A shorter `window_rows` keeps the newest rows. Raises ValueError if the snapshot is of other columns.
        """
        if snapshot.get("format") != _FORMAT:
            raise ValueError(f"window must be {_FORMAT}, got {snapshot.get('format')!r}")
        window, ids, times_ms = cls(config), snapshot["ids"], snapshot["times_ms"]
        rows = len(ids)
        unpacked = {name: unpack(f"window.{name}", packed, rows) for name, packed in snapshot["columns"].items()}
        kinds = {name: kind for name, (kind, _) in unpacked.items()}
        if kinds != dict(config.kinds):
            raise ValueError(f"window must be rows of {dict(config.kinds)}, got rows of {kinds}")
        if len(times_ms) != rows:
            raise ValueError(f"window.times_ms must be {rows} values, got {len(times_ms)}")
        kept = min(rows, config.window_rows)
        window._ids.extend(ids)
        window._times.extend(times_ms)
        window._stop = kept
        window.rows_seen = snapshot["rows_seen"]
        for name, buffer in window._buffers.items():
            buffer[:kept] = unpacked[name][1][rows - kept :]
        return window

    def _held(self) -> list[Column]:
        self._columnise()
        start = self._stop - len(self._ids)
        return [buffer[start : self._stop].copy() for buffer in self._buffers.values()]

    def _columnise(self) -> None:
        if not self._pending:
            return
        fresh = len(self._pending)
        some_buffer = next(iter(self._buffers.values()))
        if self._stop + fresh > some_buffer.size:
            kept = min(self._stop, self.config.window_rows)
            for buffer in self._buffers.values():
                buffer[:kept] = buffer[self._stop - kept : self._stop]  # numpy minds the overlap
            self._stop = kept
        for (name, kind), values in zip(self.config.kinds.items(), zip(*self._pending, strict=True), strict=True):
            self._buffers[name][self._stop : self._stop + fresh] = encode(kind, values)
        self._stop += fresh
        self._pending.clear()
