"""Rows of mixed kinds made into what a model takes; everything they remember is bounded.

They go by the values' types, which `FeatureGuard` has made sure of: a string is a category, all else a number.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from river import base, preprocessing

CATEGORIES_MAX = 1000
"""Categories remembered per feature; all later ones count as one further category."""


class ScaledOneHot(base.Transformer):
    """Numbers scaled to mean 0 and variance 1, categories as columns of 1.0; for linear models.

    A missing number thus stands for the feature's mean, a missing category for none of them. One step and not
    a union of a selector, a scaler and an encoder, which costs three times as much.

    >>> encoder = ScaledOneHot()
    >>> for amount in (1.0, 3.0):
    ...     encoder.learn_one({"amount": amount, "country": "NL"})
    >>> encoder.transform_one({"amount": 4.0, "country": "NL"}), encoder.transform_one({"country": "new"})
    ({'amount': 2.0, 'country=NL': 1.0}, {})
    """

    def __init__(self, categories_max: int = CATEGORIES_MAX, clip: float | None = None) -> None:
        self.categories_max = categories_max
        self.clip = clip
        self.scaler = preprocessing.StandardScaler()
        self.columns: dict[Hashable, dict[str, str]] = {}

    def learn_one(self, x: dict[Hashable, Any]) -> None:
        """Fold in one row."""
        numbers = {}
        for name, value in x.items():
            if type(value) is str:
                self.learn_category(name, value)
            else:
                numbers[name] = value
        if numbers:
            self.scaler.learn_one(numbers)  # type: ignore[no-untyped-call]

    def learn_category(self, name: Hashable, category: str) -> None:
        """A column for it, if it is new and there is room."""
        columns = self.columns.setdefault(name, {})
        if category not in columns and len(columns) < self.categories_max:
            columns[category] = f"{name}={category}"

    def column(self, name: Hashable, category: str) -> str | None:
        """The category's column, that of all for which there was no room, or None for one not learnt yet."""
        columns = self.columns.get(name, {})
        column = columns.get(category)
        if column is None and len(columns) >= self.categories_max:
            return f"{name}*"  # no feature's name holds = or *, so no column is met twice
        return column

    def transform_one(self, x: dict[Hashable, Any]) -> dict[Hashable, float]:
        """The row as numbers; a category not learnt yet has no column."""
        numbers = {name: value for name, value in x.items() if type(value) is not str}
        encoded: dict[Hashable, float] = self.scaler.transform_one(numbers)  # type: ignore[no-untyped-call]
        if self.clip is not None:
            low, high = -self.clip, self.clip
            for name, value in encoded.items():
                if not low <= value <= high:
                    encoded[name] = low if value < low else high
        for name, value in x.items():
            if type(value) is str:
                column = self.column(name, value)
                if column is not None:
                    encoded[column] = 1.0
        return encoded


class CategoryCodes(base.Transformer):
    """Categories as integers in the order met; for models told which features are nominal.

    Integers and not strings, because River keeps a feature's categories in sets, whose order differs from
    process to process when they hold strings. A category not learnt yet, or one too many, is -1.

    >>> encoder = CategoryCodes(categories_max=2)
    >>> for country in ("NL", "DE", "FR"):
    ...     encoder.learn_one({"country": country})
    >>> [encoder.transform_one({"amount": 4.0, "country": country}) for country in ("DE", "FR")]
    [{'amount': 4.0, 'country': 1}, {'amount': 4.0, 'country': -1}]
    """

    def __init__(self, categories_max: int = CATEGORIES_MAX) -> None:
        self.categories_max = categories_max
        self.codes: dict[Hashable, dict[str, int]] = {}

    def learn_one(self, x: dict[Hashable, Any]) -> None:
        """Fold in one row."""
        for name, value in x.items():
            if type(value) is str:
                codes = self.codes.setdefault(name, {})
                if value not in codes and len(codes) < self.categories_max:
                    codes[value] = len(codes)

    def transform_one(self, x: dict[Hashable, Any]) -> dict[Hashable, Any]:
        """The row with codes for categories."""
        codes = self.codes
        return {name: codes.get(name, {}).get(value, -1) if type(value) is str else value for name, value in x.items()}
