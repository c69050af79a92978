"""When to ask for a model to be fitted anew, and on which examples: at most once per incident, and on a schedule.

A request is advice with an address: everything since the change, as soon as that is enough to learn from. An incident
that ends by itself before asks for nothing; one that has become the new normal asks for what there is, reaching back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drift.example_index import ExampleIndex, Span
from drift.phases import IncidentPhase, IncidentSubject, Severity

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
EVIDENCE_MAX = 10
"""Subjects named as evidence, the first."""
Cause = Literal["hurt", "size", "schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainConfig:
    """Settings, checked once when built."""

    on: tuple[Literal["hurt", "size"], ...] = ("hurt", "size")
    """What makes an incident a reason: that it hurts, that it is severe."""
    examples_min: int = 1_000
    """Examples since the change that are waited for."""
    examples_max: int = 100_000
    """More than this, and only the latest so many are named (up to a stride of the index more)."""
    severity_min: Severity = "warning"
    """One changed feature is an `info`, and by default no reason to retrain."""
    every_examples: int = 0
    """A request after so many examples, whatever happens; 0 means never."""

    def __post_init__(self) -> None:
        if not self.examples_min >= 1:
            raise ValueError(f"examples_min must be at least 1, got {self.examples_min!r}")
        if not self.examples_max >= self.examples_min:
            raise ValueError(f"examples_max must be at least examples_min, got {self.examples_max!r}")
        if self.severity_min not in SEVERITIES:
            raise ValueError(f"severity_min must be one of {', '.join(SEVERITIES)}, got {self.severity_min!r}")
        if not self.every_examples >= 0:
            raise ValueError(f"every_examples must be at least 0, got {self.every_examples!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest:
    """Fit this model anew on these examples."""

    id: str
    """`<incident>/retrain`, or `schedule/<examples>`."""
    incident: str
    """Empty for one on schedule."""
    cause: Cause
    model: str
    version: int
    """The version that served when the request was made."""
    reason: str
    """The incident's title."""
    severity: Severity
    evidence: tuple[IncidentSubject, ...]
    """The first subjects, at most 10."""
    since_ms: int
    """When the change is believed to have begun, ms since the epoch."""
    basis: Literal["since_change", "latest"]
    """`latest`: the range is not the stretch since the change, there being too few examples or too many."""
    ranges: dict[str, tuple[int, int]]
    """`topic/partition` to offsets from, to (exclusive)."""
    examples: int
    """In all the ranges."""
    cut: str


class RetrainPolicy:
    """Told of every phase and every example, in order."""

    def __init__(self, config: RetrainConfig | None = None) -> None:
        self._config = config or RetrainConfig()
        self._asked = ""
        self._cause: Literal["hurt", "size"] | None = None
        """Why a request is due as soon as there are examples enough."""
        self._since_ms = 0
        self._wanting = 0
        """Examples since the change that are still waited for."""
        self._examples = self._scheduled = 0

    def told(self, phase: IncidentPhase, examples: ExampleIndex) -> None:
        """A phase of an incident: it may give cause for a request, or take it away."""
        if phase.incident == self._asked:
            return
        if phase.phase in {"recovered", "closed"}:
            self._wanting = 0 if phase.reason == "rebased" else self._wanting
            self._cause = self._cause if phase.reason == "rebased" else None
            return
        hurts = phase.harm.verdict == "worse" or any(item.subject.kind == "loss" for item in phase.subjects)
        large = SEVERITIES.index(phase.severity) >= SEVERITIES.index(self._config.severity_min)
        if hurts and "hurt" in self._config.on:
            self._cause = "hurt"
        elif large and "size" in self._config.on:
            self._cause = self._cause or "size"
        self._since_ms = phase.since_ms
        self._wanting = self._config.examples_min - sum(span.rows for span in examples.since(phase.since_ms).values())

    def example(self, event_ms: int) -> None:
        """One more labelled example, of an event at that time."""
        self._examples += 1
        if self._cause is not None and event_ms >= self._since_ms:
            self._wanting -= 1

    @property
    def due(self) -> bool:
        """Whether an incident has cause for a request, and examples for it."""
        return self._cause is not None and self._wanting <= 0

    def take_schedule(self) -> bool:
        """Whether so many examples have come since the last request on schedule; asking makes it the last."""
        every = self._config.every_examples
        if not every or self._examples - self._scheduled < every:
            return False
        self._scheduled = self._examples
        return True

    def request(
        self, phase: IncidentPhase, examples: ExampleIndex, *, served: tuple[str, int]
    ) -> RetrainRequest | None:
        """The request that is due; None if there are no examples at all. `phase` is the incident as it is."""
        cause, self._cause = self._cause, None
        basis: Literal["since_change", "latest"] = "since_change"
        spans = examples.since(phase.since_ms)
        rows = sum(span.rows for span in spans.values())
        if not self._config.examples_min <= rows <= self._config.examples_max:
            basis = "latest"
            bound = self._config.examples_min if rows < self._config.examples_min else self._config.examples_max
            spans = examples.trailing(bound)
        if not spans or cause is None:
            return None
        self._asked = phase.incident
        return RetrainRequest(
            id=f"{phase.incident}/retrain",
            incident=phase.incident,
            cause=cause,
            model=served[0],
            version=served[1],
            reason=phase.title,
            severity=phase.severity,
            evidence=phase.subjects[:EVIDENCE_MAX],
            since_ms=phase.since_ms,
            basis=basis,
            cut=phase.cut,
            **_named(spans),
        )

    def on_schedule(
        self, examples: ExampleIndex, *, cut: str, event_ms: int, served: tuple[str, int]
    ) -> RetrainRequest:
        """The request that is scheduled, on the examples since the last one."""
        every = self._config.every_examples
        return RetrainRequest(
            id=f"schedule/{self._examples}",
            incident="",
            cause="schedule",
            model=served[0],
            version=served[1],
            reason=f"after {every:,} examples, as scheduled",
            severity="info",
            evidence=(),
            since_ms=event_ms,
            basis="latest",
            cut=cut,
            **_named(examples.trailing(min(every, self._config.examples_max))),
        )

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes."""
        return {
            "asked": self._asked,
            "cause": self._cause,
            "since_ms": self._since_ms,
            "wanting": self._wanting,
            "examples": self._examples,
            "scheduled": self._scheduled,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        self._asked, self._cause = snapshot["asked"], snapshot["cause"]
        self._since_ms, self._wanting = snapshot["since_ms"], snapshot["wanting"]
        self._examples, self._scheduled = snapshot["examples"], snapshot["scheduled"]


def _named(spans: Mapping[str, Span]) -> dict[str, Any]:
    return {
        "ranges": {partition: (span.start, span.end) for partition, span in spans.items()},
        "examples": sum(span.rows for span in spans.values()),
    }
