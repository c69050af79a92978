"""What is predicted: the kind of target, its labels, and their forms on the wire and inside a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Label: TypeAlias = str | int | float | bool
TargetKind: TypeAlias = Literal["binary", "multiclass", "regression"]

MAGNITUDE_MAX = 1e100
"""Numbers beyond this are refused: their squares overflow, and one overflow poisons a scaler for good."""


class LabelError(ValueError):
    """A label is not one the target allows. The text never holds the label itself."""


def kind_of(value: object) -> str:
    """What a decoded JSON value is, in words and without the value.

    >>> [kind_of(value) for value in (True, 1, 1.5, "x", None, [], {})]
    ['a boolean', 'a number', 'a number', 'a string', 'null', 'an array', 'an object']
    """
    if value is None:
        return "null"
    for types, words in _KINDS:
        if isinstance(value, types):
            return words
    return "something that is not JSON"


_SCALARS = (str, int, float)  # as a tuple: `str | int | float` is built anew by every call, for twice its price
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),  # before int, which it is
    ((int, float), "a number"),
    (str, "a string"),
    ((list, tuple), "an array"),
    (dict, "an object"),
)


def label_key(label: Label) -> str:
    """The label as a key of a JSON object, as a reader in any language would write it.

    >>> [label_key(label) for label in ("spam", True, 7, 7.0, 0.5)]
    ['spam', 'true', '7', '7', '0.5']
    """
    if isinstance(label, str):
        return label
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is predicted; checked when built, ValueError if it contradicts itself.

    >>> target = Target(kind="binary", labels=("fraud", "fine"), positive="fraud")
    >>> target.parse("fraud"), target.to_model("fraud"), target.from_model(False)
    ('fraud', True, 'fine')
    >>> target.parse(1)
    Traceback (most recent call last):
    learners.target.LabelError: $.label must be one of the 2 configured labels, got a number
    """

    kind: TargetKind
    labels: tuple[Label, ...] = ()
    """Every value a label can have: two for binary, two or more for multiclass, none for regression."""
    positive: Label | None = None
    """Binary only: the label whose probability is meant by "the score"."""
    keys: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """`label_key` of each label, in the order of `labels`."""
    answers: dict[Label, bool | int | float] = field(init=False, repr=False, compare=False)
    """`to_model` of each label."""
    _positions: dict[Label, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in ("binary", "multiclass", "regression"):
            raise ValueError(f"target.kind must be binary, multiclass or regression, got {self.kind!r}")
        for label in self.labels:
            if not isinstance(label, str | int | float) or label != label:  # noqa: PLR0124 - NaN
                raise ValueError("target.labels must be strings, numbers or booleans, got " + kind_of(label))
        object.__setattr__(self, "keys", tuple(label_key(label) for label in self.labels))
        object.__setattr__(self, "_positions", {label: place for place, label in enumerate(self.labels)})
        if len(set(self.keys)) != len(self.labels) or len(self._positions) != len(self.labels):
            raise ValueError(f"target.labels must be distinct, also as JSON keys, got {list(self.labels)!r}")
        self._check_kind()
        object.__setattr__(self, "answers", {label: self.to_model(label) for label in self.labels})

    def _check_kind(self) -> None:
        found = len(self.labels)
        if self.kind == "regression" and found:
            raise ValueError(f"target.labels must be empty for regression, got {found}")
        if self.kind == "binary" and found != 2:  # noqa: PLR2004 - what binary means
            raise ValueError(f"target.labels must be exactly 2 for binary, got {found}")
        if self.kind == "multiclass" and found < 2:  # noqa: PLR2004 - one class is nothing to predict
            raise ValueError(f"target.labels must be at least 2 for multiclass, got {found}")
        if self.kind != "binary" and self.positive is not None:
            raise ValueError(f"target.positive must be absent for {self.kind}, got {self.positive!r}")
        if self.kind == "binary":
            if self.positive is None or self._canonical(self.positive) is None:
                raise ValueError(f"target.positive must be one of {list(self.labels)!r}, got {self.positive!r}")
            object.__setattr__(self, "positive", self._canonical(self.positive))

    @property
    def negative(self) -> Label | None:
        """Binary only: the label that is not the positive one."""
        if self.kind != "binary":
            return None
        return self.labels[1] if self.labels[0] == self.positive else self.labels[0]

    def parse(self, value: object) -> Label:
        """The configured label that a decoded JSON value means, or a finite float for regression.

        Strict as JSON is: `true`, `1` and `"1"` are three labels; 1.0 and 1 are one. LabelError otherwise.

        >>> Target(kind="regression").parse(3), Target(kind="multiclass", labels=(0, 1, 2)).parse(1.0)
        (3.0, 1)
        """
        if self.kind == "regression":
            return _number(value)
        label = self._canonical(value)
        if label is None:
            raise LabelError(f"$.label must be one of the {len(self.labels)} configured labels, got {kind_of(value)}")
        return label

    def _canonical(self, value: object) -> Label | None:
        if not isinstance(value, _SCALARS):  # a list is unhashable; also leaves out null
            return None
        place = self._positions.get(value)
        if place is None:
            return None
        label = self.labels[place]
        return label if isinstance(label, bool) is isinstance(value, bool) else None

    def place(self, label: Label) -> int:
        """Where a parsed label stands in `labels`; KeyError for any other value."""
        return self._positions[label]

    def to_model(self, label: Label) -> bool | int | float:
        """What a model learns for a parsed label: True for the positive, the place in `labels`, or the number.

        Places and not strings, because River keeps classes in sets: the order of a set of strings differs
        from process to process, and a Hoeffding adaptive tree then learns something else in each.
        """
        if self.kind == "binary":
            return label == self.positive
        if self.kind == "multiclass":
            return self._positions[label]
        return float(label)

    def from_model(self, value: object) -> Label | None:
        """The label a model's answer stands for; None for an answer that stands for none."""
        if self.kind == "binary":
            return self.positive if value else self.negative
        if not isinstance(value, int | float):
            return None
        if self.kind == "regression":
            return float(value) if abs(value) < float("inf") else None
        return self.labels[int(value)] if value in range(len(self.labels)) else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LabelError(f"$.label must be a number, got {kind_of(value)}")
    if not -MAGNITUDE_MAX <= value <= MAGNITUDE_MAX:  # also refuses NaN
        raise LabelError(f"$.label must be a number within {MAGNITUDE_MAX:g}, got one outside")
    return float(value)
