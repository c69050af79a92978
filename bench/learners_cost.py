"""CPU per event of predict and learn: candidates, with the compiled kernel and without, beside bare River.

python -m bench.learners_cost [--rows 20000] [--repeats 7] [--features 8 50]
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

from river import linear_model, preprocessing

from learners.candidates import Candidates, CandidateSpec
from learners.features import FeatureGuard
from learners.kernel import kernel_state
from learners.target import Target

GROUP = 200
"""Events between two calls of `learn_all`, as in a worker that has a backlog."""
BARE, RIVER, KERNEL = "bare River", "candidates, River's arithmetic", "candidates, kernel"


class Job:
    """One model's stream, and the contenders over it."""

    def __init__(self, model, features, rows):
        source = random.Random(1)
        self.model, self.kinds = model, {f"f{place}": "numeric" for place in range(features)}
        regression = model == "linear_regression"
        kind = {"kind": "regression"} if regression else {"kind": "binary", "labels": (0, 1), "positive": 1}
        self.target = Target(**kind)
        self.stream = []
        for _ in range(rows):
            x = {name: source.gauss(0, 1) for name in self.kinds}
            level = x["f0"] + source.gauss(0, 1)
            self.stream.append((x, level if regression else int(level > 0)))

    def candidates(self, *, kernels):
        return Candidates({"main": CandidateSpec(model=self.model)}, "main", self.target, self.kinds, kernels=kernels)

    def bare(self):
        classifies = self.model == "logistic_regression"
        last = linear_model.LogisticRegression() if classifies else linear_model.LinearRegression()
        model = preprocessing.StandardScaler() | (last if classifies else preprocessing.TargetStandardScaler(last))
        ask = model.predict_proba_one if classifies else model.predict_one
        for features, label in self.stream:
            ask(features)
            model.learn_one(features, label == 1 if classifies else label)

    def folded(self, candidates):
        for at in range(0, len(self.stream), GROUP):
            group = self.stream[at : at + GROUP]
            for features, _ in group:
                candidates.predict(features)
            candidates.learn_all(group)

    def guard(self):
        check = FeatureGuard(self.kinds).check
        for features, _ in self.stream:
            check(features)

    def contenders(self):
        runs = {
            BARE: self.bare,
            RIVER: lambda: self.folded(self.candidates(kernels=False)),
            "guard": self.guard,
        }
        return runs | {KERNEL: lambda: self.folded(self.candidates(kernels=True))} if has_kernel() else runs


def has_kernel():
    return kernel_state() == "compiled"


def cpu_us(run, rows):
    start = time.process_time_ns()
    run()
    return (time.process_time_ns() - start) / 1000 / rows


def medians(job, repeats):
    contenders = job.contenders()
    taken = {name: [] for name in contenders}
    for _ in range(repeats):  # interleaved: what else the machine does hits all alike
        for name, run in contenders.items():
            taken[name].append(cpu_us(run, len(job.stream)))
    return {name: statistics.median(times) for name, times in taken.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--features", type=int, nargs="+", default=[8, 50])
    arguments = parser.parse_args()
    print(f"kernel: {kernel_state()}")
    for model in ("logistic_regression", "linear_regression"):
        for features in arguments.features:
            found = medians(Job(model, features, arguments.rows), arguments.repeats)
            told = ", ".join(f"{name} {us:.2f}" for name, us in found.items())
            ratio = f"{found[RIVER] / found[KERNEL]:5.1f} times" if has_kernel() else "no kernel"
            print(f"  {model:20} {features:3} features  {ratio}  ({told} us CPU per event)")


if __name__ == "__main__":
    main()
