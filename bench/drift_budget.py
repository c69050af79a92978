"""The false-alarm budget: CPU per event over 20 numeric features, in batches of 50, and of qualifying a reference.

    python -m bench.drift_budget [--events 20000] [--repeats 7]

Reference 5,000 rows. Told are medians over repeats, of CPU and wall time; nothing else runs in the process. The loss of
an example comes right behind each event in the second line; in the third, columns are watched together as well. Then
what a fresh reference of 300 rows costs, whose pool grows in small steps, and what the state weighs.
"""

from __future__ import annotations

import argparse
import statistics
import time

import msgspec
import numpy as np

from drift.budget import AlarmBudget, AlarmBudgetConfig, Allowance, WatchedColumn
from drift.evidence import Subject
from drift.reference import Reference

FEATURES, REFERENCE_ROWS, BATCH = 20, 5000, 50
NAMES = [f"f{i:02d}" for i in range(FEATURES)]


def budget_of(*, loss=None, joint=False):
    columns = {name: WatchedColumn(kind="numeric", subject=Subject(kind="feature", name=name)) for name in NAMES}
    allowance = Allowance.parse("1 per 100000000 events")  # or an alarm would be timed as well
    return AlarmBudget(AlarmBudgetConfig(columns=columns, allowance=allowance, loss=loss, joint=joint))


def reference_of(rng, rows):
    return Reference.from_columns(dict.fromkeys(NAMES, "numeric"), {name: rng.normal(size=rows) for name in NAMES})


def timed(work):
    wall, cpu = time.perf_counter(), time.thread_time()
    work()
    return time.thread_time() - cpu, time.perf_counter() - wall


def qualify(budget, reference, losses):
    budget.rebase(reference, losses)
    while budget.qualify():
        pass


def one_run(budget, rows, losses):
    def work():
        for start in range(0, len(rows), BATCH):
            for place, row in enumerate(rows[start : start + BATCH], start):
                budget.event(row)
                if losses:
                    budget.example(losses[place])
            budget.evaluate()

    return timed(work)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = [dict(zip(NAMES, row, strict=True)) for row in rng.normal(size=(arguments.events, FEATURES)).tolist()]
    losses = (rng.random(arguments.events) < 0.2).astype(float).tolist()
    cases = {
        "features": (REFERENCE_ROWS, {}, rows),
        "features and loss": (REFERENCE_ROWS, {"loss": "indicator"}, rows),
        "features, also together": (REFERENCE_ROWS, {"joint": True}, rows),
        "first 1,000 after 300 rows": (300, {}, rows[:1000]),
    }
    taken = {name: [] for name in (*cases, "qualify")}
    weight = 0
    for _ in range(arguments.repeats):  # interleaved: what else the machine does hits all alike
        for name, (reference_rows, settings, events) in cases.items():
            budget = budget_of(**settings)
            reference, before = reference_of(rng, reference_rows), (rng.random(reference_rows) < 0.2).tolist()
            spent = timed(lambda budget=budget, reference=reference, before=before: qualify(budget, reference, before))
            if name == "features":
                taken["qualify"].append([each * 1e6 for each in spent])
            spent = one_run(budget, events, losses if settings.get("loss") else None)
            taken[name].append([each * 1e6 / len(events) for each in spent])
        if not weight:
            weight = len(msgspec.msgpack.encode(budget.snapshot()))
    print(f"{FEATURES} numeric features, reference {REFERENCE_ROWS:,}, batches of {BATCH}, {arguments.repeats} runs")
    for name in cases:
        cpu, wall = (statistics.median(column) for column in zip(*taken[name], strict=True))
        print(f"  {name:28} {cpu:8.2f} us CPU {wall:8.2f} us wall an event")
    cpu, wall = (statistics.median(column) for column in zip(*taken["qualify"], strict=True))
    print(f"  {'qualify the reference':28} {cpu / 1e3:8.1f} ms CPU {wall / 1e3:8.1f} ms wall")
    print(f"  {'snapshot':28} {weight / 1e3:8.1f} kB")


if __name__ == "__main__":
    main()
