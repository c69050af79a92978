"""How far off a score of the last examples may be: half the width of a 95 % interval, by the method of batch means.

The examples, in their order, are cut into `BATCHES`; how much the batches differ says how unsure the whole is. What one
example has to do with the next is counted in, as long as it is forgotten within a batch; a formula for independent
examples would leave it out. Nothing is drawn at random and nothing is kept but the window, and a loss may be unbounded:
it needs a finite variance. A window across an abrupt change has batches that differ, and a wide interval.
It is the interval of one window, not of all that somebody may look at: of a hundred, five are wrong.

A score that is no plain mean goes by its influence: what each example would move it by, were it weighted a little more.
So the difference of two scores on the same examples has an interval as well, from the differences of influences; it is
narrower than the two beside each other, since what was hard for one was mostly hard for the other.

Sources: B. Schmeiser, "Batch size effects in the analysis of simulation output", Operations Research 30 (1982),
556-568; F. R. Hampel, "The influence curve and its role in robust estimation", JASA 69 (1974), 383-393, which for ROC
AUC gives the components of E. R. DeLong et al., Biometrics 44 (1988), 837-845.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from learners.metrics import PROBABILITY_MIN

BATCHES = 20
EXAMPLES_MIN = 100
"""With fewer nothing is said."""
T95 = 2.0930240544
"""Student's, of `BATCHES` - 1 degrees of freedom."""
DIGITS = 3

Influences: TypeAlias = dict[str, NDArray[np.float64]]
"""By score, shape (n_examples,): NaN where an example has no part in it."""


def margin(influence: NDArray[np.float64]) -> float | None:
    """Half the width of the interval of a score with this influence; None for too few examples.

    >>> round(margin(np.tile([0.4, 0.4, 0.4, -0.6, -0.6], 200)[np.random.default_rng(1).permutation(1000)]), 3)
    0.025
    """
    counted = influence[~np.isnan(influence)]
    rows = len(counted)
    if rows < EXAMPLES_MIN:
        return None
    totals = np.add.reduceat(counted, np.arange(BATCHES) * rows // BATCHES)
    with np.errstate(all="ignore"):
        half = T95 * float(np.std(totals, ddof=1)) * BATCHES**0.5 / rows
    return float(f"{half:.{DIGITS}g}") if np.isfinite(half) else None


def margins(influences: Influences) -> dict[str, float]:
    """Of each score that has one. A score without any variation, such as all right, says nothing of its own error."""
    found = {name: margin(influence) for name, influence in influences.items()}
    return {name: half for name, half in found.items() if half}


def difference_margins(influences: Influences, others: Influences) -> dict[str, float]:
    """Of the difference of each score to another's, where both had the same examples; 0 where they are one."""
    found: dict[str, float] = {}
    for name, influence in influences.items():
        other = others.get(name)
        if other is None or not np.array_equal(np.isnan(influence), np.isnan(other)):
            continue
        with np.errstate(all="ignore"):
            half = margin(influence - other)
        if half is not None:
            found[name] = half
    return found


def binary(truths: Iterable[bool], said: Iterable[float | bool | None]) -> Influences:
    """Of a positive or negative truth and the score of the positive, or only a label (bool), or nothing."""
    said = list(said)
    positive = np.fromiter(truths, bool, len(said))
    score = np.array([np.nan if each is None else each for each in said], np.float64)
    probable = np.array([each is not None and type(each) is not bool for each in said], bool)
    scored = ~np.isnan(score)
    told = score > 0.5  # noqa: PLR2004 - the rule of `Output`
    right = told == positive
    either = told.astype(np.float64) + positive
    found = {
        "accuracy": _mean(right, scored),
        "balanced_accuracy": _recalls(positive.astype(np.intp), right, scored, 2),
        "f1": _ratio(2.0 * (told & positive), either, scored),
        "log_loss": _mean(_surprise(np.where(positive, score, 1.0 - score)), probable),
        "roc_auc": _area(positive, score, probable),
    }
    return {name: influence for name, influence in found.items() if influence is not None}


def multiclass(truths: Iterable[int], said: Iterable[tuple[int, float | None] | None]) -> Influences:
    """Of the place of the true class, and the place of the one told beside the probability of the true one."""
    said = list(said)
    true = np.fromiter(truths, np.intp, len(said))
    told = np.array([-1 if each is None else each[0] for each in said], np.intp)
    p = np.array([np.nan if each is None or each[1] is None else each[1] for each in said], np.float64)
    scored, right = told >= 0, told == true
    classes = int(max(true.max(initial=-1), told.max(initial=-1))) + 1
    found = {
        "accuracy": _mean(right, scored),
        "balanced_accuracy": _recalls(true, right, scored, classes),
        "f1": _macro_f1(true, told, scored, classes),
        "log_loss": _mean(_surprise(p), ~np.isnan(p)),
    }
    return {name: influence for name, influence in found.items() if influence is not None}


def regression(truths: Iterable[float], said: Iterable[float | None]) -> Influences:
    """Of the true number and the one told."""
    said = list(said)
    true = np.fromiter(truths, np.float64, len(said))
    told = np.array([np.nan if each is None else each for each in said], np.float64)
    scored = ~np.isnan(told)
    with np.errstate(all="ignore"):
        error = np.abs(true - told)
        squared = error * error
        squares = _mean(squared, scored)
        if squares is None:
            return {}
        level = float(np.mean(squared[scored]))
        off = (true - np.mean(true[scored])) ** 2
        spread = float(np.mean(off[scored]))
        found: Influences = {"mae": np.where(scored, error - np.mean(error[scored]), np.nan)}
        if level:
            found["rmse"] = squares / (2.0 * np.sqrt(level))
        if spread:
            found["r2"] = (level / spread * off - squared) / spread
    return {name: np.where(scored, each, np.nan) for name, each in found.items() if np.all(np.isfinite(each[scored]))}


INFLUENCES: Mapping[str, Callable[[Iterable[Any], Iterable[Any]], Influences]] = {
    "binary": binary,
    "multiclass": multiclass,
    "regression": regression,
}


def _surprise(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(p, PROBABILITY_MIN))


def _mean(values: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """None where there is no example."""
    if not where.any():
        return None
    return np.where(where, values - np.mean(values[where]), np.nan)


def _recalls(
    true: NDArray[np.intp], right: NDArray[np.bool_], scored: NDArray[np.bool_], classes: int
) -> NDArray[np.float64] | None:
    """Of the mean of the recalls of the classes that occurred."""
    support = np.bincount(true[scored], minlength=classes)
    occurred = np.count_nonzero(support)
    if not occurred:
        return None
    support = np.maximum(support, 1)
    recall = np.bincount(true[scored & right], minlength=classes) / support
    weight = np.count_nonzero(scored) / (occurred * support)
    return np.where(scored, (right - recall[true]) * weight[true], np.nan)


def _ratio(
    part: NDArray[np.float64], whole: NDArray[np.float64], scored: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Of a sum over another; None where the other is 0."""
    if not scored.any() or not (level := float(np.mean(whole[scored]))):
        return None
    ratio = float(np.mean(part[scored])) / level
    return np.where(scored, (part - ratio * whole) / level, np.nan)


def _macro_f1(
    true: NDArray[np.intp], told: NDArray[np.intp], scored: NDArray[np.bool_], classes: int
) -> NDArray[np.float64] | None:
    """Of the mean F1 of the classes that occurred or were told."""
    rows = np.count_nonzero(scored)
    if not rows:
        return None
    either = (np.bincount(true[scored], minlength=classes) + np.bincount(told[scored], minlength=classes)) / rows
    seen = np.count_nonzero(either)
    either = np.maximum(either, 1.0 / rows)
    f1 = 2.0 * np.bincount(true[scored & (told == true)], minlength=classes) / rows / either
    moved = 2.0 * (told == true) / either[true] - f1[true] / either[true] - f1[told] / either[told]
    return np.where(scored, moved / seen, np.nan)


def _area(
    positive: NDArray[np.bool_], score: NDArray[np.float64], probable: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Of ROC AUC: for each positive the share of negatives below it, for each negative that of positives above."""
    ups, downs = probable & positive, probable & ~positive
    high, low = np.sort(score[ups]), np.sort(score[downs])
    if not len(high) or not len(low):
        return None
    found = np.full(len(score), np.nan)
    found[ups] = _below(low, score[ups])
    found[downs] = 1.0 - _below(high, score[downs])
    area, rows = float(np.mean(found[ups])), len(high) + len(low)
    found[ups] = (found[ups] - area) * rows / len(high)
    found[downs] = (found[downs] - area) * rows / len(low)
    return found


def _below(ordered: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of `ordered` below each value, ties counting half."""
    places = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return places / (2.0 * len(ordered))
