"""When to ask for a model to be fitted anew, and on which examples: at most once per incident.

A request is advice with an address: everything since the change when that is enough to learn from, else the
latest examples, which reach back before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drift.example_index import ExampleIndex
from drift.phases import IncidentPhase, IncidentSubject, Severity

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
EVIDENCE_MAX = 10
"""Subjects named as evidence, the strongest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainConfig:
    """Settings, checked once when built."""

    examples_min: int = 1_000
    """Fewer examples since the change than this, and the range reaches back before it to hold as many."""
    examples_max: int = 100_000
    """More than this, and only the latest so many are named (up to a stride of the index more)."""
    severity_min: Severity = "warning"
    """One changed feature is an `info`, and by default no reason to retrain."""

    def __post_init__(self) -> None:
        if not self.examples_min >= 1:
            raise ValueError(f"examples_min must be at least 1, got {self.examples_min!r}")
        if not self.examples_max >= self.examples_min:
            raise ValueError(f"examples_max must be at least examples_min, got {self.examples_max!r}")
        if self.severity_min not in SEVERITIES:
            raise ValueError(f"severity_min must be one of {', '.join(SEVERITIES)}, got {self.severity_min!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest:
    """Fit this model anew on these examples."""

    id: str
    """`<incident>/retrain`."""
    incident: str
    model: str
    version: int
    """The version that served when the change was found."""
    reason: str
    """The incident's title."""
    severity: Severity
    evidence: tuple[IncidentSubject, ...]
    """The strongest subjects, at most 10."""
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
    """Asks once per incident, at the first phase that is severe enough and has examples."""

    def __init__(self, config: RetrainConfig | None = None) -> None:
        self._config = config or RetrainConfig()
        self._asked = ""

    def request(
        self, phase: IncidentPhase, examples: ExampleIndex, *, model: str, version: int
    ) -> RetrainRequest | None:
        """The request that this phase gives cause for. Called once per phase, in order."""
        severe = SEVERITIES.index(phase.severity) >= SEVERITIES.index(self._config.severity_min)
        if phase.phase == "recovered" or not severe or phase.incident == self._asked:
            return None
        basis: Literal["since_change", "latest"] = "since_change"
        spans = examples.since(phase.since_ms)
        rows = sum(span.rows for span in spans.values())
        if not self._config.examples_min <= rows <= self._config.examples_max:
            basis = "latest"
            bound = self._config.examples_min if rows < self._config.examples_min else self._config.examples_max
            spans = examples.trailing(bound)
        if not spans:
            return None
        self._asked = phase.incident
        return RetrainRequest(
            id=f"{phase.incident}/retrain",
            incident=phase.incident,
            model=model,
            version=version,
            reason=phase.title,
            severity=phase.severity,
            evidence=phase.subjects[:EVIDENCE_MAX],
            since_ms=phase.since_ms,
            basis=basis,
            ranges={partition: (span.start, span.end) for partition, span in spans.items()},
            examples=sum(span.rows for span in spans.values()),
            cut=phase.cut,
        )

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes."""
        return {"asked": self._asked}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        self._asked = snapshot["asked"]
