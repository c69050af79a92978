"""Who may write, and whose history counts.

Tasks and shards only number their generations: any valid checkpoint is good whoever wrote it, because it is a fold over
the same logs, and the newest is taken. The monitor decides and tells people, so it must own its history: it adopts.

Adoption has two steps, because one would leave a hole. If a successor read the newest checkpoint and then claimed, its
predecessor could write, find itself still the owner, and publish between the two; what it told people would then be in
no surviving history. So the claim comes first. From then on `still_owner` is false for the predecessor, and whatever it
had published is in a checkpoint that the successor now finds. Only then is the parent named, by a second file.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from streams.errors import StateError
from streams.state.lineage import NOTHING, Position, claim_file, parent_file
from streams.state.store import Loaded, Store

log = structlog.get_logger(__name__)

_ATTEMPTS = 1000  # each lost attempt means that another process took a generation


@dataclass(frozen=True, slots=True)
class Adopted:
    """A claim on the history of `name`: write checkpoints with this generation."""

    name: str
    generation: int
    parent: Position | None
    """The checkpoint that the history goes on from; None: from nothing."""
    loaded: Loaded | None
    """That checkpoint."""


def next_generation(store: Store, name: str) -> int:
    """Take the next generation of a task or shard, exclusively: no two writers share file names.

    >>> from streams.state.keyring import Keyring
    >>> store = Store("memory://next", Keyring(current=b"k" * 32))
    >>> next_generation(store, "task-0"), next_generation(store, "task-0"), next_generation(store, "task-1")
    (1, 2, 1)

    Raises:
        StateError: the store could not be read or written.
        ConfigError: it cannot create exclusively.
    """
    for _ in range(_ATTEMPTS):
        generation = store.listing(name).generation + 1
        if store.mark(name, claim_file(generation)):
            return generation
    raise StateError(f"could not claim a generation of {name}: others took {_ATTEMPTS} in between")


def adopt(store: Store, name: str) -> Adopted:
    """Take over a history: fence the predecessor, then go on from its newest checkpoint on the lineage.

    Raises:
        StateError: there are checkpoints on the lineage and none is valid, or the store could not be used. The history
            is then as it was, and can be adopted once the cause is mended.
    """
    generation = next_generation(store, name)
    loaded = newest_on_lineage(store, name)
    parent = loaded.position if loaded else None
    store.mark(name, parent_file(generation, parent or NOTHING))
    log.info("history_adopted", name=name, generation=generation, parent=parent)
    return Adopted(name, generation, parent, loaded)


def newest_on_lineage(store: Store, name: str) -> Loaded | None:
    """The newest valid checkpoint of the claimed history; what others wrote after losing their claim is ignored.

    Raises:
        StateError: there are some and none is valid.
    """
    return store.first_valid(name, lambda listing: listing.lineage())


def still_owner(store: Store, claim: Adopted) -> bool:
    """Whether nobody has claimed the history since.

    Ask once the checkpoint is durable, and then publish only what it held: what became durable after the question may
    be on no lineage any more.
    """
    return store.listing(claim.name).generation == claim.generation
