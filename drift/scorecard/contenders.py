"""Who is judged: anything that watches a stream and raises alarms. The controls are here; the others each in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from drift.columns import Column
from drift.evidence import ColumnKind
from drift.scorecard.trials import LOSS, Stream


class Raised(NamedTuple):
    """One alarm."""

    row: int
    """Rows of the stream seen by then, the reference not counted; at least 1."""
    column: str
    """That is blamed first; `(loss)` for the loss, empty for nobody."""


class Contender(Protocol):
    """Watches one stream after another, each from its beginning."""

    @property
    def name(self) -> str:
        """Short and unique."""

    @property
    def about(self) -> str:
        """Its settings in a line."""

    def watches(self, kind: ColumnKind | None) -> bool:
        """Whether it looks at columns of this kind; None is the loss."""

    def meet(self, stream: Stream) -> None:
        """Called with a stable stream before streams that differ from it in some columns: to work ahead."""

    def watch(self, stream: Stream) -> Sequence[Raised]:
        """Its alarms in order. After the first one past `change_at` it may stop."""


class AlwaysFires:
    """A control: sees everything at once, and is never believed."""

    name, about = "always fires", "control: an alarm at every event, a column blamed at random"

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def watches(self, _kind: ColumnKind | None) -> bool:
        """Everything."""
        return True

    def meet(self, stream: Stream) -> None:
        """Nothing to do."""

    def watch(self, stream: Stream) -> Sequence[Raised]:
        """One a row."""
        columns = list(stream.columns(stream.rows))
        blamed = self._rng.integers(0, len(columns), size=stream.rows.rows)
        return [Raised(row, columns[place]) for row, place in enumerate(blamed.tolist(), 1)]


class NeverFires:
    """A control: no false alarm, and no other."""

    name, about = "never fires", "control: no alarm ever"

    def watches(self, _kind: ColumnKind | None) -> bool:
        """Everything."""
        return True

    def meet(self, stream: Stream) -> None:
        """Nothing to do."""

    def watch(self, _stream: Stream) -> Sequence[Raised]:
        """None."""
        return ()


class Columnwise(ABC):
    """A contender that judges each column by itself; what it knows of a stream it has met is not judged again.

    Alarms of several columns at the same row are one, the strongest first.
    """

    def __init__(self, name: str, about: str) -> None:
        self.name, self.about = name, about
        self._known: dict[str, tuple[Column, Column, list[tuple[int, float]]]] = {}

    @abstractmethod
    def watches(self, kind: ColumnKind | None) -> bool:
        """See `Contender`."""

    @abstractmethod
    def judge(self, name: str, kind: ColumnKind | None, reference: Column, rows: Column) -> Iterable[tuple[int, float]]:
        """(Row, strength) of one column's alarms."""

    def meet(self, stream: Stream) -> None:
        """Judge every column."""
        self._known = {
            name: (before, after, list(self.judge(name, kind, before, after)))
            for name, kind, before, after in self._watched(stream)
        }

    def watch(self, stream: Stream) -> Sequence[Raised]:
        """Alarms of any column."""
        strongest: dict[int, tuple[float, str]] = {}
        for name, kind, before, after in self._watched(stream):
            known = self._known.get(name)
            same = known is not None and known[0] is before and known[1] is after
            for row, strength in known[2] if known and same else self.judge(name, kind, before, after):
                if row not in strongest or strength > strongest[row][0]:
                    strongest[row] = strength, name
        return [Raised(row, strongest[row][1]) for row in sorted(strongest)]

    def _watched(self, stream: Stream) -> Iterable[tuple[str, ColumnKind | None, Column, Column]]:
        before, after = stream.columns(stream.reference), stream.columns(stream.rows)
        for name in after:
            kind = None if name == LOSS else stream.rows.kinds[name]
            if self.watches(kind):
                yield name, kind, before[name], after[name]
