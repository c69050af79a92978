"""How large a change is: Evidently's statistics over the rows since it began, against the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from drift.columns import Column
from drift.comparison import ComparisonConfig, compare
from drift.evidence import ColumnEvidence, Subject
from drift.reference import Reference
from drift.strength import strength

ROWS_MAX = 1_000
"""Latest rows that are looked at: whatever windows are shown, an alert says the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One number that says it, and the others."""

    source: str
    """Its name."""
    value: float
    threshold: float
    """A change worth speaking of; for a share, what it was in the reference."""
    strength: float
    detail: dict[str, float]


def effects(
    reference: Reference,
    columns: Mapping[str, Column],
    subjects: Iterable[Subject],
    names: Mapping[Subject, str],
    config: ComparisonConfig,
) -> dict[Subject, Effect]:
    """By subject; what cannot be measured is left out.

    Args:
        reference: What came before.
        columns: The rows since the change, arrays of one length.
        subjects: What has changed; of `quality:x` the shares of feature x that are missing or new are measured.
        names: The column of each feature, prediction and confidence.
        config: Statistics and thresholds, as they are: noise is the budget's affair.
    """
    plain = replace(config, false_flag_rate=1.0)
    wanted = {subject: Subject(kind="feature", name=subject.name) if subject.kind == "quality" else subject
              for subject in subjects}  # fmt: skip
    compared = {
        name: subject
        for subject in dict.fromkeys(wanted.values())
        if (name := names.get(subject)) is not None and name in reference.kinds and name in columns
    }
    evidence = {each.subject: each for each in compare(reference, columns, compared, plain)} if compared else {}
    found = {}
    for subject, column in wanted.items():
        if column in evidence:
            effect = _of_quality(evidence[column]) if subject.kind == "quality" else _of_values(evidence[column])
            if effect is not None:
                found[subject] = effect
    return found


def _of_values(column: ColumnEvidence) -> Effect | None:
    value = column.statistics.get(column.statistic)
    if value is None:
        return None
    return Effect(
        source=column.statistic,
        value=value,
        threshold=column.threshold,
        strength=strength(column.statistic, value, column.threshold),
        detail={name: other for name, other in column.statistics.items() if name != column.statistic},
    )


def _of_quality(column: ColumnEvidence) -> Effect | None:
    quality = column.quality
    if quality is None:
        return None
    rises = {
        "missing_share": (quality.missing_share, quality.reference_missing_share),
        "new_category_share": (quality.new_category_share, 0.0),
    }
    source = max(rises, key=lambda name: abs(rises[name][0] - rises[name][1]))
    value, before = rises[source]
    return Effect(
        source=source,
        value=value,
        threshold=before,
        strength=abs(value - before) / _SHARE_LARGE,
        detail={"out_of_range_share": quality.out_of_range_share},
    )


_SHARE_LARGE = 0.05
"""A share that has moved so far is worth speaking of, as a statistic at its threshold is."""
