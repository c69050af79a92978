"""The catalog's scaled linear models without River's objects around each row, and with River's numbers.

For models that are exactly what `learners.pipelines` makes of `logistic_regression` with two classes and of
`linear_regression`, or River's `StandardScaler | LogisticRegression` or `LinearRegression`, all with plain SGD. Their
numbers live in a `ScaledLinear` of `_fused.c`, which is compiled where the installation finds a C compiler; without
it River does its own arithmetic. Whoever wants the River model gets the numbers written back first, so snapshots are
of River models and nothing else.

Kernel and River do the same arithmetic in the same order: the same bits. So it is not to be seen in what is learnt
who learnt it, a row that the kernel does not take is River's, and the workers of a pipeline need not agree. That this
machine's libm and compiler keep to it is tried once in each process.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from river import compose, linear_model, optim, preprocessing

from learners.encoders import ScaledOneHot
from learners.pipelines import Model
from learners.shortcut import Shortcut
from learners.snapshots import dumps

try:
    from learners._fused import ScaledLinear
except ImportError:  # no compiler, or no headers of Python, when this was installed
    ScaledLinear = None  # type: ignore[assignment, misc]

KernelState: TypeAlias = Literal["compiled", "not built", "other numbers"]
"""`other numbers`: it is there, but does not repeat River's to the last bit, and so is not used."""
_TRIAL_ROWS = 60


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where in a River model the numbers are."""

    encoder: Any
    scaler: preprocessing.StandardScaler
    last: Any
    linear: Any
    target: Any
    """The running variance of a `TargetStandardScaler`, or None."""


class Kernel:
    """River's protocol over the numbers of one model, which it keeps until `sync` writes them back."""

    __slots__ = ("_numbers", "_parts", "_river", "learn_many", "predict_one", "predict_proba_one", "probability")

    def __init__(self, numbers: ScaledLinear, parts: _Parts) -> None:
        self._numbers, self._parts = numbers, parts
        self._river = Shortcut(parts.encoder, parts.last)
        self.learn_many: Callable[[Sequence[tuple[Mapping[str, Any], Any]], int], int] = numbers.learn
        """`learn_many(rows, start)` learns a list's rows from `start` on; answers where it stopped: at the end, or
        before a row that is for `learn_one`."""
        ask = numbers.predict

        def predict_one(x: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what River says
            answer = ask(x)
            return answer if answer is not None else self._rivers().predict_one(x)

        def predict_proba_one(x: Mapping[str, Any]) -> dict[Any, float]:
            p = ask(x)
            if p is None:
                return self._rivers().predict_proba_one(x)  # type: ignore[no-any-return]
            return {False: 1.0 - p, True: p}

        def predict_label(x: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what River says
            return self._rivers().predict_one(x)

        self.predict_one: Callable[[Mapping[str, Any]], Any] = predict_label if numbers.logistic else predict_one
        if numbers.logistic:
            self.probability: Callable[[Mapping[str, Any]], float | None] = ask
            """`probability(x)` of True; None for a row that is for `predict_proba_one`."""
            self.predict_proba_one: Callable[[Mapping[str, Any]], dict[Any, float]] = predict_proba_one

    def learn_one(self, x: Mapping[str, Any], y: Any) -> None:  # noqa: ANN401 - any label River takes
        """One row. From the first one on that is not for the kernel, all are River's."""
        if self._numbers.learn([(x, y)], 0) == 0:
            river = self._rivers()
            self._numbers.retired = True
            river.learn_one(x, y)

    def _rivers(self) -> Shortcut:
        self.sync()
        return self._river

    def sync(self) -> None:
        """Write what was learnt into the River model."""
        numbers, parts = self._numbers, self._parts
        if not numbers.dirty or numbers.retired:
            return
        slots = numbers.slots()
        scaler, linear, target = parts.scaler, parts.linear, parts.target
        # Plain updates: a Counter's own would add.
        dict.update(scaler.counts, {name: count for name, count, *_ in slots if count})
        dict.update(scaler.means, {name: mean for name, count, mean, *_ in slots if count})
        dict.update(scaler.vars, {name: variance for name, count, _, variance, _ in slots if count})
        linear._weights.update({name: weight for name, *_, weight in slots})  # noqa: SLF001 - River has no other way
        linear.intercept, linear.optimizer.n_iterations = numbers.intercept, numbers.iterations
        if target is not None:
            target.mean.n, target.mean._mean = numbers.target_rows, numbers.target_mean  # noqa: SLF001
            target._S = numbers.target_squares  # noqa: SLF001
        numbers.dirty = False


def kernel(model: Model) -> Kernel | None:
    """A kernel for the model, as far as the model has learnt; None where there is none.

    >>> pipeline = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    >>> fast = kernel(pipeline)
    >>> fast and fast.learn_many([({"x": 1.0}, True), ({"x": 2.0}, False)], 0) and fast.sync()
    >>> dict(pipeline["StandardScaler"].counts) if fast else {"x": 2}
    {'x': 2}
    """
    parts = _parts_of(model)
    if parts is None or kernel_state() != "compiled":
        return None
    numbers = _filled(ScaledLinear(), parts)
    return None if numbers is None else Kernel(numbers, parts)


_LOSSES: dict[type, type] = {
    linear_model.LogisticRegression: optim.losses.Log,
    linear_model.LinearRegression: optim.losses.Squared,
}


def _parts_of(model: Model) -> _Parts | None:
    """None for a model that is not one of ours, or not with these settings."""
    if type(model) is not compose.Pipeline or len(model.steps) != 2:  # noqa: PLR2004 - encoder and model
        return None
    encoder, last = model.steps.values()
    scaler = encoder.scaler if type(encoder) is ScaledOneHot else encoder
    if type(scaler) is not preprocessing.StandardScaler or not scaler.with_std or scaler.window_size is not None:
        return None
    linear, target = last, None
    if type(last) is preprocessing.TargetStandardScaler:
        linear, target = last.regressor, last.var
    loss = _LOSSES.get(type(linear))
    if loss is None or type(linear.loss) is not loss or (target is not None and loss is not optim.losses.Squared):
        return None
    rates = (linear.optimizer.lr if type(linear.optimizer) is optim.SGD else None, linear.intercept_lr)
    if any(type(rate) is not optim.schedulers.Constant for rate in rates):
        return None
    if linear.l1 != 0 or type(linear.initializer) is not optim.initializers.Zeros:
        return None
    return _Parts(encoder, scaler, last, linear, target)


def _filled(numbers: ScaledLinear, parts: _Parts) -> ScaledLinear | None:
    """None if the model holds what is no plain number, or what no rows could have brought it to."""
    encoder, scaler, linear, target = parts.encoder, parts.scaler, parts.linear, parts.target
    try:
        numbers.learning_rate = linear.optimizer.lr.learning_rate
        numbers.intercept_lr = linear.intercept_lr.learning_rate
        numbers.l2, numbers.clip_gradient = linear.l2, linear.clip_gradient
        numbers.intercept, numbers.iterations = linear.intercept, linear.optimizer.n_iterations
        numbers.logistic = type(linear.loss) is optim.losses.Log
        if numbers.logistic:
            numbers.weight_pos, numbers.weight_neg = linear.loss.weight_pos, linear.loss.weight_neg
        if encoder is not scaler:
            numbers.columns, numbers.categories_max = encoder.columns, encoder.categories_max
            numbers.clips, numbers.clip = encoder.clip is not None, encoder.clip or 0.0
        if target is not None:
            numbers.scales_target, numbers.target_ddof = True, target.ddof
            numbers.target_rows, numbers.target_mean = target.mean.n, target.mean._mean  # noqa: SLF001
            numbers.target_squares = target._S  # noqa: SLF001
        weights = linear.weights
        moments = {name: (count, scaler.means[name], scaler.vars[name]) for name, count in scaler.counts.items()}
        if not moments.keys() <= weights.keys() or (encoder is scaler and len(moments) < len(weights)):
            return None
        if numbers.target_squares < 0.0:
            return None
        for name, weight in weights.items():
            numbers.load(name, *moments.get(name, (0, 0.0, 0.0)), weight)
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers


@functools.cache
def kernel_state() -> KernelState:
    """Whether this process has a kernel that gives River's numbers."""
    if ScaledLinear is None:
        return "not built"
    return "compiled" if repeats_river(ScaledLinear) else "other numbers"


def repeats_river(make_numbers: Callable[[], ScaledLinear]) -> bool:
    """Whether libm, compiler and River do what they did where the tests were run."""
    source = random.Random(1)  # noqa: S311 - no secret
    rows = [{name: source.gauss(5, 3) for name in "abc" if source.random() < 0.9} for _ in range(_TRIAL_ROWS)]  # noqa: PLR2004
    for make in (_classifier, _regressor):
        river, ours = make(), make()
        parts = _parts_of(ours)
        numbers = parts and _filled(make_numbers(), parts)
        if not parts or not numbers:
            return False
        fast = Kernel(numbers, parts)
        for x in rows:
            level = sum(x.values())
            y = level > 12 if make is _classifier else 1e6 * level  # noqa: PLR2004 - near the middle
            told = [each.predict_proba_one(x) if make is _classifier else each.predict_one(x) for each in (river, fast)]
            river.learn_one(x, y)
            if told[0] != told[1] or fast.learn_many([(x, y)], 0) != 1:
                return False
        fast.sync()
        if [dumps(step) for step in river.steps.values()] != [dumps(step) for step in ours.steps.values()]:
            return False
    return True


def _classifier() -> Model:
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(l2=0.01, clip_gradient=0.4)


def _regressor() -> Model:
    return ScaledOneHot(clip=1.5) | preprocessing.TargetStandardScaler(linear_model.LinearRegression())
