"""What a task's restart reads: logged predictions, and the copies of them that a checkpoint names."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from streams.errors import StateError
from streams.state.pending_segment import Listed
from streams.state.place import StoreAwayError


class Kept(msgspec.Struct, array_like=True):
    """What a checkpoint says of copies on disk."""

    start: int
    """Offset of predictions from which those lie that have no copy."""
    files: list[Listed]


class Logged(msgspec.Struct):
    """The part of a logged prediction that a restart needs."""

    id: str
    source: int
    event_ms: int


LOGGED: Callable[[bytes], Logged] = msgspec.json.Decoder(Logged).decode


def missing(partition: int, awaited: int, found: int, *, recalled: bool) -> StateError:
    """Predictions that await their label were not found; if they were `recalled`, the next start reads all of them."""
    if recalled:  # whatever the reason: the log alone decides
        return StoreAwayError(
            f"could not find {awaited} predictions of partition {partition} that await their label, but {found}: the "
            "copies on disk are removed, the next start reads all of them from the log"
        )
    return StateError(
        f"predictions/{partition} must hold the {awaited} predictions that await their label, got {found}: the topic "
        "was cut short or made anew; `millrace rebuild --tasks` folds the logs again"
    )
