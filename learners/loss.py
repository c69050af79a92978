"""The loss of one prediction, the number that concept drift is watched on."""

from __future__ import annotations

from learners.output import Said
from learners.target import Label, Target


def example_loss(target: Target, label: Label, output: Said) -> float | None:
    """0.0 or 1.0 (right or wrong) for classification, |label - prediction| for regression.

    `label` is a parsed one. None where the candidate predicted nothing.

    >>> from learners.output import Output
    >>> target = Target(kind="regression")
    >>> example_loss(target, 3.0, Output(2.5, None)), example_loss(target, 3.0, Output(None, None))
    (0.5, None)
    """
    prediction = output.prediction
    if prediction is None:
        return None
    if target.kind == "regression":
        return abs(float(label) - float(prediction))
    return 0.0 if prediction == label else 1.0
