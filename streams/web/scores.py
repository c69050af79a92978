"""Scores over time and beside each other: every figure with the baselines and the label coverage it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from streams.config import Config
from streams.web.charts import Chart, line_chart, mean
from streams.web.history import Window, margins_of, number_or_none
from streams.web.view import View

METRICS = {
    "binary": ("accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
"""By task, the one shown first at the beginning."""
LOWER_IS_BETTER = frozenset({"log_loss", "mae", "rmse"})
_FROM_ZERO = frozenset({"log_loss", "mae", "rmse"})
BASELINES = ("no_change", "prior", "mean")
BASELINE_WORDS = {
    "no_change": "no change: the label learnt last",
    "prior": "prior: the commonest label so far",
    "mean": "mean of the labels so far",
}
_CHALLENGERS_DRAWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One candidate's figures on the same examples as the others'."""

    name: str
    role: str
    """`champion`, `challenger` or `baseline`."""
    windowed: Mapping[str, float | None]
    total: Mapping[str, float | None]
    margins: Mapping[str, float]
    """Of the windowed figures: half the width of each one's 95 % interval."""
    difference_margins: Mapping[str, float]
    """The same of its difference to the champion's."""
    examples: int
    """In the windowed figures."""
    scored: int
    unscored: int


def role_of(name: str, champion: str) -> str:
    """What a name of the scores is.

    >>> role_of("linear", "linear"), role_of("tree", "linear"), role_of("prior", "linear")
    ('champion', 'challenger', 'baseline')
    """
    return "champion" if name == champion else "baseline" if name in BASELINES else "challenger"


def ordered(names: Sequence[str], champion: str) -> list[str]:
    """The champion, challengers, baselines; each by name."""
    order = {"champion": 0, "challenger": 1, "baseline": 2}
    return sorted(names, key=lambda name: (order[role_of(name, champion)], name))


def metric_of(config: Config, wanted: str | None) -> str:
    """The metric asked for, if the task has it; else its first."""
    known = METRICS[config.target.task]
    return wanted if wanted in known else known[0]


def score_rows(told: Mapping[str, Any], champion: str) -> list[Score]:
    """From the tree of `status`: one shard's scores."""
    rows = []
    for name in ordered(list(told), champion):
        parts = told[name]
        window, total = parts.get("window", {}), parts.get("total", {})
        unscored = int(number_or_none(window.get("unscored")) or 0)
        examples = int(number_or_none(window.get("examples")) or 0) - unscored
        everything, left = (int(number_or_none(parts.get(word)) or 0) for word in ("examples", "unscored"))
        rows.append(
            Score(
                name=name,
                role=role_of(name, champion),
                windowed={key: number_or_none(value) for key, value in window.items()},
                total={key: number_or_none(value) for key, value in total.items()},
                margins=margins_of(window, "margins"),
                difference_margins=margins_of(window, "difference_margins"),
                examples=examples,
                scored=everything - left,
                unscored=left,
            )
        )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A candidate's score less the champion's, on the same examples."""

    name: str
    role: str
    value: float
    margin: float
    """Half the width of its 95 % interval."""
    words: Literal["better", "worse", "no difference seen", "the same"]
    x: float
    width: float
    """Where the interval lies on a line of 100 with zero in its middle; all of a table have one scale."""


def differences(rows: Sequence[Score], metric: str) -> list[Difference]:
    """Of all that have scored the champion's examples; none before there are enough of them."""
    champion = next((row for row in rows if row.role == "champion"), None)
    base = None if champion is None else champion.windowed.get(metric)
    found = []
    for row in rows:
        value, half = row.windowed.get(metric), row.difference_margins.get(metric)
        if row is not champion and base is not None and value is not None and half is not None:
            found.append((row, value - base, half))
    widest = max((abs(value) + half for _, value, half in found), default=0.0) or 1.0
    return [
        Difference(
            name=row.name,
            role=row.role,
            value=value,
            margin=half,
            words=_words(value if metric not in LOWER_IS_BETTER else -value, half),
            x=round(50 + 48 * (value - half) / widest, 1),
            width=round(max(0.8, 96 * half / widest), 1),
        )
        for row, value, half in found
    ]


def _words(better: float, half: float) -> Literal["better", "worse", "no difference seen", "the same"]:
    if not half and not better:
        return "the same"
    return "better" if better > half else "worse" if better < -half else "no difference seen"


def score_chart(view: View, windows: Sequence[Window], metric: str, *, bands: bool = False) -> Chart:
    """The champion with the baselines beside it, some challengers, and the share of labels known as a shade.

    With `bands`, around each line the 95 % intervals of its windows, instead of the shade.
    """
    champion = view.config.models.champion
    names = ordered(sorted({name for window in windows[-1:] for name in window.scores}), champion)
    challengers = [name for name in names if role_of(name, champion) == "challenger"][:_CHALLENGERS_DRAWN]
    drawn = [name for name in names if role_of(name, champion) != "challenger" or name in challengers]
    series = []
    for name in reversed(drawn):  # the champion on top
        role = role_of(name, champion)
        style = {"champion": "champion", "baseline": f"baseline {name}"}.get(role)
        style = style or f"challenger c{challengers.index(name)}"
        series.append((name, style, _score_of(name, metric)))
    return line_chart(
        windows,
        series,
        low=0.0 if metric in _FROM_ZERO else None,
        high=None if metric in _FROM_ZERO else 1.0,
        shaded=None if bands else lambda window: window.coverage,
        margins=_margins_of(metric) if bands else None,
    )


def _margins_of(metric: str) -> Callable[[str, Sequence[Window]], float | None]:
    """Of one window, the mean over neighbours: they overlap, so that more of them are not surer."""
    return lambda name, part: mean([window.margin(name, metric) for window in part])


def _score_of(name: str, metric: str) -> Any:  # noqa: ANN401 - a function of windows
    def score(part: Sequence[Window]) -> float | None:
        return mean([window.scores.get(name, {}).get(metric) for window in part])

    return score


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One candidate's score before a change and since."""

    name: str
    role: str
    before: float | None
    during: float | None
    now: float | None

    @property
    def change(self) -> float | None:
        """From before to during."""
        return None if self.before is None or self.during is None else self.during - self.before


def effects(before: Sequence[Window], during: Sequence[Window], metric: str, champion: str) -> list[Effect]:
    """Before: the mean of the windows before; during: the worst window since; now: the newest."""
    names = sorted({name for window in (*before[-1:], *during[-1:]) for name in window.scores})
    pick = max if metric in LOWER_IS_BETTER else min
    rows = []
    for name in ordered(names, champion):
        found = [window.scores.get(name, {}).get(metric) for window in during]
        known = [value for value in found if value is not None]
        rows.append(
            Effect(
                name=name,
                role=role_of(name, champion),
                before=mean([window.scores.get(name, {}).get(metric) for window in before]),
                during=pick(known) if known else None,
                now=known[-1] if known else None,
            )
        )
    return rows
