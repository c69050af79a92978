"""Whose turn it is: alerts of one incident one after the other, other incidents beside them. Pure.

What is done may be behind something that still waits. The committed offset never passes what waits; what is done beyond
it goes along as a note, so that whoever goes on from there knows it. How many are in hand is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

IN_HAND_MAX = 16
"""Alerts taken from the topic and not done with, and done ones among them."""
_BEYOND_MAX = 10_000
"""Offsets that a note may name behind the committed one: more than can be in hand, whatever lies between."""


class Turns:
    """One partition's alerts from the first that is not done with; each beside whatever the caller needs of it.

    >>> turns = Turns(next_offset=7)
    >>> for incident in ("a", "a", "b"):
    ...     _ = turns.take(turns.next_offset, incident)
    >>> _ = turns.done(9)
    >>> turns.committed, turns.note
    (7, '2')
    >>> _ = turns.done(7)
    >>> turns.committed, turns.note
    (8, '1')
    """

    def __init__(self, next_offset: int, beyond: Iterable[int] = ()) -> None:
        self.next_offset = next_offset
        """The alert that is taken next."""
        self._open: dict[int, str] = {}
        """Not done with, in the order of their offsets."""
        self._beyond = set(beyond)
        self._lines: dict[str, deque[tuple[int, Any]]] = {}

    def take(self, offset: int, incident: str, item: Any = None) -> bool:  # noqa: ANN401 - the caller's
        """The next alert; whether its turn is now: it is not done with, and nobody of its incident is before it."""
        self.next_offset = offset + 1
        if offset in self._beyond:
            self._forget()
            return False
        self._open[offset] = incident
        line = self._lines.setdefault(incident, deque())
        line.append((offset, item))
        return len(line) == 1

    def done(self, offset: int) -> Any:  # noqa: ANN401 - the caller's
        """It is done with; the item of its incident's next alert, whose turn it is, or None."""
        incident = self._open.pop(offset)
        self._beyond.add(offset)
        self._forget()
        line = self._lines[incident]
        line.popleft()
        if line:
            return line[0][1]
        del self._lines[incident]
        return None

    def _forget(self) -> None:
        self._beyond = {each for each in self._beyond if each >= self.committed}

    @property
    def committed(self) -> int:
        """Below it everything is done."""
        return next(iter(self._open), self.next_offset)

    @property
    def note(self) -> str:
        """What is done beyond it, for the offset's metadata."""
        return ",".join(str(offset - self.committed) for offset in sorted(self._beyond))

    @property
    def room(self) -> int:
        """How many more may be taken."""
        return IN_HAND_MAX - len(self._open) - len(self._beyond)

    def oldest(self, offset: int) -> bool:
        """Whether this is what holds the committed offset."""
        return self.committed == offset

    def __len__(self) -> int:
        return len(self._open)


def noted(committed: int, note: str) -> list[int]:
    """The offsets that a note names; none for what is no note of ours.

    >>> noted(8, "1,5"), noted(8, ""), noted(8, "x"), noted(8, "-3,900")
    ([9, 13], [], [], [])
    """
    parts = note.split(",") if note else []
    if len(parts) > IN_HAND_MAX or not all(part.isascii() and part.isdigit() for part in parts):
        return []
    return [committed + int(part) for part in parts if 0 < int(part) <= _BEYOND_MAX]
