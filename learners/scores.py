"""Prequential scores: predict, score, learn; of every candidate, over the whole stream and its last examples.

Source: A. P. Dawid, "Present position and potential developments: the prequential approach", J. R. Stat. Soc. A 147
(1984), 278-292.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from learners.output import Said
from learners.score import SCORES, Example, Score
from learners.target import Label, Target

WINDOW = 1000
PENDING_MAX = 128
"""Examples held before they are folded into the sums, some 0.2 ms of work for three candidates."""


class PrequentialScores:
    """Scores of all candidates from their outputs as served and the labels that came later.

    >>> from learners.output import Output
    >>> target = Target(kind="binary", labels=("no", "yes"), positive="yes")
    >>> scores = PrequentialScores(target, ["main"], window=2)
    >>> for label, p in (("no", 0.9), ("yes", 0.8), ("no", 0.2)):
    ...     scores.update(label, {"main": Output("yes" if p > 0.5 else "no", {"no": 1 - p, "yes": p})})
    >>> report = scores.report()["main"]
    >>> report["examples"], round(report["total"]["accuracy"], 3), report["window"]["accuracy"]
    (3, 0.667, 1.0)
    """

    def __init__(self, target: Target, names: Iterable[str], window: int = WINDOW) -> None:
        if window < 1:
            raise ValueError(f"scores.window must be at least 1, got {window}")
        self.target, self.window = target, window
        self._folded = 0
        self._truths: deque[Any] = deque(maxlen=window)
        self._scores: dict[str, Score] = {name: cast("Score", SCORES[target.kind](target, window)) for name in names}
        self._pending: list[Example] = []

    def update(self, label: Label, outputs: Mapping[str, Said]) -> None:
        """Fold in one example: a parsed label (LabelError for another) and what each candidate said.

        A candidate that is not among `outputs` said nothing; outputs of others are ignored. The mapping is kept for
        a while: do not change it afterwards.
        """
        self.update_all([(label, outputs)])

    def update_all(self, examples: Sequence[tuple[Label, Mapping[str, Said]]]) -> None:
        """As `update` for each in turn; a LabelError comes before any is folded in."""
        target, answers = self.target, self.target.answers
        try:
            if answers:
                self._pending += [(answers[label], outputs) for label, outputs in examples]
            else:
                self._pending += [(float(label), outputs) for label, outputs in examples]
        except KeyError:  # free while it does not happen, unlike parsing again
            self._pending += [(target.to_model(target.parse(label)), outputs) for label, outputs in examples]
        if len(self._pending) >= PENDING_MAX:
            self._fold()

    @property
    def examples(self) -> int:
        """All examples so far."""
        return self._folded + len(self._pending)

    def _fold(self) -> None:
        pending, self._pending = self._pending, []
        self._folded += len(pending)
        self._truths.extend(truth for truth, _ in pending)
        for name, score in self._scores.items():
            score.update(name, pending)

    def report(self, champion: str | None = None) -> dict[str, dict[str, Any]]:
        """By candidate: `total` and `window` metrics (None where undefined), `examples`, `unscored`.

        `examples` counts all, `unscored` those of them for which the candidate said nothing; metrics are over the
        rest. The window holds the last `window` examples, scored or not; its `margins` are half the widths of 95 %
        intervals of its metrics, and `difference_margins` those of what lies between them and the champion's.
        """
        from learners.margins import INFLUENCES, difference_margins, margins  # noqa: PLC0415 - numpy, for reports only

        self._fold()
        influences_of = INFLUENCES[self.target.kind]
        influences = {name: influences_of(self._truths, score.said) for name, score in self._scores.items()}
        told: dict[str, dict[str, Any]] = {}
        for name, score in self._scores.items():
            window = score.windowed(self._truths)
            window |= {"examples": len(self._truths), "unscored": sum(said is None for said in score.said)}
            window["margins"] = margins(influences[name])
            if champion in influences and name != champion:
                window["difference_margins"] = difference_margins(influences[name], influences[champion])
            told[name] = {
                "total": score.total(),
                "window": window,
                "examples": self.examples,
                "unscored": score.unscored,
            }
        return told

    def snapshot(self) -> dict[str, Any]:
        """All state in dicts, lists and numbers; a copy: later updates do not change it."""
        self._fold()
        return {
            "kind": self.target.kind,
            "labels": list(self.target.labels),
            "examples": self.examples,
            "truths": list(self._truths),
            "scores": {name: score.snapshot() for name, score in self._scores.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `snapshot` was taken. ValueError for one of another target or of other candidates.

        A smaller window keeps the last examples; a larger one fills up from there.
        """
        if (state.get("kind"), state.get("labels")) != (self.target.kind, list(self.target.labels)):
            raise ValueError(f"scores.target must be {self.target.kind} as configured, got another target's scores")
        if set(state["scores"]) != set(self._scores):
            raise ValueError(
                f"scores must be of {', '.join(sorted(self._scores))}, got {', '.join(sorted(state['scores']))}"
            )
        try:
            for name, score in self._scores.items():
                score.restore(state["scores"][name])
            self._folded, self._pending = state["examples"], []
            self._truths = deque(state["truths"], self.window)
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"scores must be a snapshot of scores, got {type(problem).__name__}") from problem
