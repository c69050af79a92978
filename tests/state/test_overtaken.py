"""A restore that is overtaken, an owner that stands still while it prunes: each start finds a checkpoint that is whole.

One process stands still before each operation on the store in turn, and another one lives meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from pathlib import Path

import msgspec
import pytest
from interrupted_place import Interrupted
from structlog.testing import capture_logs

from streams.errors import StateError
from streams.kafka.durable import Durable, Identity
from streams.state.done import Bucket
from streams.state.keyring import Keyring
from streams.state.place import StoreAwayError
from streams.state.store import Store

KEYS = Keyring(b"k" * 32)
NAME = "task-0"
HERE = Identity(cluster_id="c", topic_ids={})
KEPT = 2


class Owner:
    """A task that saves a bucket with each checkpoint, and refers to the two newest."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.durable = Durable.adopt(store, NAME, {}, HERE)
        self.read = self.durable.bucket_contents()
        self.buckets = list(self.durable.buckets)

    @property
    def place(self) -> tuple[int, int]:
        return self.durable.generation, self.durable.sequence

    def save(self, times: int = 1) -> None:
        for _ in range(times):
            content = uuid.uuid4().bytes
            stored = self.store.put_object("done", NAME, content)
            self.buckets = [*self.buckets[-1:], Bucket(*stored, 0)]
            asyncio.run(self.durable.save(msgspec.msgpack.encode({}), {}, buckets=self.buckets))
            self.store.prune_unreferenced("done", NAME, self.durable.generation)


def empty_store() -> Store:
    return Store(f"memory://{uuid.uuid4().hex}", KEYS, keep=KEPT)


def interrupted(store: Store, at: int, act) -> Store:
    """The same medium, where `act` happens before operation `at`."""
    other = Store("memory://unused", KEYS, keep=KEPT)
    other.place = Interrupted(store.place, lambda operation: act() if operation == at else None)
    return other


def newest(store: Store) -> tuple[int, int]:
    """Of the newest checkpoint, which must be whole."""
    with capture_logs() as logs:
        found = store.newest_whole(NAME)
    assert logs == []
    return tuple(found.checkpoint.position)


@pytest.mark.parametrize("successor_saves", [1, 2, 5])
def test_an_owner_that_stands_still_in_its_checkpoint_takes_nothing_from_its_successor(successor_saves):
    """Before any of its operations; it wakes, goes on deleting, saves once more: what the successor kept is whole."""
    for at in itertools.count():
        store = empty_store()
        zombie, successors = Owner(store), []
        zombie.save(4)

        def succeed(store=store, successors=successors) -> None:
            successors.append(Owner(store))
            successors[0].save(successor_saves)

        zombie.store = zombie.durable.store = interrupted(store, at, succeed)
        zombie.save()
        if not successors:
            break
        zombie.save()
        assert newest(store) == successors[0].place, at
        successors[0].save()
        assert Owner(store).durable.generation == 3
    assert at > 8, "of a checkpoint: put, write, list, prune both"


@pytest.mark.parametrize("adopted_meanwhile", [False, True])
def test_a_restore_that_is_overtaken_goes_on_from_what_is_newer(adopted_meanwhile):
    """What it was reading is pruned, by the owner before it or by one after it; what it writes is newer than all."""
    for at in itertools.count():
        store = empty_store()
        others = [Owner(store)]
        others[0].save(3)
        before, overtaken = others[0].place, []

        def overtake(store=store, others=others, overtaken=overtaken) -> None:
            overtaken.append(True)
            if adopted_meanwhile:
                others.append(Owner(store))
            others[-1].save(5)

        late = Owner(interrupted(store, at, overtake))
        if not overtaken:
            break
        assert before <= tuple(map(int, Path(late.durable.key_last).stem.split("-"))), at
        assert len(late.read) == len(late.buckets) == 2
        late.store = late.durable.store = store
        late.save()
        assert newest(store) >= late.place
        assert len(Owner(store).read) == 2
    assert at > 5, "of an adoption: list, claim, list, read three"


def test_what_another_one_wrote_while_it_restored_is_gone_on_from():
    """The claim of who came in between is newer than ours: ours is taken anew, or nobody would find what we write."""
    store = empty_store()
    Owner(store).save()
    between = []

    def overtake() -> None:
        between.append(Owner(store))
        between[0].save(5)

    late = Owner(interrupted(store, 3, overtake))  # it has claimed, and listed what there is
    assert late.durable.generation == between[0].durable.generation + 1
    assert late.durable.key_last == between[0].durable.key_last
    assert late.buckets == between[0].buckets


class Chased:
    """A place whose user is always too late: after each operation of this name another owner comes and saves."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name

    def __getattr__(self, name):
        operation = getattr(self._store.place, name)

        def call(*values):
            answer = operation(*values)
            if name == self._name:
                Owner(self._store).save(3)
            return answer

        return call


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("read", "could not read a checkpoint of task-0: each was gone before it was read"),
        ("mark", "could not adopt task-0: another process has written a newer checkpoint 5 times"),
    ],
)
def test_others_that_always_come_first_are_named_in_the_end(operation, words):
    """A start does not go on for ever against processes that adopt what it adopts."""
    store = empty_store()
    Owner(store).save()
    other = Store("memory://unused", KEYS, keep=KEPT)
    other.place = Chased(store, operation)
    with pytest.raises(StateError, match=words):
        Owner(other)


def test_a_bucket_that_is_gone_leaves_the_checkpoint_before():
    """Whoever deleted it: the state before is a fold of the same logs, and the log says which one was passed over."""
    store = empty_store()
    owner = Owner(store)
    owner.save(3)
    store.place.remove(owner.buckets[-1].path)
    with capture_logs() as logs:
        found = store.newest_whole(NAME)
    assert found.checkpoint.position == (1, 2)
    assert [(event["key"], event["reason"]) for event in logs] == [
        (owner.durable.key_last, f"one without {owner.buckets[-1].path}")
    ]


def test_a_start_without_any_whole_checkpoint_says_what_is_missing():
    """To begin anew would lose them; nothing is begun with ids forgotten."""
    store = empty_store()
    owner = Owner(store)
    owner.save()
    owner.save()
    store.place.remove(owner.buckets[0].path)
    with pytest.raises(
        StateError, match=rf"one of 2 checkpoints of task-0 must be valid, got one without {owner.buckets[0].path}"
    ):
        Owner(store)


def test_a_medium_that_does_not_answer_is_not_a_checkpoint_that_is_gone():
    """An older state must not be taken because the network failed for a moment."""
    store = empty_store()
    Owner(store).save()
    calm = interrupted(store, -1, None)
    calm.newest_whole(NAME)
    for at in range(calm.place.operations):
        failures = [OSError("away")]  # one: what comes after it is answered

        def fail(failures=failures) -> None:
            if failures:
                raise failures.pop()

        with pytest.raises(StoreAwayError):
            interrupted(store, at, fail).newest_whole(NAME)


def test_a_prune_that_is_half_done_does_not_lead_to_what_it_has_not_reached():
    """The newest of the listing is gone, older ones are not yet: there is a newer one, and it is taken."""
    store = empty_store()
    owner = Owner(store)
    owner.save(2)

    def prune_half() -> None:
        listed = owner.durable.key_last
        owner.store.keep = 3
        owner.save()
        store.place.remove(listed)

    assert interrupted(store, 1, prune_half).newest_whole(NAME).checkpoint.position == (1, 3)
