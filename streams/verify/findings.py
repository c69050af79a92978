"""What is found out: a promise with its figures, the places where it does not hold, and what could not be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OFFENCES_MAX = 20
"""Listed of each promise; all are counted."""
WORDS = {
    "events": "each event was predicted, is a duplicate or a dead letter",
    "labels": "each label has joined, is a duplicate, correction, late, orphan, dead letter, or waits",
    "predictions": "each prediction has met its label, has expired, or is pending",
    "complete": "each event taken has a prediction of its own features, and no other prediction is there",
    "joins": "a label has joined where two timestamps say so, and nowhere else",
    "served": "what is learnt is what was served",
    "examples": "each example was learnt, is a correction, a duplicate, or failed",
    "learnt": "each label is learnt once: count and order of the model's state are those of the log",
    "dead_letters": "what could not be read is kept, and nothing else",
    "windows": "one history of windows, each with one cut",
    "alerts": "an alert was told if and only if the surviving history raised it",
    "retrain": "a retrain request was told if and only if the surviving history made it",
}
"""Every promise, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Offence:
    """One place where a promise does not hold."""

    at: str
    """`topic/partition/offset`, or the state it was found in."""
    what: str


@dataclass(slots=True)
class Promise:
    """One promise as it was found."""

    name: str
    figures: Counter[str] = field(default_factory=Counter)
    parts: dict[str, dict[str, int]] = field(default_factory=dict)
    """The figures of each task, shard or monitor."""
    broken: int = 0
    offences: list[Offence] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    """What the logs do not hold any more, or nobody can know yet."""

    def counts(self, part: str, **figures: int) -> None:
        """Figures of one part; they add up over the parts."""
        own = self.parts.setdefault(part, {})
        for word, number in figures.items():
            own[word] = own.get(word, 0) + number
            self.figures[word] += number

    def breaks(self, at: str, what: str) -> None:
        """It does not hold here."""
        self.broken += 1
        if len(self.offences) < OFFENCES_MAX:
            self.offences.append(Offence(at, what))

    def leaves(self, what: str) -> None:
        """This much of it cannot be judged."""
        self.unchecked.append(what)

    @property
    def holds(self) -> bool | None:
        """None: there was nothing to judge it by."""
        if self.broken:
            return False
        return True if self.parts else None


class Findings:
    """All promises of one verification."""

    def __init__(self) -> None:
        self.promises = {name: Promise(name) for name in WORDS}

    def __getitem__(self, name: str) -> Promise:
        return self.promises[name]

    @property
    def broken(self) -> Sequence[Promise]:
        """Those that do not hold."""
        return [promise for promise in self.promises.values() if promise.broken]

    def tree(self) -> list[Mapping[str, Any]]:
        """For JSON."""
        return [
            {
                "promise": promise.name,
                "says": WORDS[promise.name],
                "holds": promise.holds,
                "figures": dict(promise.figures),
                "parts": promise.parts,
                "broken": promise.broken,
                "offences": [{"at": offence.at, "what": offence.what} for offence in promise.offences],
                "not_checked": promise.unchecked,
            }
            for promise in self.promises.values()
        ]
