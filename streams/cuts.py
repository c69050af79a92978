"""Arithmetic of cuts: how far a pipeline's inputs were read, by `topic/partition`."""

from __future__ import annotations

from collections.abc import Mapping

from streams.config import Config
from streams.topic_logs import Place

Offsets = Mapping[str, int]
"""By `topic/partition`, as in a cut."""


def key_of(place: Place) -> str:
    """As a cut names it."""
    return f"{place[0]}/{place[1]}"


def place_of(key: str) -> Place:
    """What a cut's key names.

    >>> place_of(key_of(("shop.examples", 3)))
    ('shop.examples', 3)
    """
    topic, _, partition = key.rpartition("/")
    return topic, int(partition)


def places_of(config: Config, role: str, offsets: Offsets) -> list[tuple[str, Place]]:
    """Those of a topic among the keys of a cut."""
    topic = config.topic(role)
    return [(key, place) for key in sorted(offsets) if (place := place_of(key))[0] == topic]


def total(offsets: Offsets) -> int:
    """Orders the cuts of one pipeline."""
    return sum(offsets.values())


def between(start: Offsets, offsets: Offsets, stop: Offsets) -> bool:
    """Whether a cut lies between two others, in every input."""
    if not any(key in offsets for key in start):
        return False
    # An older cut may lack an input that is heard by now.
    return all(start[key] <= offsets.get(key, start[key]) <= stop[key] for key in start)
