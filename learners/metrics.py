"""Formulas of quality from counts; None where a metric is undefined, never a made-up 0 or 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

PROBABILITY_MIN = 1e-15
"""Log loss takes smaller probabilities of the true label for this, as River does; larger than 1 minus it likewise."""


def ratio(part: float, whole: float) -> float | None:
    """What part is of whole, None if whole is 0."""
    return part / whole if whole else None


def surprise(probability: float) -> float:
    """Log loss of one example from the probability its true label was given, in nats; 34.5 at most."""
    return -math.log(max(probability, PROBABILITY_MIN))


def by_class(keys: Sequence[str], hits: Sequence[int], told: Sequence[int], support: Sequence[int]) -> dict[str, Any]:
    """Precision, recall and support of each class, by its key.

    `hits`, `told` and `support`, each of shape (n_classes,): examples of the class told right, examples told to be
    of the class, examples of the class.
    """
    return {
        key: {"precision": ratio(hit, say), "recall": ratio(hit, are), "support": are}
        for key, hit, say, are in zip(keys, hits, told, support, strict=True)
    }


def balanced_accuracy(hits: Sequence[int], support: Sequence[int]) -> float | None:
    """Mean recall over the classes that occurred."""
    recalls = [hit / are for hit, are in zip(hits, support, strict=True) if are]
    return ratio(sum(recalls), len(recalls))


def f1(hits: int, told: int, support: int) -> float | None:
    """Harmonic mean of precision and recall of one class; None if it neither occurred nor was told."""
    return ratio(2 * hits, told + support)


def macro_f1(hits: Sequence[int], told: Sequence[int], support: Sequence[int]) -> float | None:
    """Mean F1 over the classes that occurred or were told."""
    scores = [f1(*counts) for counts in zip(hits, told, support, strict=True)]
    known = [score for score in scores if score is not None]
    return ratio(sum(known), len(known))


def roc_auc(scores: Sequence[tuple[float, bool]]) -> float | None:
    """Share of (positive, negative) pairs in which the positive has the higher score; ties count half.

    >>> roc_auc([(0.9, True), (0.4, True), (0.4, False), (0.1, False)])
    0.875
    """
    counts: dict[float, list[int]] = {}
    for score, positive in scores:
        counts.setdefault(score, [0, 0])[positive] += 1
    return roc_auc_of_bins([counts[score] for score in sorted(counts)])


def roc_auc_of_bins(bins: Sequence[Sequence[int]]) -> float | None:
    """The same from (negatives, positives) per bin of rising scores; pairs within a bin count half."""
    area = below = positives = 0
    for negative, positive in bins:
        area += positive * (2 * below + negative)
        below += negative
        positives += positive
    return ratio(area, 2 * below * positives)


class Errors:
    """Sums of a regression's errors.

    >>> errors = Errors()
    >>> for label, prediction in ((1.0, 1.5), (3.0, 2.0)):
    ...     errors.update(label, prediction)
    >>> errors.report()
    {'mae': 0.75, 'rmse': 0.7905694150420949, 'r2': 0.375}
    """

    __slots__ = ("absolute", "count", "mean", "spread", "squared")

    def __init__(self) -> None:
        self.count = 0
        self.absolute = 0.0
        self.squared = 0.0
        self.mean = 0.0
        """Of the labels."""
        self.spread = 0.0
        """Sum of squared distances of the labels from their mean, by Welford's update."""

    def update(self, label: float, prediction: float) -> None:
        """Fold in one prediction."""
        error = label - prediction
        self.count += 1
        self.absolute += abs(error)
        self.squared += error * error
        distance = label - self.mean
        self.mean += distance / self.count
        self.spread += distance * (label - self.mean)

    def report(self) -> dict[str, Any]:
        """MAE, RMSE and R²; R² is undefined while all labels are the same."""
        mean_square = ratio(self.squared, self.count)
        unexplained = ratio(self.squared, self.spread)
        return {
            "mae": ratio(self.absolute, self.count),
            "rmse": None if mean_square is None else math.sqrt(mean_square),
            "r2": None if unexplained is None else 1.0 - unexplained,
        }

    def snapshot(self) -> list[float]:
        """All five sums."""
        return [self.count, self.absolute, self.squared, self.mean, self.spread]

    def restore(self, state: Sequence[float]) -> None:
        """ValueError unless it is five sums."""
        count, self.absolute, self.squared, self.mean, self.spread = state
        self.count = int(count)
