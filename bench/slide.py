"""One slide of a window over 20 numeric features: ours against Evidently's DataDriftPreset, in the same run.

    python -m bench.slide

Reference 5,000 rows, window 1,000. Both are timed alternately and told as medians, the ratio first. Then: are the
statistics of the slide equal to the last bit, what a row costs, and how often do stable seeded streams get flagged?
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.calculations.stattests.registry import get_registered_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

from drift.comparison import ComparisonConfig, compare
from drift.evidence import Subject
from drift.reference import Reference, sample_of
from drift.statistics import STATISTICS, pair_of
from drift.window import SlidingWindow, WindowConfig

FEATURES, REFERENCE_ROWS, WINDOW_ROWS, STEP_ROWS, RUNS = 20, 5000, 1000, 200, 7
EVIDENTLY_NAMES = ("psi", "jensenshannon", "kl_div", "wasserstein", "ks")

FAMILIES = {
    "Gaussian": ("numeric", lambda rng, n: rng.normal(size=n)),
    "Student t2": ("numeric", lambda rng, n: rng.standard_t(2, size=n)),
    "Poisson(3)": ("integer", lambda rng, n: rng.poisson(3, size=n)),
    "8 categories": ("categorical", lambda rng, n: rng.choice(np.array([*"abcdefgh"], dtype=object), size=n)),
}
REFERENCES, WINDOWS = 20, 100


def numeric_columns(rng, rows):
    """Five each of four kinds of numbers, from light to heavy tails."""
    makers = (
        lambda: rng.normal(size=rows),
        lambda: rng.standard_t(2, size=rows),
        lambda: rng.poisson(3, size=rows).astype(float),
        lambda: rng.lognormal(size=rows),
    )
    return {f"f{i:02d}": makers[i % len(makers)]() for i in range(FEATURES)}


def rows_of(columns):
    lists = {name: column.tolist() for name, column in columns.items()}
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def slide(reference, window, subjects, config):
    return compare(reference, window.columns(), subjects, config)


def preset(reference_columns, columns):
    """The stock way: a report of Evidently's preset over two data frames."""
    definition = DataDefinition(numerical_columns=list(columns))
    before = Dataset.from_pandas(pd.DataFrame(reference_columns), data_definition=definition)
    frame = pd.DataFrame(columns)

    def run():
        after = Dataset.from_pandas(frame, data_definition=definition)
        return Report([DataDriftPreset()]).run(after, before).dict()

    return run


def slide_cost():
    rng = np.random.default_rng(0)
    before, stream = numeric_columns(rng, REFERENCE_ROWS), numeric_columns(rng, WINDOW_ROWS + (RUNS + 1) * STEP_ROWS)
    kinds = dict.fromkeys(before, "numeric")
    subjects = {name: Subject(kind="feature", name=name) for name in kinds}
    reference, config = Reference.from_columns(kinds, before), ComparisonConfig()
    with_ks = ComparisonConfig(statistics=(*config.statistics, "ks"))
    window = SlidingWindow(WindowConfig(window_rows=WINDOW_ROWS, kinds=kinds))
    rows = rows_of(stream)
    window.extend((str(i), i, row) for i, row in enumerate(rows[:WINDOW_ROWS]))
    ours, theirs, alone, exact, snapshots = [], [], [], [], []
    for run in range(RUNS + 1):  # the first one warms up
        start = WINDOW_ROWS + run * STEP_ROWS
        window.extend((str(i), i, rows[i]) for i in range(start, start + STEP_ROWS))
        ours.append(timed(partial(slide, reference, window, subjects, config)))
        columns = window.columns()
        theirs.append(timed(preset(before, columns)))
        alone.append(timed(functions_alone(before, columns)))
        exact.append(timed(partial(slide, reference, window, subjects, with_ks)))
        snapshots.append(timed(window.snapshot))

    def medians(pairs):
        return [statistics.median(column) for column in zip(*pairs[1:], strict=True)]

    (wall, cpu), (their_wall, their_cpu), (_, alone_cpu) = medians(ours), medians(theirs), medians(alone)
    print(f"slide of {FEATURES} numeric features, reference {REFERENCE_ROWS:,}, window {WINDOW_ROWS:,}, {RUNS} runs")
    print(f"  preset : ours              {their_cpu / cpu:8.0f} x CPU {their_wall / wall:8.0f} x wall")
    print(f"  its functions : ours       {alone_cpu / cpu:8.0f} x CPU")
    print(f"  ours                       {cpu:8.2f} ms CPU {wall:8.2f} ms wall   {', '.join(config.statistics)}")
    print(f"  DataDriftPreset            {their_cpu:8.0f} ms CPU {their_wall:8.0f} ms wall   one statistic, and plots")
    print(f"  its functions, no plots    {alone_cpu:8.1f} ms CPU                 the first four of ours")
    print(f"  ours with exact KS p       {medians(exact)[1]:8.2f} ms CPU")
    print(f"  snapshot of the window     {medians(snapshots)[1]:8.2f} ms CPU")
    return reference, window.columns()


def functions_alone(reference_columns, columns):
    """Evidently's own functions for the statistics ours computes but one (it has no `ks_distance`), without plots."""
    pairs = [(pd.Series(reference_columns[name]), pd.Series(columns[name])) for name in columns]
    oracles = [get_registered_stattest(name, ColumnType.Numerical) for name in EVIDENTLY_NAMES if name != "ks"]

    def run():
        return [oracle(*pair, ColumnType.Numerical, None) for pair in pairs for oracle in oracles]

    return run


def equality(reference, columns):
    """Every statistic of the slide against Evidently's own function."""

    compared = different = 0
    for name, before in reference.samples.items():
        pair = pair_of(before, sample_of("numeric", columns[name]))
        series = pd.Series(reference.columns[name]), pd.Series(columns[name])
        for statistic in EVIDENTLY_NAMES:
            oracle = get_registered_stattest(statistic, ColumnType.Numerical)
            theirs = float(oracle(*series, ColumnType.Numerical, None).drift_score)
            compared += 1
            different += STATISTICS[statistic].compute(pair) != theirs
    print(f"  equal to the last bit      {compared - different} of {compared} statistics")
    return different == 0


def append_cost():
    rng = np.random.default_rng(1)
    columns = numeric_columns(rng, 20_000)
    rows = [(str(i), i, row) for i, row in enumerate(rows_of(columns))]
    costs = []
    for _ in range(5):
        window = SlidingWindow(WindowConfig(window_rows=WINDOW_ROWS, kinds=dict.fromkeys(columns, "numeric")))
        costs.append(timed(partial(window.extend, rows))[1])
    cost = statistics.median(costs) / len(rows) * 1e3
    print(f"  append, columns included   {cost:8.2f} µs CPU per row of {FEATURES} values")


def false_flags():
    """Share of stable windows flagged: our default verdict, and Evidently's default test and threshold."""

    print(f"false flags on stable streams, {REFERENCES} references x {WINDOWS} windows of each kind")
    print(f"  {'':14}{'window':>8}{'ours':>10}{'Evidently':>12}")
    config, subjects = ComparisonConfig(statistics=()), {"x": Subject(kind="feature", name="x")}
    for family, (kind, make) in FAMILIES.items():
        column_type = ColumnType.Categorical if kind == "categorical" else ColumnType.Numerical
        for rows in (200, WINDOW_ROWS):
            ours = theirs = 0
            for seed in range(REFERENCES):
                rng = np.random.default_rng(seed)
                before = make(rng, REFERENCE_ROWS)
                reference, old = Reference.from_columns({"x": kind}, {"x": before}), pd.Series(before)
                for _ in range(WINDOWS):
                    after = make(rng, rows)
                    [evidence] = compare(reference, {"x": after}, subjects, config)
                    ours += evidence.verdict == "drift"
                    new = pd.Series(after)
                    theirs += bool(get_stattest(old, new, column_type, None)(old, new, column_type, None).drifted)
            cases = REFERENCES * WINDOWS
            print(f"  {family:14}{rows:>8,}{ours / cases:>10.2%}{theirs / cases:>12.2%}")


def detection():
    """Share of changed windows our default verdict sees."""
    print(f"changes seen in a window of {WINDOW_ROWS:,}, {REFERENCES} references x 10 windows")
    config, subjects = ComparisonConfig(statistics=()), {"x": Subject(kind="feature", name="x")}
    changes = {
        "Gaussian, mean + 0.25 sd": ("numeric", FAMILIES["Gaussian"][1], lambda x, _: x + 0.25),
        "Gaussian, mean + 0.5 sd": ("numeric", FAMILIES["Gaussian"][1], lambda x, _: x + 0.5),
        "Gaussian, sd x 1.5": ("numeric", FAMILIES["Gaussian"][1], lambda x, _: x * 1.5),
        "Student t2, + 0.5": ("numeric", FAMILIES["Student t2"][1], lambda x, _: x + 0.5),
        "Poisson(3), + 1 in half": (
            "integer",
            FAMILIES["Poisson(3)"][1],
            lambda x, rng: x + rng.integers(0, 2, x.size),
        ),
        "8 categories, 1 in 5 to a": ("categorical", FAMILIES["8 categories"][1], to_first),
    }
    for name, (kind, make, change) in changes.items():
        seen = 0
        for seed in range(REFERENCES):
            rng = np.random.default_rng(seed)
            reference = Reference.from_columns({"x": kind}, {"x": make(rng, REFERENCE_ROWS)})
            for _ in range(10):
                after = change(make(rng, WINDOW_ROWS), rng)
                seen += compare(reference, {"x": after}, subjects, config)[0].verdict == "drift"
        print(f"  {name:28}{seen / (REFERENCES * 10):>8.0%}")


def to_first(column, rng):
    return np.where(rng.random(column.size) < 0.2, "a", column).astype(object)


def main() -> int:
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        equal = equality(*slide_cost())
        append_cost()
        false_flags()
        detection()
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
