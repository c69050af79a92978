"""One owner at a time decides, and whatever it told people is in the history that survives."""

import contextlib
import itertools
import subprocess
import sys
import threading
import uuid

import fsspec
import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from interrupted_place import Interrupted

from streams.errors import ConfigError, StateError
from streams.state.claims import Adopted, adopt, newest_on_lineage, next_generation, still_owner
from streams.state.envelope import Header
from streams.state.keyring import Keyring
from streams.state.store import Store

KEYS = Keyring(b"k" * 32)
NAME = "monitor"


def write(store: Store, generation: int, sequence: int, payload: bytes = b"", name: str = NAME) -> None:
    store.write(name, generation, sequence, Header(name=name), payload)


def memory_url() -> str:
    return f"memory://{uuid.uuid4().hex}"


def test_adopts_nothing_then_its_own_then_its_successor_s(store):
    """Generations rise by one, and each goes on from the newest checkpoint of the one before."""
    first = adopt(store, NAME)
    assert (first.generation, first.parent, first.loaded) == (1, None, None)
    write(store, 1, 1, b"a")
    write(store, 1, 2, b"b")
    second = adopt(store, NAME)
    assert (second.generation, second.parent, second.loaded.payload) == (2, (1, 2), b"b")
    third = adopt(store, NAME)  # the second died before its first checkpoint
    assert (third.generation, third.parent, third.loaded.payload) == (3, (1, 2), b"b")


def test_a_zombie_s_later_checkpoints_are_off_the_lineage(store):
    """What the old owner wrote after it had lost its claim is ignored, however new, and by every later successor."""
    adopt(store, NAME)
    write(store, 1, 1, b"agreed")
    adopt(store, NAME)
    write(store, 1, 2, b"zombie")
    assert newest_on_lineage(store, NAME).payload == b"agreed"
    assert store.newest(NAME).payload == b"zombie"  # for a task or shard it would be as good as any
    third = adopt(store, NAME)
    assert third.loaded.payload == b"agreed"
    write(store, 2, 1, b"second, too late")
    write(store, 1, 3, b"zombie again")
    write(store, 3, 1, b"third")
    assert newest_on_lineage(store, NAME).payload == b"third"


def test_zombies_that_write_and_prune_never_lose_the_parent(url):
    """Until the successor's first checkpoint the parent is all there is of the history."""
    store = Store(url, KEYS, keep=1)
    adopt(store, NAME)
    write(store, 1, 1, b"agreed")
    second = adopt(store, NAME)
    for sequence in range(2, 9):
        write(store, 1, sequence, b"zombie")
    assert newest_on_lineage(store, NAME).payload == b"agreed"
    assert store.load(NAME, second.parent).payload == b"agreed"


def test_pruning_keeps_the_lineage_not_the_newest_files(url):
    """When the owner's newest checkpoint is damaged, its parent is still there, and the zombie's are not."""
    store = Store(url, KEYS, keep=2)
    adopt(store, NAME)
    write(store, 1, 1, b"agreed")
    adopt(store, NAME)
    for sequence in range(2, 6):
        write(store, 1, sequence, b"zombie")
    write(store, 2, 1, b"owner")
    assert [tuple(c.position) for c in store.candidates(NAME)] == [(2, 1), (1, 1)]
    key = store.candidates(NAME)[0].key
    store.place.remove(key)
    store.place.create(key, b"damaged")
    assert newest_on_lineage(store, NAME).payload == b"agreed"


def test_only_the_newest_claim_owns(store):
    """A claim is lost the moment another is made, before its maker has done anything else."""
    first = adopt(store, NAME)
    assert still_owner(store, first)
    next_generation(store, NAME)  # a successor that died right after its claim
    assert not still_owner(store, first)
    second = adopt(store, NAME)
    assert still_owner(store, second)
    assert not still_owner(store, first)


def test_a_wrong_key_does_not_disown_the_history(url):
    """A start with a wrong key fails, and the next one with the right key finds everything."""
    store = Store(url, KEYS)
    adopt(store, NAME)
    write(store, 1, 1, b"history")
    with pytest.raises(StateError, match="must be valid, got signed with another key"):
        adopt(Store(url, Keyring(b"x" * 32)), NAME)
    assert adopt(store, NAME).loaded.payload == b"history"


def test_after_forget_a_history_starts_afresh(store):
    """A rebuild accepts the loss; generations go on, so that a zombie stays a zombie."""
    first = adopt(store, NAME)
    write(store, 1, 1, b"history")
    store.forget(NAME)
    second = adopt(store, NAME)
    assert (second.generation, second.loaded) == (2, None)
    assert not still_owner(store, first)


def test_tasks_take_the_newest_whoever_wrote_it(store):
    """A fold over the same logs needs no fence: a zombie's checkpoint of an older generation may be the newest."""
    first = next_generation(store, "task-0")
    write(store, first, 7, b"zombie", "task-0")
    second = next_generation(store, "task-0")
    write(store, first, 8, b"zombie later", "task-0")
    assert store.newest("task-0").payload == b"zombie later"
    write(store, second, 1, b"owner", "task-0")
    assert store.newest("task-0").payload == b"owner"


def test_threads_that_adopt_at_once_get_a_generation_each(tmp_path):
    """However they race, exactly one owns in the end: the newest."""
    start, adopted = threading.Barrier(8), []

    def begin() -> None:
        start.wait()
        adopted.append(adopt(Store(str(tmp_path), KEYS), NAME))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claim.generation for claim in adopted) == list(range(1, 9))
    store = Store(str(tmp_path), KEYS)
    assert [claim.generation for claim in adopted if still_owner(store, claim)] == [8]


def test_processes_that_race_never_share_a_generation(tmp_path):
    """Four processes take 20 each: 80 numbers, none twice."""
    program = (
        "import sys; from streams.state.claims import next_generation; from streams.state.keyring import Keyring;"
        "from streams.state.store import Store; store = Store(sys.argv[1], Keyring(b'k' * 32)); sys.stdin.readline();"
        "print(*[next_generation(store, 'task-0') for _ in range(20)])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    taken = [int(word) for child in children for word in child.communicate(timeout=60)[0].split()]
    assert sorted(taken) == list(range(1, 81))


class Owner:
    """A monitor in three steps: its checkpoint is durable, it asks whether it still owns, it tells what was durable."""

    def __init__(self, store: Store, claim: Adopted) -> None:
        self.store, self.claim, self.sequence, self.may, self.published = store, claim, 0, [], []
        self.history: list[str] = msgspec.msgpack.decode(claim.loaded.payload) if claim.loaded else []

    def write(self) -> None:
        self.sequence += 1
        self.history.append(f"{self.claim.generation}/{self.sequence}")
        write(self.store, self.claim.generation, self.sequence, msgspec.msgpack.encode(self.history))

    def ask(self) -> None:
        self.may = list(self.history) if still_owner(self.store, self.claim) else []

    def publish(self) -> None:
        self.published += self.may[-1:]


def adopt_between(moments: tuple[int, int, int], dies_at: int | None) -> tuple[Owner, Adopted | None, Store]:
    """An owner whose three steps fall before the given operations of a successor's adoption."""
    store = Store(memory_url(), KEYS, keep=1)
    owner = Owner(store, adopt(store, NAME))
    owner.write()
    owner.ask()
    owner.publish()
    owner.may = []
    steps = [owner.write, owner.ask, owner.publish]

    def before(operation: int) -> None:
        while len(steps) > 0 and moments[3 - len(steps)] <= operation:
            steps.pop(0)()
        if operation == dies_at:
            raise SystemExit

    other = Store("memory://unused", KEYS, keep=1)
    other.place = Interrupted(store.place, before)
    claim = None
    with contextlib.suppress(SystemExit):
        claim = adopt(other, NAME)
    while steps:
        steps.pop(0)()
    return owner, claim, store


OPERATIONS = 5  # of one adoption: list, claim, list, read, name the parent
MOMENTS = list(itertools.combinations_with_replacement(range(OPERATIONS + 1), 3))


@pytest.mark.parametrize("moments", MOMENTS, ids=str)
def test_whatever_was_published_is_in_what_the_successor_goes_on_from(moments):
    """Every interleaving of a write, a question and a publication with the steps of an adoption."""
    owner, claim, store = adopt_between(moments, dies_at=None)

    history = msgspec.msgpack.decode(claim.loaded.payload)
    assert set(owner.published) <= set(history)
    assert still_owner(store, claim)
    assert not still_owner(store, owner.claim)
    assert msgspec.msgpack.decode(newest_on_lineage(store, NAME).payload) == history


def test_the_interleavings_above_are_all():
    """An adoption has as many operations as the test splits it into."""
    counted = Interrupted(Store(memory_url(), KEYS).place, lambda _: None)
    store = Store("memory://unused", KEYS)
    adopt(store, name := uuid.uuid4().hex)
    write(store, 1, 1, name=name)
    counted._place, store.place = store.place, counted
    adopt(store, name)
    assert counted.operations == OPERATIONS


@pytest.mark.parametrize("dies_at", range(OPERATIONS))
def test_a_successor_that_dies_while_adopting_loses_nothing(dies_at):
    """Dead at any operation, with the old owner acting at any other: the next one finds all that was published."""
    for moments in MOMENTS:
        owner, claim, store = adopt_between(moments, dies_at)
        assert claim is None
        third = adopt(store, NAME)
        assert set(owner.published) <= set(msgspec.msgpack.decode(third.loaded.payload))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(["adopt", "write", "write", "ask", "publish"]), st.integers(0, 9)), max_size=60)
)
def test_no_schedule_of_monitors_publishes_what_history_forgets(schedule):
    """Any number of monitors and zombies, pruning to one checkpoint: what was told survives in each later history."""
    store = Store(memory_url(), KEYS, keep=1)
    owners = [Owner(store, adopt(store, NAME))]
    for step, which in schedule:
        if step == "adopt":
            owners.append(Owner(store, adopt(store, NAME)))
            published = {told for owner in owners for told in owner.published}
            assert published <= set(owners[-1].history)
        else:
            getattr(owners[-1 - which % len(owners)], step)()
    last = adopt(store, NAME)
    history = set(msgspec.msgpack.decode(last.loaded.payload)) if last.loaded else set()
    for owner in owners:
        assert set(owner.published) <= history


class Careless(MemoryFileSystem):
    """An object store that takes every put, as several fsspec file systems do."""

    protocol = "careless"

    def pipe_file(self, path, value, mode="overwrite", **options):
        del mode
        super().pipe_file(path, value, mode="overwrite", **options)


def test_a_store_that_cannot_tell_who_was_first_is_refused():
    """Without exclusive creation there is no owner: said at the first claim, not after the first double alert."""
    fsspec.register_implementation("careless", Careless, clobber=True)
    with pytest.raises(ConfigError, match=r"state\.store must be a store that refuses to overwrite on request"):
        next_generation(Store("careless://bucket", KEYS), NAME)
