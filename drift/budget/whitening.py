"""A numeric stream made independent in time as it comes: centred, a season taken out, then an autoregression."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.budget.dependence import INDEPENDENT_P, LAGS_MAX, Autoregression, autocovariances, autoregression, ljung_box

Floats = NDArray[np.float64]

HARMONICS = 3
CLIP_SD = 100.0
"""Of standardised values. Tighter clipping, as normal scores, distorts the autoregression."""
SEASON_MIN = 0.01
"""Share of the variance that a season must explain to be taken out."""
REFIT_GROWTH = 1.5
_NORMAL_IQR = 1.349


def harmonics(phases: Sequence[float]) -> Floats:
    """Sines and cosines of 1 to 3 times the phase (1 = a period), shape `(6, n_rows)`.

    By the scalar functions: vectorised ones may differ in the last digit by where in a batch a row stands.
    """
    angles = [2 * math.pi * (phase % 1.0) for phase in phases]
    rows = [[f(k * angle) for angle in angles] for k in range(1, HARMONICS + 1) for f in (math.sin, math.cos)]
    return np.array(rows, dtype=np.float64).reshape(2 * HARMONICS, len(phases))


@dataclass(frozen=True, slots=True)
class Scale:
    """Median and IQR / 1.349, or the standard deviation where the quartiles coincide."""

    centre: float
    size: float

    @classmethod
    def of(cls, values: Floats) -> Scale:
        """Of at least one finite value; a constant has size 1."""
        lower, centre, upper = np.quantile(values, [0.25, 0.5, 0.75])
        with np.errstate(over="ignore", invalid="ignore"):
            size = float((upper - lower) / _NORMAL_IQR) or float(values.std())
        return cls(float(centre), size if 0 < size < math.inf else 1.0)

    def standard(self, values: Floats) -> Floats:
        """Standard scores within ±100."""
        with np.errstate(over="ignore"):
            return np.clip((values - self.centre) / self.size, -CLIP_SD, CLIP_SD)


class Whitener:
    """Residuals of one stream, and what they were made from."""

    def __init__(self, scale: Scale, season: tuple[float, ...], coefficients: tuple[float, ...]) -> None:
        self.scale = scale
        self.season = season
        self.coefficients = coefficients
        self._past = np.zeros(LAGS_MAX)
        self._sums = np.zeros(LAGS_MAX + 2)  # of the value, and of its products with each lag from 0
        self._rows = 0
        self._fitted_rows = 0

    def scores(self, values: Floats, basis: Floats) -> Floats:
        """Present values, shape `(n_rows,)`, as standard scores without the season; nothing is remembered."""
        z = self.scale.standard(values)
        for weight, wave in zip(self.season, basis, strict=False):
            z -= weight * wave
        return z

    def residuals(self, scores: Floats) -> Floats:
        """What the last scores, and the autoregression, do not foretell; nothing is remembered."""
        known = np.concatenate([self._past, scores])
        left = scores.copy()
        for lag, coefficient in enumerate(self.coefficients, 1):
            left -= coefficient * known[LAGS_MAX - lag : known.size - lag]
        return left

    def take(self, scores: Floats, *, learn: bool) -> None:
        """Make scores the past; with `learn` a later refit counts them."""
        if not scores.size:
            return
        known = np.concatenate([self._past, scores])
        if learn and self.coefficients:
            terms = np.empty((LAGS_MAX + 2, 1 + scores.size))
            terms[:, 0] = self._sums
            terms[0, 1:] = scores
            for lag in range(LAGS_MAX + 1):
                terms[lag + 1, 1:] = scores * known[LAGS_MAX - lag : known.size - lag]
            self._sums = np.add.accumulate(terms, axis=1)[:, -1].copy()  # one by one: the same however it is split
            self._rows += scores.size
        self._past = known[-LAGS_MAX:]

    def refit(self) -> None:
        """Fit the autoregression to all that was learnt, once that is half as much again as at the last fit."""
        if not self.coefficients or self._rows < REFIT_GROWTH * self._fitted_rows:
            return
        mean = self._sums[0] / self._rows
        fitted = autoregression(self._sums[1:] / self._rows - mean * mean, self._rows)
        self.coefficients = fitted.coefficients or self.coefficients
        self._fitted_rows = self._rows

    def fitted(self) -> None:
        """What was learnt so far is what the coefficients are from."""
        self._fitted_rows = self._rows

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes."""
        return {
            "scale": [self.scale.centre, self.scale.size],
            "season": list(self.season),
            "coefficients": list(self.coefficients),
            "past": self._past.astype("<f8").tobytes(),
            "sums": self._sums.astype("<f8").tobytes(),
            "rows": self._rows,
            "fitted_rows": self._fitted_rows,
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Whitener:
        """The whitener that `snapshot` was taken of, as if never stopped."""
        whitener = cls(Scale(*snapshot["scale"]), tuple(snapshot["season"]), tuple(snapshot["coefficients"]))
        whitener._past = np.frombuffer(snapshot["past"], dtype="<f8")
        whitener._sums = np.frombuffer(snapshot["sums"], dtype="<f8")
        whitener._rows, whitener._fitted_rows = snapshot["rows"], snapshot["fitted_rows"]
        return whitener


@dataclass(frozen=True, slots=True)
class Whitened:
    """A reference after the ladder."""

    whitener: Whitener | None
    """None where the values are ranked as they are."""
    levels: Floats
    """Of the present values in order, NaN for the first of an autoregression."""
    autoregression: Autoregression


def whiten(values: Floats, basis: Floats | None) -> Whitened:
    """Climb the ladder with the present values of a reference: a season if one is declared, then an autoregression.

    Args:
        values: Shape `(n_rows,)`, finite.
        basis: `harmonics` of each, None without a declared period.
    """
    independent = Autoregression((), 1.0)
    if not values.size:
        return Whitened(None, values, independent)
    scale = Scale.of(values)
    z = scale.standard(values)
    season = _season(z, basis) if basis is not None else ()
    whitener = Whitener(scale, season, ())
    if season and basis is not None:
        z = whitener.scores(values, basis)
    if ljung_box(z) > INDEPENDENT_P:
        return Whitened(whitener if season else None, z if season else values, independent)
    found = autoregression(autocovariances(z, min(LAGS_MAX, z.size - 1)), z.size)
    whitener.coefficients = found.coefficients
    levels = whitener.residuals(z)
    levels[: len(found.coefficients)] = np.nan
    whitener.take(z, learn=True)
    whitener.fitted()
    return Whitened(whitener, levels, found)


def _season(z: Floats, basis: Floats) -> tuple[float, ...]:
    if z.size <= 2 * basis.shape[0]:
        return ()
    design = np.concatenate([np.ones((1, z.size)), basis]).T
    weights = np.linalg.lstsq(design, z, rcond=None)[0]
    left = z - design @ weights
    total = float(((z - z.mean()) ** 2).sum())
    explained = 1 - float((left**2).sum()) / total if total > 0 else 0.0
    return tuple(weights[1:].tolist()) if explained >= SEASON_MIN else ()
