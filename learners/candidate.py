"""One model among the candidates: it learns each example wholly or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from learners.allowlist import Allowlist
from learners.kernel import Kernel, kernel
from learners.output import NOT_FINITE, NOTHING, Features, Output, predictor
from learners.pipelines import Model
from learners.shortcut import shortcut
from learners.snapshots import dumps, loads
from learners.target import Target

LOOK_EVERY = 1000
"""Each time so many more are learnt, the candidate looks whether the model still answers with numbers."""
JOURNAL_MAX = 4 * LOOK_EVERY
"""Examples kept since the last snapshot of the model; replaying them undoes a half-learnt one.

A snapshot of a forest takes as long as some hundred of its examples, the replay of a full journal of a linear model
40 ms: whoever takes snapshots more often than this spares both.
"""


Row: TypeAlias = tuple[Features, Any]
"""Features, and what `Target.to_model` gave for the label: bool, place or number."""


class Failure(NamedTuple):
    """A candidate could not learn an example, or can learn no more."""

    candidate: str
    error: str
    """The exception's type, without its text, which may hold values; `NotFinite` for a poisoned model."""
    suspended: bool
    """From now on it predicts None and learns nothing."""


class Candidate:
    """A model, its last snapshot, and the examples since.

    River's `learn_one` that raises has often changed the model already. The candidate then goes back to its
    snapshot and learns the journal again, so the bad example leaves no trace.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        target: Target,
        allow: Allowlist,
        failures_max: int,
        *,
        kernels: bool = True,
    ) -> None:
        self.name = name
        self.failures = 0
        """Examples it could not learn, ever."""
        self.streak = 0
        """Of these, the last ones in a row."""
        self.suspended = False
        self._target = target
        self._allow = allow
        self._failures_max = failures_max
        self._kernels = kernels
        self.journal: list[Row] = []
        self._learnt_before = 0  # the journal
        self._snapshot = dumps(model)
        self._take(loads(self._snapshot, allow))  # a model that cannot come back is refused now, not after a crash

    def _take(self, model: Model) -> None:
        self._model = model
        self.kernel: Kernel | None = kernel(model) if self._kernels else None
        """What does the model's arithmetic for it; None if River does."""
        quick = self.kernel or shortcut(model)
        self._learn_one: Callable[[Features, Any], object] = quick.learn_one
        self.predict: Callable[[Features], Output] = predictor(quick, self._target)

    @property
    def model(self) -> Model:
        """The River model, with everything learnt in it."""
        if self.kernel is not None:
            self.kernel.sync()
        return self._model

    def learn(self, rows: list[Row]) -> list[tuple[int, Failure]]:
        """Fold in examples in their order; answers (place in `rows`, failure) for those it could not learn.

        How they were grouped makes no difference. The mappings are kept: do not change them.
        """
        failures: list[tuple[int, Failure]] = []
        at = 0
        while at < len(rows) and not self.suspended:
            part = rows[at : at + LOOK_EVERY - self.learnt % LOOK_EVERY]
            learnt, error = self._fold(part)
            if learnt:
                self.journal += part[:learnt]
                self.streak = 0
            at += learnt
            if error:
                failures.append((at, self._failed(error)))
                at += 1
            elif self.learnt % LOOK_EVERY == 0 and (failure := self._look(part[-1][0])) is not None:
                failures.append((at - 1, failure))
        return failures

    def _fold(self, rows: list[Row]) -> tuple[int, str]:
        """Into the model: how many, and the type of what then was raised, if anything was."""
        learn_one, learnt = self._learn_one, 0
        try:
            if self.kernel is None:
                for features, answer in rows:
                    learn_one(features, answer)
                    learnt += 1
            else:
                learn_many = self.kernel.learn_many
                while (learnt := learn_many(rows, learnt)) < len(rows):
                    learn_one(*rows[learnt])
                    learnt += 1
        except Exception as problem:  # noqa: BLE001 - a model may raise anything; nothing else runs in here
            return learnt, type(problem).__name__
        return learnt, ""

    @property
    def learnt(self) -> int:
        """Examples in the model."""
        return self._learnt_before + len(self.journal)

    def _look(self, features: Features) -> Failure | None:
        # At every multiple learnt, whenever snapshots are taken in between: those moments differ between a live run and
        # its replay, and what a look at the model decides must not.
        if len(self.journal) >= JOURNAL_MAX:
            self.snapshot()
        if not self._poisoned(features):
            return None
        self._suspend()
        return Failure(self.name, "NotFinite", suspended=True)

    def _poisoned(self, features: Features) -> bool:
        try:
            return self.predict(features) is NOT_FINITE
        except Exception:  # noqa: BLE001 - whoever predicts for somebody counts it
            return False

    def _failed(self, error: str) -> Failure:
        self.failures += 1
        self.streak += 1
        try:
            self._take(loads(self._snapshot, self._allow))
            _, again = self._fold(self.journal)
        except ValueError as problem:
            again = type(problem).__name__
        if again:  # it learnt these before, so it is not a function of its examples
            self.streak = self._failures_max
        if self.streak >= self._failures_max:
            self._suspend()
        return Failure(self.name, error, suspended=self.suspended)

    def _suspend(self) -> None:
        self.suspended = True
        self.predict = _nothing
        self.snapshot()

    def snapshot(self) -> bytes:
        """The model as bytes; from here on the journal starts anew. Nothing is pickled while nothing was learnt."""
        if self.journal:
            self._snapshot = dumps(self.model)
            self._begin_journal(self.learnt)
        return self._snapshot

    def _begin_journal(self, learnt: int) -> None:
        self.journal = []
        self._learnt_before = learnt

    def restore(self, blob: bytes, learnt: int, failures: int, streak: int, *, suspended: bool) -> None:
        """Go on where `snapshot` was taken."""
        self._take(loads(blob, self._allow))
        self._snapshot = blob
        self._begin_journal(learnt)
        self.failures, self.streak, self.suspended = failures, streak, suspended
        if suspended:
            self.predict = _nothing


def _nothing(_: Features) -> Output:
    return NOTHING
