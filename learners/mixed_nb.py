"""Naive Bayes over numbers and categories at once.

River's `GaussianNB` would see a category's column of zeros and ones as a Gaussian of variance zero, whose density
is zero: a class that never had the category loses by e^-20 even on rows without it. Here categories are counted.
Source: the multinomial event model of naive Bayes with Laplace's add-one smoothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

from river import base, naive_bayes


class MixedNB(base.Classifier):
    """A Gaussian per class and number, a smoothed frequency per class and category.

    >>> model = MixedNB(nominal=["colour"])
    >>> for colour, weight, label in (("red", 1.0, "apple"), ("red", 1.4, "apple"), ("blue", 0.2, "berry")):
    ...     model.learn_one({"colour": colour, "weight": weight}, label)
    >>> model.predict_one({"colour": "red"})
    'apple'
    """

    def __init__(self, nominal: Iterable[str] = ()) -> None:
        self.nominal = list(nominal)
        self.gaussian = naive_bayes.GaussianNB()  # type: ignore[no-untyped-call]
        # feature -> class -> category -> rows
        self.counts: dict[Hashable, dict[Any, dict[Any, int]]] = {name: {} for name in self.nominal}
        # feature -> category -> rows: how many categories the smoothing spreads over
        self.categories: dict[Hashable, dict[Any, int]] = {name: defaultdict(int) for name in self.nominal}

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: dict[Hashable, Any], y: Any) -> None:  # noqa: ANN401 - any label River takes
        """Fold in one labelled row."""
        numbers = {name: value for name, value in x.items() if name not in self.counts}
        self.gaussian.learn_one(numbers, y)  # type: ignore[no-untyped-call]
        for name, by_class in self.counts.items():
            if name in x:
                counts = by_class.setdefault(y, defaultdict(int))
                counts[x[name]] += 1
                self.categories[name][x[name]] += 1

    def predict_proba_one(self, x: dict[Hashable, Any], **_: object) -> dict[Any, float]:
        """Probabilities of the classes learnt so far; empty before the first."""
        numbers = {name: value for name, value in x.items() if name not in self.counts}
        scores = self.gaussian.joint_log_likelihood(numbers)  # type: ignore[no-untyped-call]
        if not scores:
            return {}
        for name, by_class in self.counts.items():
            if name in x:
                spread = len(self.categories[name]) + 1  # one more for those never seen
                for label in scores:
                    counts = by_class.get(label, {})
                    seen = counts.get(x[name], 0)
                    scores[label] += math.log((seen + 1) / (sum(counts.values()) + spread))
        highest = max(scores.values())
        weights = {label: math.exp(score - highest) for label, score in scores.items()}
        total = sum(weights.values())
        return {label: weight / total for label, weight in weights.items()}
