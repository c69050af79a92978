"""How a column stands under the false-alarm budget."""

from __future__ import annotations

from streams.messages import ColumnMetrics


def stands(column: ColumnMetrics | None) -> tuple[str, str]:
    """How a column stands under the budget: a kind to draw, and the words of the record.

    >>> stands(None)
    ('shown', 'shown only')
    """
    if column is None or column.budget is None:
        return "shown", "shown only"
    said = column.budget
    if not said.holds:
        return "observed", said.standing
    if column.verdict == "drift":
        return "changed", "changed: an incident is open"
    if column.verdict == "not_enough_data":
        return "too-few", said.sensitivity or said.standing
    return "holds", said.sensitivity or said.standing
