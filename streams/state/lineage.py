"""Names of the files of one task, shard or monitor, and what they say together.

    000000002.claim                             generation 2 is taken
    000000002.from-000000001-000000000007       … and goes on from checkpoint 7 of generation 1 (0-0: from nothing)
    000000002-000000000001.ckpt                 its first checkpoint

A claim is a name and nothing else: it cannot be half written. It fences at once; the parent is named after it, when
nothing can be published any more from what it replaces. A claim without a parent is void for the lineage (its process
died, or the claim only numbers generations, as for tasks and shards).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, unquote

from streams.errors import StateError

_NAME_MAX = 200  # file names hold 255 bytes; the rest is ours
_CHECKPOINT = re.compile(r"(\d{9})-(\d{12})\.ckpt")
_CLAIM = re.compile(r"(\d{9})\.claim")
_PARENT = re.compile(r"(\d{9})\.from-(\d{9})-(\d{12})")


class Position(NamedTuple):
    """Which checkpoint of a name; ordered by time."""

    generation: int
    sequence: int


NOTHING = Position(0, 0)
"""The parent of a lineage that starts afresh."""


def file_name(name: str) -> str:
    """A name from config or wire as one harmless file name; `given_name` reads it back.

    >>> file_name("../etc/passwd"), file_name("fraud.task-0")
    ('%2E.%2Fetc%2Fpasswd', 'fraud.task-0')
    """
    safe = quote(name, safe="", errors="surrogatepass")
    if safe.startswith("."):
        safe = "%2E" + safe[1:]
    if not 0 < len(safe) <= _NAME_MAX:
        raise StateError(f"a name in the store must be 1 to {_NAME_MAX} characters when escaped, got {len(safe)}")
    return safe


def given_name(file: str) -> str:
    """The name that `file_name` made a file name of."""
    return unquote(file, errors="surrogatepass")


def checkpoint_file(position: Position) -> str:
    """Its file name."""
    return f"{position.generation:09d}-{position.sequence:012d}.ckpt"


def claim_file(generation: int) -> str:
    """The file whose existence says that a generation is taken."""
    return f"{generation:09d}.claim"


def parent_file(generation: int, parent: Position) -> str:
    """The file whose existence says where a generation goes on from."""
    return f"{generation:09d}.from-{parent.generation:09d}-{parent.sequence:012d}"


@dataclass(slots=True)
class Listing:
    """What there is under one name. Files of other forms are ignored."""

    checkpoints: set[Position] = field(default_factory=set)
    claims: set[int] = field(default_factory=set)
    parents: dict[int, Position] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Iterable[str]) -> Listing:
        """Read file names."""
        made = cls()
        for name in files:
            if found := _CHECKPOINT.fullmatch(name):
                made.checkpoints.add(Position(int(found[1]), int(found[2])))
            elif found := _CLAIM.fullmatch(name):
                made.claims.add(int(found[1]))
            elif found := _PARENT.fullmatch(name):
                made.parents[int(found[1])] = Position(int(found[2]), int(found[3]))
        return made

    @property
    def generation(self) -> int:
        """The newest generation that anybody has taken, 0 if none."""
        return max(self.claims | {position.generation for position in self.checkpoints}, default=0)

    def newest_first(self) -> list[Position]:
        """All checkpoints, whoever wrote them."""
        return sorted(self.checkpoints, reverse=True)

    def lineage(self) -> list[Position]:
        """The checkpoints on the claimed history, newest first; without any claim that names a parent, all of them.

        >>> listing = Listing.of(["000000001.claim", "000000001.from-000000000-000000000000",
        ...     "000000001-000000000001.ckpt", "000000001-000000000002.ckpt",
        ...     "000000002.claim", "000000002.from-000000001-000000000001", "000000002-000000000001.ckpt"])
        >>> [tuple(position) for position in listing.lineage()]  # 1-2 was written after 2 had taken over from 1-1
        [(2, 1), (1, 1)]
        """
        if not self.parents:
            return self.newest_first()
        generation = max(self.parents)
        upto = Position(generation, 10**12)
        found: list[Position] = []
        while True:
            own = [p for p in self.checkpoints if p.generation == upto.generation and p <= upto]
            found += sorted(own, reverse=True)
            parent = self.parents.get(upto.generation, NOTHING)
            if parent == NOTHING or parent.generation >= upto.generation:
                return found
            upto = parent
