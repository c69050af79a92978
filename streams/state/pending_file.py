"""The SQLite file behind `PendingStore`: a cache that dies with its process.

The file is unlinked as soon as it is open, so that neither a kill nor a second store in the same folder leaves anything
behind. One transaction is opened and never ended: nobody reads the file after this process, and ending it would cost a
write per row. Journal and fsync are off for the same reason.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from streams.errors import StateError

_NEVER = 1 << 62  # later than every event
_COLUMNS = "key, value, event_ms, source, place"
_TABLE = """
CREATE TABLE rows (source INTEGER PRIMARY KEY, id TEXT NOT NULL, event_ms INTEGER NOT NULL, place INTEGER,
                   key BLOB, value BLOB NOT NULL);
CREATE UNIQUE INDEX by_id ON rows (id);
CREATE INDEX by_event ON rows (event_ms, source);
"""

Columns = tuple[bytes | None, bytes, int, int, int | None]
"""key, value, event_ms, source, where."""


class PendingFile:
    """Rows by id and by source, made when the first one comes. Falsy while it holds nothing, and then costs nothing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pending.sqlite"
        self.oldest_ms = _NEVER
        """No row is older than this."""
        self._count = 0
        self._base: sqlite3.Connection | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"could not clear {self.path}: {error}") from error

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Sequence[tuple[str, bytes | None, bytes, int, int, int | None]]) -> None:
        """Put in rows of (id, key, value, event_ms, source, where).

        Raises:
            StateError: an id or a source is there already, or the disk is full.
        """
        try:
            self._open().executemany(f"INSERT INTO rows (id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608 - a constant
        except sqlite3.Error as error:
            raise StateError(f"could not move pending predictions to {self.path}: {error}") from error
        self._count += len(rows)
        self.oldest_ms = min(self.oldest_ms, *(row[3] for row in rows))

    def get(self, identity: str) -> Columns | None:
        """The row with this id."""
        found: Columns | None = self._one(f"SELECT {_COLUMNS} FROM rows WHERE id = ?", identity)  # noqa: S608 - a constant
        return found

    def remove(self, source: int) -> None:
        """Take out the row of this source."""
        self._count -= self._open().execute("DELETE FROM rows WHERE source = ?", (source,)).rowcount
        if not self._count:
            self.oldest_ms = _NEVER

    def take_before(self, event_ms: int) -> list[tuple[Any, ...]]:
        """Take out all rows of earlier events: (id, key, value, event_ms, source, where)."""
        base = self._open()
        sql = f"SELECT id, {_COLUMNS} FROM rows WHERE event_ms < ?"  # noqa: S608 - a constant
        rows = base.execute(sql, (event_ms,)).fetchall()
        base.execute("DELETE FROM rows WHERE event_ms < ?", (event_ms,))
        self._count -= len(rows)
        oldest = self._one("SELECT min(event_ms) FROM rows")[0]
        self.oldest_ms = _NEVER if oldest is None else oldest
        return rows

    def close(self) -> None:
        """Close it; the disk is free again."""
        if self._base is not None:
            self._base.close()
            self._base = None
        self._count = 0

    def __del__(self) -> None:
        if getattr(self, "_base", None) is not None:
            self.close()

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row of whatever was asked
        return self._open().execute(sql, values).fetchone()

    def _open(self) -> sqlite3.Connection:
        if self._base is None:
            try:
                self.path.unlink(missing_ok=True)  # a process that died between the next two lines
                # Rows hold users' features: made for the owner alone before SQLite sees it.
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                self._base = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                with suppress(OSError):  # where an open file cannot be unlinked, the next process does it
                    self.path.unlink()
                for pragma in (
                    "journal_mode = OFF",
                    "synchronous = OFF",
                    "locking_mode = EXCLUSIVE",
                    "cache_size = -16384",
                ):
                    self._base.execute(f"PRAGMA {pragma}")
                self._base.executescript(_TABLE)
                self._base.execute("BEGIN")
            except (OSError, sqlite3.Error) as error:
                raise StateError(f"could not open {self.path}: {error}") from error
        return self._base
