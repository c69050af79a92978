"""When each record is due: events at their rate, labels some rows or some time after their own event.

No clock but the one handed in.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streams.durations import parse_duration_ms
from streams.produce import Pair, Record

WAITING_MAX = 1_000_000
"""Labels that may wait for their time; at the bound the next event waits for the oldest of them."""


class Due(NamedTuple):
    """A record and its time, in milliseconds since the start of sending."""

    due_ms: float
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast rows are sent, and how long after its event a label is."""

    rate: float | None = None
    """Rows for each second; None: as fast as possible."""
    delay_rows: int = 0
    delay_ms: int = 0

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate <= 1_000_000:  # noqa: PLR2004 - far beyond what it can send
            raise ValueError(f"rate must be between 0 and 1,000,000 rows a second, got {self.rate!r}")


def schedule(pairs: Iterable[Pair], pace: Pace, elapsed_ms: Callable[[], float]) -> Iterator[Due]:
    """Records in the order of their due times, which never fall; each label after its own event.

    `elapsed_ms` tells the time since the start of sending; it is asked once for each row, only without a rate.

    >>> from streams.produce import Pair, Record
    >>> pairs = [Pair(Record("features", b"", b"%d" % n), Record("labels", b"", b"%d" % n)) for n in range(3)]
    >>> [(due.due_ms, due.record.role, due.record.value) for due in schedule(pairs, Pace(rate=10, delay_rows=1), float)]
    [(0.0, 'features', b'0'), (100.0, 'features', b'1'), (100.0, 'labels', b'0'),
     (200.0, 'features', b'2'), (200.0, 'labels', b'1'), (300.0, 'labels', b'2')]
    """
    interval_ms = 0.0 if pace.rate is None else 1000.0 / pace.rate
    waiting: deque[tuple[int, Due]] = deque()  # (row it waits for, label), both rising
    row, now_ms = 0, 0.0

    def labels(upto: int) -> Iterator[Due]:
        while waiting and waiting[0][0] <= upto and waiting[0][1].due_ms <= now_ms:
            yield waiting.popleft()[1]

    for row, (event, label) in enumerate(pairs, 1):
        while len(waiting) >= WAITING_MAX:
            now_ms = max(now_ms, waiting[0][1].due_ms)
            yield Due(now_ms, waiting.popleft()[1].record)
        before_ms = now_ms
        now_ms = max(now_ms, elapsed_ms() if pace.rate is None else (row - 1) * interval_ms)
        yield from (Due(max(due_ms, before_ms), record) for due_ms, record in labels(row - 1))
        if event is not None:
            yield Due(now_ms, event)
        if label is not None:
            # The same product as the event's own time below, or rounding would hold a label back by a row.
            due_ms = (row - 1 + pace.delay_rows) * interval_ms if pace.rate is not None else now_ms
            waiting.append((row + pace.delay_rows, Due(due_ms + pace.delay_ms, label)))
        yield from (Due(now_ms, record) for _, record in labels(row))
    for _, (due_ms, record) in waiting:
        now_ms = max(now_ms, due_ms)
        yield Due(now_ms, record)


def parse_delay(text: str) -> tuple[int, int]:
    """(Rows, milliseconds) of `500 rows`, `30s` …; raises ValueError.

    >>> parse_delay("500 rows"), parse_delay("30s"), parse_delay("0")
    ((500, 0), (0, 30000), (0, 0))
    """
    rows = re.fullmatch(r"([\d_,]+)\s*rows?", text.strip())
    if rows is not None and rows[1].strip("_,"):
        return int(re.sub(r"[_,]", "", rows[1])), 0
    if text.strip() == "0":
        return 0, 0
    try:
        return 0, parse_duration_ms(text)
    except ValueError:
        raise ValueError(f'must be rows or a duration, such as "500 rows" or "30s", got {text!r}') from None
