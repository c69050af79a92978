"""What a model that predicts has not learnt yet: told with each prediction, and as a metric."""

from __future__ import annotations

from typing import NamedTuple


class Staleness(NamedTuple):
    """As far as is known where it predicts."""

    examples: int = 0
    """Those that are there and not learnt."""
    ms: int = 0
    """How long the oldest of them has been there, at most."""


FRESH = Staleness()
