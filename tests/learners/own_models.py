"""Models as a user would write them, for the tests: awkward on purpose."""

# ruff: noqa: ARG001, ARG002 - the signatures are River's and the catalog's
from __future__ import annotations

from river import base, dummy


class Fragile(base.Classifier):
    """Counts classes, and breaks half-way through a row marked `bad`."""

    def __init__(self, *, breaks_in_predict=False):
        self.breaks_in_predict = breaks_in_predict
        self.rows = 0
        self.counts = {}

    def learn_one(self, x, y):
        self.rows += 1  # already changed when it raises
        if x.get("bad"):
            raise ArithmeticError(f"secret {x}")
        self.counts[y] = self.counts.get(y, 0) + 1

    def predict_proba_one(self, x):
        if self.breaks_in_predict or x.get("unspeakable"):
            raise ZeroDivisionError
        if x.get("poison"):
            return {True: float("nan"), False: 0.0}
        return {label: count / self.rows for label, count in self.counts.items()}


class Poisoned(base.Classifier):
    """Answers with NaN from the tenth row on."""

    def __init__(self):
        self.rows = 0

    def learn_one(self, x, y):
        self.rows += 1

    def predict_proba_one(self, x):
        return {True: float("nan") if self.rows >= 10 else 0.5}


class LabelsOnly:
    """Not River's at all, and without probabilities."""

    def __init__(self):
        self.last = None

    def learn_one(self, x, y):
        self.last = y

    def predict_one(self, x):
        return self.last


class Unpicklable(LabelsOnly):
    def __init__(self):
        super().__init__()
        self.hook = lambda: None


class Forgetful(Fragile):
    """Comes back from a snapshot in no state to learn."""

    def __setstate__(self, state):
        self.__dict__.update(state, broken=self.__dict__.get("broken", 0))

    def learn_one(self, x, y):
        if hasattr(self, "broken") and self.rows:
            raise RuntimeError
        super().learn_one(x, y)


def fragile(target, kinds, seed, **params):
    return Fragile(**params)


def poisoned(target, kinds, seed):
    return Poisoned()


def labels_only(target, kinds, seed):
    return LabelsOnly()


def unpicklable(target, kinds, seed):
    return Unpicklable()


def constant(target, kinds, seed):
    return dummy.NoChangeClassifier()


def no_model(target, kinds, seed):
    return object()


def forgetful(target, kinds, seed):
    return Forgetful()
