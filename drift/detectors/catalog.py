"""The detectors by name: what each may watch, which change it sees, and its settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drift.detectors.adwin import Adwin
from drift.detectors.ddm import Ddm
from drift.detectors.detector import Detector, Watch
from drift.detectors.hddm import HddmA, HddmW
from drift.detectors.page_hinkley import PageHinkley


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One setting of a detector, by River's name."""

    low: float
    """Values must be greater."""
    high: float = math.inf
    """Values must be at most this."""
    integer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpec:
    """One entry of the catalog."""

    build: Callable[[Watch, Mapping[str, float]], Detector]
    watches: frozenset[Watch]
    sees: str
    """The kind of change, for people."""
    params: Mapping[str, Param]
    defaults: Mapping[str, float] = field(default_factory=dict)
    """Where ours differ from River's."""
    number_defaults: Mapping[str, float] = field(default_factory=dict)
    """The same on losses and numbers, which arrive as standard scores."""
    classes: frozenset[str]
    """Everything a pickle of its River object may name, as `module.Class`."""


_ERROR: frozenset[Watch] = frozenset({"error"})
_ANY: frozenset[Watch] = frozenset({"error", "loss", "number"})
_SHARE = Param(low=0, high=1)
_COUNT = Param(low=0, integer=True)
_CONFIDENCES = {"drift_confidence": _SHARE, "warning_confidence": _SHARE}
_MEAN = "river.stats.mean.Mean"

CATALOG: dict[str, DetectorSpec] = {
    "adwin": DetectorSpec(
        build=Adwin,
        watches=_ANY,
        sees="a change of the mean, abrupt or gradual",
        params={
            "delta": _SHARE,
            "clock": _COUNT,
            "max_buckets": _COUNT,
            "min_window_length": _COUNT,
            "grace_period": _COUNT,
        },
        classes=frozenset({"river.drift.adwin.ADWIN", "river._river_rust.drift.AdaptiveWindowing"}),
    ),
    "page_hinkley": DetectorSpec(
        build=PageHinkley,
        watches=_ANY,
        sees="a change of the mean beyond a tolerance",
        params={"min_instances": _COUNT, "delta": Param(low=0), "threshold": Param(low=0), "alpha": _SHARE},
        defaults={"delta": 0.03, "threshold": 30.0, "alpha": 1.0},
        number_defaults={"delta": 0.1, "threshold": 50.0, "alpha": 1.0},
        classes=frozenset({"river.drift.page_hinkley.PageHinkley", _MEAN}),
    ),
    "ddm": DetectorSpec(
        build=Ddm,
        watches=_ERROR,
        sees="an abrupt rise of the error rate",
        params={"warm_start": _COUNT, "warning_threshold": Param(low=0), "drift_threshold": Param(low=0)},
        defaults={"warm_start": 100},
        classes=frozenset({"river.drift.binary.ddm.DDM", _MEAN}),
    ),
    "hddm_a": DetectorSpec(
        build=HddmA,
        watches=_ERROR,
        sees="an abrupt rise of the error rate",
        params=_CONFIDENCES,
        classes=frozenset({"river.drift.binary.hddm_a.HDDMA", _MEAN}),
    ),
    "hddm_w": DetectorSpec(
        build=HddmW,
        watches=_ERROR,
        sees="a gradual rise of the error rate",
        params={**_CONFIDENCES, "lambda_val": _SHARE},
        defaults={"lambda_val": 0.02},
        classes=frozenset(
            {
                "river.drift.binary.hddm_w.HDDMW",
                "river.drift.binary.hddm_w.SampleInfo",
                "river.stats.ewmean.EWMean",
                "river._river_rust.stats.RsEWMean",
            }
        ),
    ),
}


def build_detector(name: str, *, watch: Watch, params: Mapping[str, float] | None = None) -> Detector:
    """A fresh detector; `params` are River's own, except those that would turn its polarity.

    >>> detector = build_detector("adwin", watch="error")
    >>> fired = [row for row, error in enumerate([0] * 500 + [1] * 100) if detector.update(error)]
    >>> 500 < fired[0] < 550
    True

    Raises:
        ValueError: The name, what it watches or a parameter is not the catalog's.
    """
    spec = CATALOG.get(name)
    if spec is None:
        raise ValueError(f"detector must be one of {', '.join(sorted(CATALOG))}, got {name!r}")
    if watch not in spec.watches:
        raise ValueError(f"{name} must watch one of {', '.join(sorted(spec.watches))}, got {watch!r}")
    given = dict(params or {})
    for param, value in given.items():
        if param not in spec.params:
            raise ValueError(f"{name} must be given only {', '.join(sorted(spec.params))}, got {param!r}")
        _check(f"{name}.{param}", spec.params[param], value)
    return spec.build(watch, {**(spec.defaults if watch == "error" else spec.number_defaults), **given})


def _check(path: str, param: Param, value: object) -> None:
    numeric = isinstance(value, int if param.integer else int | float) and not isinstance(value, bool)
    if not (numeric and param.low < value <= param.high):  # type: ignore[operator]  # numeric says so
        kind = "an integer" if param.integer else "a number"
        bound = "" if param.high == math.inf else f" and at most {param.high:g}"
        raise ValueError(f"{path} must be {kind} greater than {param.low:g}{bound}, got {value!r}")
