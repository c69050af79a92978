"""What a model must beat: the label learnt last, and what labels are like on the whole.

Baselines see the labels learnt so far and nothing else, so they are served, delayed and scored as any candidate is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from learners.output import NOTHING, Output
from learners.target import Label, Target


class Baseline(Protocol):
    """A candidate that looks at labels only. Before the first label it says nothing."""

    def predict(self) -> Output:
        """What it says about any event now."""

    def learn(self, label: Label) -> None:
        """Fold in one parsed label."""

    def snapshot(self) -> list[Any]:
        """Its state in plain values, for `restore`."""

    def restore(self, state: Sequence[Any]) -> None:
        """Take the place of the baseline that gave this snapshot; ValueError if it cannot be one."""


class NoChange:
    """The label learnt last, with certainty.

    >>> baseline = NoChange(Target(kind="multiclass", labels=("a", "b", "c")))
    >>> baseline.predict()
    Output(prediction=None, probabilities=None)
    >>> baseline.learn("b")
    >>> baseline.predict()
    Output(prediction='b', probabilities={'a': 0.0, 'b': 1.0, 'c': 0.0})
    """

    __slots__ = ("_outputs", "_target", "_told")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._told = NOTHING
        self._outputs: Mapping[Label, Output] = {
            label: Output(label, {other: float(other == key) for other in target.keys})
            for label, key in zip(target.labels, target.keys, strict=True)
        }

    def predict(self) -> Output:
        """The label learnt last."""
        return self._told

    def learn(self, label: Label) -> None:
        """Remember it."""
        self._told = self._outputs[label] if self._outputs else Output(label, None)

    def snapshot(self) -> list[Any]:
        """`[]` or `[label]`."""
        return [] if self._told is NOTHING else [self._told.prediction]

    def restore(self, state: Sequence[Any]) -> None:
        """ValueError for a label that is not the target's."""
        self._told = NOTHING
        for label in state[-1:]:
            self.learn(self._target.parse(label))


class Prior:
    """The majority label and the share of each label, of all labels learnt. Ties go to the first configured.

    >>> baseline = Prior(Target(kind="binary", labels=("no", "yes"), positive="yes"))
    >>> for label in ("yes", "no", "yes", "yes"):
    ...     baseline.learn(label)
    >>> baseline.predict()
    Output(prediction='yes', probabilities={'no': 0.25, 'yes': 0.75})
    """

    __slots__ = ("_counts", "_even", "_keys", "_labels", "_places", "_stale", "_told")

    def __init__(self, target: Target) -> None:
        self._labels, self._keys = target.labels, target.keys
        self._places = {label: place for place, label in enumerate(target.labels)}
        # Binary: positive only if its share is greater than 0.5, as for every candidate.
        self._even = None if target.negative is None else target.place(target.negative)
        self._counts = [0] * len(target.labels)
        self._told = NOTHING
        self._stale = False

    def predict(self) -> Output:
        """Majority and shares."""
        if self._stale:  # a batch of labels is often learnt between two predictions
            counts, keys = self._counts, self._keys
            total = sum(counts)
            if self._even is None:
                place = counts.index(max(counts))
                shares = {key: count / total for key, count in zip(keys, counts, strict=True)}
            else:
                first, second = counts
                place = self._even if first == second else int(second > first)
                shares = {keys[0]: first / total, keys[1]: second / total}
            self._told = Output(self._labels[place], shares)
            self._stale = False
        return self._told

    def learn(self, label: Label) -> None:
        """Count it."""
        self._counts[self._places[label]] += 1
        self._stale = True

    def snapshot(self) -> list[Any]:
        """Labels learnt of each kind, in the order of `target.labels`."""
        return list(self._counts)

    def restore(self, state: Sequence[Any]) -> None:
        """ValueError unless it is one count per label."""
        if len(state) != len(self._counts) or not all(isinstance(n, int) and n >= 0 for n in state):
            raise ValueError(f"prior must be {len(self._counts)} counts, got something else")
        self._counts, self._told, self._stale = list(state), NOTHING, any(state)


class Mean:
    """The mean of all labels learnt, for regression.

    >>> baseline = Mean(Target(kind="regression"))
    >>> baseline.learn(1.0)
    >>> baseline.learn(2.0)
    >>> baseline.predict()
    Output(prediction=1.5, probabilities=None)
    """

    __slots__ = ("_count", "_mean")

    def __init__(self, target: Target) -> None:
        if target.kind != "regression":
            raise ValueError(f"mean must be a baseline of regression, got {target.kind}")
        self._count = 0
        self._mean = 0.0

    def predict(self) -> Output:
        """The mean."""
        return Output(self._mean, None) if self._count else NOTHING

    def learn(self, label: Label) -> None:
        """Welford's update of the mean."""
        self._count += 1
        self._mean += (float(label) - self._mean) / self._count

    def snapshot(self) -> list[Any]:
        """`[labels learnt, their mean]`."""
        return [self._count, self._mean]

    def restore(self, state: Sequence[Any]) -> None:
        """ValueError unless it is a count and a mean."""
        count, mean = state
        self._count, self._mean = int(count), float(mean)


def baselines(target: Target) -> dict[str, Baseline]:
    """The baselines that stand beside every model of this target, by name.

    >>> list(baselines(Target(kind="regression")))
    ['no_change', 'mean']
    """
    if target.kind == "regression":
        return {"no_change": NoChange(target), "mean": Mean(target)}
    return {"no_change": NoChange(target), "prior": Prior(target)}
