"""The columns of a window as they are told: statistics against the reference, the budget's words, pictures."""

from __future__ import annotations

from collections.abc import Container, Generator, Mapping

from drift.budget import AlarmBudget
from drift.columns import Column
from drift.comparison import ComparisonConfig, compare
from drift.evidence import ColumnEvidence, Subject
from drift.reference import Reference
from streams.messages import ColumnMetrics
from streams.stages import telling
from streams.stages.pictures import pictured

_AT_ONCE = 8
"""Columns compared in one piece, of a millisecond or two."""


def window_columns(
    reference: Reference,
    shown: Mapping[str, Column],
    subjects: Mapping[str, Subject],
    comparison: ComparisonConfig,
    budget: AlarmBudget,
    changed: Container[Subject],
) -> Generator[None, None, list[ColumnMetrics]]:
    """In pieces; `changed` is what the open incident is about. The budget stays as it is until the last of them."""
    names = [name for name in subjects if name in reference.kinds]
    found: list[ColumnEvidence] = []
    for at in range(0, len(names), _AT_ONCE):
        found += compare(reference, shown, {name: subjects[name] for name in names[at : at + _AT_ONCE]}, comparison)
        yield
    standings, sensitivities = {each.column: each for each in budget.standings()}, budget.sensitivities()
    told = [
        telling.column(
            evidence,
            standings.get(name),
            sensitivities.get(name),
            changed=evidence.subject in changed or Subject(kind="quality", name=evidence.subject.name) in changed,
        )
        for name, evidence in zip(names, found, strict=True)
    ]
    yield
    columns = pictured(told, names, reference, shown)
    yield
    return columns
