"""What a model that predicts has not learnt yet: told with each prediction, and as a metric."""

from __future__ import annotations

from typing import NamedTuple


class Staleness(NamedTuple):
    """As far as is known where it predicts."""

    examples: int = 0
    """Those that were emitted and are not learnt."""
    ms: int = 0
    """How long ago the oldest of them was emitted, at most."""


FRESH = Staleness()
