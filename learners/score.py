"""One candidate's running score, by kind of target: totals as sums, the window as what was said last.

A score is told the truths in the form `PrequentialScores` holds them: True or False for binary, the label's place
for multiclass, a float for regression; some examples at a time, because a loop over locals costs a third of as many
calls. Each example is folded in on its own and in order, so how they were grouped does not matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from math import log
from typing import Any, Protocol, TypeAlias

from learners.metrics import (
    PROBABILITY_MIN,
    Errors,
    balanced_accuracy,
    by_class,
    f1,
    macro_f1,
    ratio,
    roc_auc,
    roc_auc_of_bins,
    surprise,
)
from learners.output import NOTHING, Said
from learners.target import Target

BINS = 1000
"""Bins of the total ROC AUC over [0, 1], and one more for exactly 1. Pairs within a bin count half."""


Example: TypeAlias = tuple[Any, Mapping[str, Said]]
"""The truth and what each candidate said."""


class Score(Protocol):
    """What each kind of target keeps of one candidate."""

    unscored: int
    """Examples it predicted nothing for."""
    said: deque[Any]
    """What it said of the last `window` examples, None where it said nothing."""

    def update(self, name: str, examples: Iterable[Example]) -> None:
        """Fold in examples in their order; `name` is the candidate's among their outputs."""

    def total(self) -> dict[str, Any]:
        """Metrics over all examples."""

    def windowed(self, truths: Iterable[Any]) -> dict[str, Any]:
        """Metrics over the last examples, `truths` being theirs."""

    def snapshot(self) -> dict[str, Any]:
        """Plain lists and numbers."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the place of the score that gave it."""


class BinaryScore:
    """Counts of the four outcomes, the sum of log losses and two histograms of the score.

    Where probabilities are given, the prediction is positive if and only if the positive one exceeds 0.5.
    """

    __slots__ = ("_bins", "_cells", "_key", "_keys", "_positive", "_surprise", "_swap", "said", "unscored")

    def __init__(self, target: Target, window: int) -> None:
        self._positive, self._keys = target.positive, target.keys
        self._swap = target.labels[0] == target.positive
        self._key = target.keys[0 if self._swap else 1]
        self._cells = [0, 0, 0, 0]  # true negatives, false positives, false negatives, true positives
        self._bins = ([0] * (BINS + 1), [0] * (BINS + 1))  # of negatives, of positives
        self._surprise = 0.0
        self.unscored = 0
        self.said: deque[float | bool | None] = deque(maxlen=window)  # the score; a bool if only a label was said

    def update(self, name: str, examples: Iterable[Example]) -> None:
        """Fold in examples in their order."""
        key, cells, say, total = self._key, self._cells, self.said.append, self._surprise
        negatives, positives = self._bins
        for truth, outputs in examples:
            said = outputs.get(name, NOTHING)
            probabilities = said.probabilities
            p = 2.0 if probabilities is None else probabilities.get(key, 2.0)
            if not 0.0 <= p <= 1.0:
                self._update_label(truth, None if probabilities is not None else said.prediction)
                continue
            say(p)
            if truth:
                cells[3 if p > 0.5 else 2] += 1  # noqa: PLR2004 - the rule of `Output`
                positives[int(p * BINS)] += 1
            else:
                cells[1 if p > 0.5 else 0] += 1  # noqa: PLR2004
                negatives[int(p * BINS)] += 1
                p = 1.0 - p
            # metrics.surprise, without the price of two calls
            total -= log(PROBABILITY_MIN if p < PROBABILITY_MIN else p)  # noqa: FURB136
        self._surprise = total

    def _update_label(self, truth: bool, prediction: object) -> None:  # noqa: FBT001
        if prediction is None:
            self.unscored += 1
            self.said.append(None)
            return
        told = prediction == self._positive
        self.said.append(told)
        self._cells[2 * truth + told] += 1

    def total(self) -> dict[str, Any]:
        """Metrics over all examples; ROC AUC from `BINS` bins, off by at most half the pairs that share a bin."""
        negatives, positives = self._bins
        return self._report(
            self._cells, self._surprise, sum(negatives) + sum(positives),
            roc_auc_of_bins(list(zip(negatives, positives, strict=True))),
        )  # fmt: skip

    def windowed(self, truths: Iterable[bool]) -> dict[str, Any]:
        """Metrics over the last examples, all exact."""
        cells, total, scores = [0, 0, 0, 0], 0.0, []
        for truth, said in zip(truths, self.said, strict=True):
            if said is None:
                continue
            cells[2 * truth + (said > 0.5)] += 1  # noqa: PLR2004
            if type(said) is not bool:
                scores.append((float(said), truth))
                total += surprise(said if truth else 1.0 - said)
        return self._report(cells, total, len(scores), roc_auc(scores))

    def _report(self, cells: list[int], total: float, scores: int, auc: float | None) -> dict[str, Any]:
        tn, fp, fn, tp = cells
        hits, told, support = [tn, tp], [tn + fn, tp + fp], [tn + fp, tp + fn]
        if self._swap:
            hits, told, support = hits[::-1], told[::-1], support[::-1]
        return {
            "accuracy": ratio(tn + tp, sum(cells)),
            "balanced_accuracy": balanced_accuracy(hits, support),
            "f1": f1(tp, tp + fp, tp + fn),
            "log_loss": ratio(total, scores),
            "roc_auc": auc,
            "per_class": by_class(self._keys, hits, told, support),
        }

    def snapshot(self) -> dict[str, Any]:
        """About 10 kB for a window of 1,000."""
        return {
            "cells": list(self._cells),
            "bins": [list(bins) for bins in self._bins],
            "surprise": self._surprise,
            "unscored": self.unscored,
            "said": list(self.said),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the place of the score that gave it."""
        negatives, positives = state["bins"]
        self._cells, self._bins = list(state["cells"]), (list(negatives), list(positives))
        self._surprise, self.unscored = state["surprise"], state["unscored"]
        self.said = deque(state["said"], self.said.maxlen)


class MulticlassScore:
    """Counts per class and the sum of log losses."""

    __slots__ = ("_hits", "_keys", "_places", "_probable", "_support", "_surprise", "_told", "said", "unscored")

    def __init__(self, target: Target, window: int) -> None:
        self._keys, self._places = target.keys, {label: place for place, label in enumerate(target.labels)}
        classes = len(target.labels)
        self._hits, self._told, self._support = [0] * classes, [0] * classes, [0] * classes
        self._surprise = 0.0
        self._probable = 0  # examples with probabilities
        self.unscored = 0
        # (place of the prediction, probability of the true label or None)
        self.said: deque[tuple[int, float | None] | None] = deque(maxlen=window)

    def update(self, name: str, examples: Iterable[Example]) -> None:
        """Fold in examples in their order."""
        for truth, outputs in examples:
            said = outputs.get(name, NOTHING)
            prediction, probabilities = said.prediction, said.probabilities
            told = None if prediction is None else self._places.get(prediction)
            if told is None:
                self.unscored += 1
                self.said.append(None)
                continue
            self._support[truth] += 1
            self._told[told] += 1
            self._hits[told] += told == truth
            p = None
            if probabilities is not None:
                p = probabilities.get(self._keys[truth], 0.0)
                self._probable += 1
                self._surprise += surprise(p)
            self.said.append((told, p))

    def total(self) -> dict[str, Any]:
        """Metrics over all examples."""
        return self._report(self._hits, self._told, self._support, self._surprise, self._probable)

    def windowed(self, truths: Iterable[int]) -> dict[str, Any]:
        """Metrics over the last examples."""
        classes = len(self._keys)
        hits, told, support = [0] * classes, [0] * classes, [0] * classes
        total, probable = 0.0, 0
        for truth, said in zip(truths, self.said, strict=True):
            if said is None:
                continue
            prediction, p = said
            support[truth] += 1
            told[prediction] += 1
            hits[prediction] += prediction == truth
            if p is not None:
                probable += 1
                total += surprise(p)
        return self._report(hits, told, support, total, probable)

    def _report(
        self, hits: list[int], told: list[int], support: list[int], total: float, probable: int
    ) -> dict[str, Any]:
        return {
            "accuracy": ratio(sum(hits), sum(support)),
            "balanced_accuracy": balanced_accuracy(hits, support),
            "f1": macro_f1(hits, told, support),
            "log_loss": ratio(total, probable),
            "per_class": by_class(self._keys, hits, told, support),
        }

    def snapshot(self) -> dict[str, Any]:
        """Three counts per class and the window."""
        return {
            "counts": [list(self._hits), list(self._told), list(self._support)],
            "surprise": self._surprise,
            "probable": self._probable,
            "unscored": self.unscored,
            "said": [None if said is None else list(said) for said in self.said],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the place of the score that gave it."""
        self._hits, self._told, self._support = (list(counts) for counts in state["counts"])
        self._surprise, self._probable, self.unscored = state["surprise"], state["probable"], state["unscored"]
        self.said = deque((None if said is None else (said[0], said[1]) for said in state["said"]), self.said.maxlen)


class RegressionScore:
    """Sums of errors."""

    __slots__ = ("_errors", "said", "unscored")

    def __init__(self, _: Target, window: int) -> None:
        self._errors = Errors()
        self.unscored = 0
        self.said: deque[float | None] = deque(maxlen=window)

    def update(self, name: str, examples: Iterable[Example]) -> None:
        """Fold in examples in their order."""
        for truth, outputs in examples:
            prediction = outputs.get(name, NOTHING).prediction
            if not isinstance(prediction, int | float):
                self.unscored += 1
                self.said.append(None)
                continue
            number = float(prediction)
            self.said.append(number)
            self._errors.update(truth, number)

    def total(self) -> dict[str, Any]:
        """Metrics over all examples."""
        return self._errors.report()

    def windowed(self, truths: Iterable[float]) -> dict[str, Any]:
        """Metrics over the last examples."""
        errors = Errors()
        for truth, said in zip(truths, self.said, strict=True):
            if said is not None:
                errors.update(truth, said)
        return errors.report()

    def snapshot(self) -> dict[str, Any]:
        """Five sums and the window."""
        return {"errors": self._errors.snapshot(), "unscored": self.unscored, "said": list(self.said)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the place of the score that gave it."""
        self._errors.restore(state["errors"])
        self.unscored = state["unscored"]
        self.said = deque(state["said"], self.said.maxlen)


SCORES: Mapping[str, type[BinaryScore | MulticlassScore | RegressionScore]] = {
    "binary": BinaryScore,
    "multiclass": MulticlassScore,
    "regression": RegressionScore,
}
