"""Every column of a window against the reference: statistics, quality and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from drift.columns import Column
from drift.evidence import ColumnEvidence, ColumnKind, Subject, Verdict
from drift.quality import quality_of
from drift.reference import Reference, sample_of
from drift.statistics import STATISTICS, Pair, Statistic, effective_rows, pair_of


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRule:
    """What one column's verdict rests on."""

    statistic: str
    threshold: float | None = None
    """None for Evidently's own: 0.1 for distances, 0.05 for p-values."""

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            raise ValueError(f"drift.statistic must be one of {', '.join(STATISTICS)}, got {self.statistic!r}")
        if self.threshold is not None and not 0 < self.threshold < math.inf:
            raise ValueError(f"drift.threshold must be greater than 0 and finite, got {self.threshold}")

    @property
    def chosen(self) -> tuple[Statistic, float]:
        """The statistic and its threshold before noise is allowed for."""
        statistic = STATISTICS[self.statistic]
        return statistic, statistic.threshold if self.threshold is None else self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonConfig:
    """Settings, checked once when built.

    Why numbers are judged by the Kolmogorov-Smirnov *distance* at 0.1 (some value of the column has gained or lost
    a tenth of all rows): its noise on stable data has the same bound whatever the distribution. At 1,000 rows against
    5,000 a stable column passes 0.1 with probability 1e-7, and a shift of a quarter of a standard deviation of
    Gaussian data gives 0.10, of t2 data 0.13. Evidently's default, the Wasserstein distance at 0.1, reached 0.12 on
    stable Gaussian and 0.45 on stable t2 windows; its Jensen-Shannon distance is as quiet (0.077) but blind in heavy
    tails, where one bin holds nearly all rows (0.036 for a shift that moves 37 % of a log-normal). The price: a
    Gaussian whose standard deviation grows by half gives 0.11, where Jensen-Shannon gives 0.19. p-values call any
    difference drift once the window is large, and the exact one costs 1 to 40 ms a column.

    Categories have no order, so they are judged by the Jensen-Shannon distance at 0.1, Evidently's default (0.069 at
    most on stable windows of 8 categories). Chi-square takes the reference for the truth and any new category for
    proof.

    No threshold is quiet at every size: the noise of a distance falls with the root of the rows and, for shares,
    grows with the bins. So the threshold applied, and reported as the evidence's, is the one asked for or the height
    that stable data pass with probability `false_flag_rate`, whichever is greater: 0.25 for `ks_distance` at 100 rows
    against 5,000, 0.25 for `jensenshannon` with 200 categories at 1,000. A height no value can pass is "not enough
    data". The heights for `psi` and `kl_div` are chi-square limits, too low for bins of few rows; for `wasserstein`
    there is none.
    """

    numeric: VerdictRule = field(default_factory=lambda: VerdictRule(statistic="ks_distance"))
    integer: VerdictRule = field(default_factory=lambda: VerdictRule(statistic="ks_distance"))
    categorical: VerdictRule = field(default_factory=lambda: VerdictRule(statistic="jensenshannon"))
    columns: Mapping[str, VerdictRule] = field(default_factory=dict)
    """Rules for single columns, by the column's name."""
    statistics: tuple[str, ...] = ("psi", "jensenshannon", "kl_div", "wasserstein", "ks_distance")
    """Computed for every column of a kind they apply to, besides the verdict's."""
    rows_min: int = 100
    """Present values below which, in the window or the reference, nothing is judged."""
    false_flag_rate: float = 1e-5
    """Share of stable columns per window that noise may flag, in (0, 1]; 1 leaves the thresholds as they are."""

    def __post_init__(self) -> None:
        kinds: tuple[ColumnKind, ...] = ("numeric", "integer", "categorical")
        for kind, rule in zip(kinds, (self.numeric, self.integer, self.categorical), strict=True):
            _check_applies(f"drift.{kind}", rule, kind)
        for name in self.statistics:
            if name not in STATISTICS:
                raise ValueError(f"drift.statistics must be among {', '.join(STATISTICS)}, got {name!r}")
        if self.rows_min < 1:
            raise ValueError(f"drift.rows_min must be at least 1, got {self.rows_min}")
        if not 0 < self.false_flag_rate <= 1:
            raise ValueError(f"drift.false_flag_rate must be in (0, 1], got {self.false_flag_rate}")

    def rule(self, name: str, kind: ColumnKind) -> VerdictRule:
        """The rule for a column. Raises ValueError if its own does not apply to its kind."""
        if name not in self.columns:
            rules: dict[ColumnKind, VerdictRule]
            rules = {"numeric": self.numeric, "integer": self.integer, "categorical": self.categorical}
            return rules[kind]
        _check_applies(f"drift.columns.{name}", self.columns[name], kind)
        return self.columns[name]


def compare(
    reference: Reference, columns: Mapping[str, Column], subjects: Mapping[str, Subject], config: ComparisonConfig
) -> tuple[ColumnEvidence, ...]:
    """Compare columns of a window with the reference's of the same names, in the order of `subjects`.

    Args:
        reference: Must have every column in `subjects`.
        columns: Arrays of one length as `SlidingWindow.columns` gives them; must have every column in `subjects`.
        subjects: What each column to be compared is about. Features and the model's own streams go together: a
            prediction is a categorical column of `str(label)` or a numeric one, a confidence a numeric one.
        config: Statistics, thresholds and minimum rows.

    A statistic without a finite value is left out; if it is the verdict's, nothing is judged. Quality is given for
    features only.

    >>> import numpy as np
    >>> reference = Reference.from_columns({"amount": "numeric"}, {"amount": np.arange(1000.0)})
    >>> window = {"amount": np.arange(500.0) + 400}
    >>> [evidence] = compare(reference, window, {"amount": Subject(kind="feature", name="amount")}, ComparisonConfig())
    >>> evidence.verdict, evidence.statistic, evidence.statistics["ks_distance"], round(evidence.threshold, 3)
    ('drift', 'ks_distance', 0.4, 0.135)
    """
    return tuple(_compare_column(reference, name, columns[name], subject, config) for name, subject in subjects.items())


def _compare_column(
    reference: Reference, name: str, column: Column, subject: Subject, config: ComparisonConfig
) -> ColumnEvidence:
    kind = reference.kinds[name]
    rule = config.rule(name, kind)
    statistic, threshold = rule.chosen
    before, after = reference.samples[name], sample_of(kind, column)
    statistics: dict[str, float] = {}
    verdict: Verdict = "not_enough_data"
    if before.size and after.size:
        pair = pair_of(before, after)
        statistics = _compute(pair, kind, dict.fromkeys((*config.statistics, rule.statistic)))
        threshold = max(threshold, _noise(statistic, pair, config.false_flag_rate))
        judged = min(pair.sizes) >= config.rows_min and threshold < statistic.ceiling
        if judged and rule.statistic in statistics:
            verdict = "drift" if statistic.drifted(statistics[rule.statistic], threshold) else "stable"
    return ColumnEvidence(
        subject=subject,
        column=kind,
        reference_rows=before.size,
        current_rows=after.size,
        statistics=statistics,
        statistic=rule.statistic,
        threshold=threshold,
        verdict=verdict,
        quality=quality_of(before, after) if subject.kind == "feature" else None,
    )


def _compute(pair: Pair, kind: ColumnKind, names: Mapping[str, None]) -> dict[str, float]:
    values = {name: STATISTICS[name].compute(pair) for name in names if kind in STATISTICS[name].kinds}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _noise(statistic: Statistic, pair: Pair, rate: float) -> float:
    if rate == 1 or statistic.noise is None:
        return 0.0
    bins = 0 if pair.shares is None else pair.shares.reference.size
    return statistic.noise(rate, effective_rows(pair.sizes), bins)


def _check_applies(path: str, rule: VerdictRule, kind: ColumnKind) -> None:
    if kind not in STATISTICS[rule.statistic].kinds:
        applicable = ", ".join(name for name, statistic in STATISTICS.items() if kind in statistic.kinds)
        raise ValueError(f"{path}.statistic must be one of {applicable}, got {rule.statistic!r}")
