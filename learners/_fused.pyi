from collections.abc import Mapping, Sequence
from typing import Any

# The numbers of a scaled linear model; learners/kernel.py fills it and takes them back.
class ScaledLinear:
    columns: dict[Any, dict[str, str]] | None
    categories_max: int
    learning_rate: float
    intercept_lr: float
    l2: float
    clip_gradient: float
    clip: float
    weight_pos: float
    weight_neg: float
    intercept: float
    target_rows: float
    target_mean: float
    target_squares: float
    target_ddof: float
    iterations: int
    logistic: bool
    clips: bool
    scales_target: bool
    dirty: bool
    retired: bool

    def load(self, name: str, count: int, mean: float, variance: float, weight: float, /) -> None: ...
    def slots(self) -> list[tuple[str, int, float, float, float]]: ...
    def learn(self, rows: Sequence[tuple[Mapping[str, Any], Any]], start: int, /) -> int: ...
    def predict(self, x: Mapping[str, Any], /) -> float | None: ...
