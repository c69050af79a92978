"""Checkpoints and objects: the newest valid one is found, and nothing is lost to pruning or to others."""

import hashlib
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streams.errors import ConfigError, StateError
from streams.state.claims import next_generation
from streams.state.envelope import EnvelopeError, Header
from streams.state.keyring import Keyring
from streams.state.lineage import Position, file_name, given_name
from streams.state.store import Store

KEYS = Keyring(b"k" * 32)


def write(store: Store, generation: int, sequence: int, name: str = "task-0", **header) -> str:
    return store.write(name, generation, sequence, Header(name=name, **header), b"%d/%d" % (generation, sequence))


def positions(store: Store, name: str = "task-0") -> list[tuple[int, int]]:
    return [tuple(candidate.position) for candidate in store.candidates(name)]


def damage(store: Store, path: str) -> None:
    """Flip the last bit of a file."""
    blob = store.place.read(path)
    store.place.remove(path)
    store.place.create(path, blob[:-1] + bytes([blob[-1] ^ 1]))


def test_the_first_start_finds_nothing(store):
    """An empty store is no error."""
    assert store.newest("task-0") is None
    assert store.candidates("task-0") == []


def test_finds_the_newest_by_generation_then_sequence(store):
    """A zombie's high sequence never shadows the new owner."""
    for generation, sequence in ((1, 9), (1, 100), (2, 1), (2, 3)):
        key = write(store, generation, sequence, offsets={"f/0": sequence})
    loaded = store.newest("task-0")
    assert (loaded.key, loaded.payload, loaded.position) == (key, b"2/3", (2, 3))
    assert loaded.header == Header(name="task-0", generation=2, sequence=3, offsets={"f/0": 3})
    assert positions(store) == [(2, 3), (2, 1), (1, 100)]


def test_keeps_as_many_as_asked(url):
    """The newest `keep` survive a write, of this name alone."""
    store = Store(url, KEYS, keep=2)
    write(store, 1, 1, "task-1")
    for sequence in range(5):
        write(store, 1, sequence)
    assert positions(store) == [(1, 4), (1, 3)]
    assert positions(store, "task-1") == [(1, 1)]


def test_passes_over_what_is_not_valid_and_says_why(store):
    """A damaged newest checkpoint costs one checkpoint, not the history."""
    keys = [write(store, 1, sequence) for sequence in range(3)]
    damage(store, keys[2])
    with capture_logs() as logs:
        assert store.newest("task-0").payload == b"1/1"
    assert [(entry["key"], entry["reason"]) for entry in logs] == [(keys[2], "altered")]


def test_refuses_to_start_afresh_when_all_are_invalid(url):
    """A wrong key must not end in a first start that prunes the true history away."""
    write(Store(url, KEYS), 1, 1)
    other = Store(url, Keyring(b"x" * 32))
    with pytest.raises(StateError, match=r"must be valid, got signed with another key: mend state\.key, or .*rebuild"):
        other.newest("task-0")
    assert other.forget("task-0") == 1
    assert other.newest("task-0") is None


def test_a_checkpoint_counts_only_under_its_own_name(store):
    """A copy put under another task, generation or sequence is refused: its offsets belong elsewhere."""
    blob = store.place.read(write(store, 1, 1))
    for place in ("task-1/000000001-000000000001", "task-0/000000001-000000000002", "task-0/000000002-000000000001"):
        store.place.create(f"checkpoints/{place}.ckpt", blob)
    for name, position in (("task-1", (1, 1)), ("task-0", (1, 2)), ("task-0", (2, 1))):
        with pytest.raises(EnvelopeError, match="filed under another name"):
            store.load(name, Position(*position))
    assert store.newest("task-0").payload == b"1/1"


def test_an_object_is_not_taken_for_a_checkpoint(store):
    """One key signs both: the kind is part of what is signed."""
    stored = store.put_object("checkpoints", "x", b"payload")
    store.place.create("checkpoints/checkpoints%2Fx/000000000-000000000000.ckpt", store.place.read(stored.path))
    with pytest.raises(EnvelopeError, match="filed under another name"):
        store.load("checkpoints/x", Position(0, 0))
    blob = store.place.read(write(store, 1, 1, "s/n"))
    path = f"objects/s/n/{(digest := hashlib.sha256(b'1/1').hexdigest())}.obj"
    store.place.create(path, blob)
    with pytest.raises(EnvelopeError, match="filed under another name"):
        store.get_object(path, digest)


def test_two_writers_of_one_generation_do_not_overwrite(store):
    """A writer without a claim of its own is refused, not silently the winner."""
    write(store, 1, 1)
    with pytest.raises(StateError, match="must be new, got one that exists: take a new generation"):
        store.write("task-0", 1, 1, Header(name="task-0"), b"other")
    assert store.newest("task-0").payload == b"1/1"


@pytest.mark.parametrize(("generation", "sequence"), [(0, 1), (1, -1)])
def test_refuses_positions_that_mean_nothing(store, generation, sequence):
    """Generation 0 stands for `from nothing`."""
    with pytest.raises(StateError, match="generation >= 1"):
        write(store, generation, sequence)


def test_a_zombie_deletes_nothing(store):
    """Once a successor has taken a generation, the old owner's writes neither prune nor count as the newest."""
    first = next_generation(store, "task-0")
    for sequence in range(3):
        write(store, first, sequence)
    second = next_generation(store, "task-0")
    for sequence in range(3, 9):
        write(store, first, sequence)
    assert [(1, sequence) for sequence in (2, 1, 0)] == positions(store)[-3:]
    write(store, second, 1)
    assert positions(store) == [(2, 1), (1, 8), (1, 7)]


def test_old_claims_go_with_their_checkpoints(store):
    """Restarts leave no files behind for ever, and numbers are not given twice."""
    for expected in range(1, 30):
        generation = next_generation(store, "task-0")
        assert generation == expected
        write(store, generation, 1)
    assert len(store.place.names(store.folder("task-0"))) <= 6


def test_objects_come_back_by_path_and_digest(store):
    """The same payload has one place, and is checked whenever it is read."""
    stored = store.put_object("snapshots", "champion/0", b"model")
    assert store.put_object("snapshots", "champion/0", b"model") == stored
    assert store.get_object(*stored) == b"model"
    assert stored.name == "champion/0"
    assert [o.path for o in store.objects("snapshots")] == [stored.path]


def test_an_object_must_be_what_its_digest_says(store):
    """Neither a damaged object nor another genuine one is accepted for it."""
    one, other = store.put_object("s", "n", b"one"), store.put_object("s", "n", b"other")
    with pytest.raises(StateError, match="must be objects/<kind>/<name>/<its digest>"):
        store.get_object(one.path, other.digest)
    blob = store.place.read(other.path)
    store.place.remove(one.path)
    store.place.create(one.path, blob)
    with pytest.raises(EnvelopeError, match="altered"):
        store.get_object(*one)
    damage(store, other.path)
    with pytest.raises(EnvelopeError, match="altered"):
        store.get_object(*other)


def test_a_damaged_object_is_mended_by_putting_it_again(store):
    """Content decides the place, so the same content must be able to heal it."""
    stored = store.put_object("s", "n", b"one")
    damage(store, stored.path)
    with capture_logs() as logs:
        assert store.put_object("s", "n", b"one") == stored
    assert [entry["event"] for entry in logs] == ["object_replaced"]
    assert store.get_object(*stored) == b"one"


def test_an_object_moved_to_another_name_is_refused(store):
    """A challenger's snapshot is not the champion's, though its digest is right."""
    stored = store.put_object("s", "challenger", b"one")
    moved = stored.path.replace("challenger", "champion")
    store.place.create(moved, store.place.read(stored.path))
    with pytest.raises(EnvelopeError, match="filed under another name"):
        store.get_object(moved, stored.digest)


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "objects/../../x/{}.obj",
        "objects/a/../{}.obj",
        "checkpoints/a/{}.obj",
        "objects/a/b/{}.obj\n",
        "",
    ],
)
def test_a_path_from_the_wire_stays_in_the_store(store, path):
    """Whoever can write to the models topic must not choose what is opened."""
    digest = "0" * 64
    with pytest.raises(StateError, match="an object's path must be"):
        store.get_object(path.format(digest), digest)


def test_a_pruned_object_is_named(store):
    """The reader learns that it came too late."""
    stored = store.put_object("s", "n", b"one")
    assert store.prune_objects("s", []) == 1
    with pytest.raises(StateError, match="must exist, got nothing"):
        store.get_object(*stored)


def test_prunes_by_name_path_digest_or_predicate(store):
    """What is to be kept may be said in any of the ways a caller knows it, and other kinds are left alone."""
    _, b, c, d = (store.put_object("s", name, name.encode()) for name in "abcd")
    elsewhere = store.put_object("t", "a", b"x")
    assert store.prune_objects("s", {"a", b.path, c.digest}) == 1
    assert sorted(o.name for o in store.objects("s")) == ["a", "b", "c"]
    assert store.prune_objects("s", lambda stored: stored.name != "a") == 1
    assert store.prune_objects("s", (), name="b") == 1
    assert [o.path for o in store.objects("s")] == [c.path]
    assert store.get_object(*elsewhere) == b"x"
    assert d.path not in {o.path for o in store.objects("s")}


def test_objects_live_as_long_as_a_checkpoint_that_refers_to_them(url):
    """Falling back by any kept checkpoint finds its buckets; what none refers to goes."""
    store = Store(url, KEYS, keep=2)
    buckets = [store.put_object("done", "task-0", b"%d" % n) for n in range(4)]
    neighbour = store.put_object("done", "task-1", b"neighbour")
    for sequence, refers in enumerate(([0], [0, 1], [2], [2, 3])):
        write(store, 1, sequence, objects=tuple(buckets[n].path for n in refers))
    fresh = Store(url, KEYS)  # a restart knows nothing but the store

    assert fresh.prune_unreferenced("done", "task-0", generation=1) == 2
    assert {o.digest for o in store.objects("done", "task-0")} == {buckets[2].digest, buckets[3].digest}
    assert store.get_object(*neighbour) == b"neighbour"
    next_generation(store, "task-0")
    write(store, 1, 4)
    store.put_object("done", "task-0", b"the successor's, not referred to yet")
    assert store.prune_unreferenced("done", "task-0", generation=1) == 0  # a zombie's view does not count


def test_names_cannot_leave_the_store(tmp_path):
    """A name from config or wire is one file name, and reads back."""
    store = Store(str(tmp_path / "state"), KEYS)
    for name in ("../../outside", ".", "..", "a/b", "a\\b", "ü ñ", "C:", "-", "%2E", "a\nb"):
        key = write(store, 1, 1, name)
        assert store.newest(name).header.name == name
        assert (tmp_path / "state" / key).resolve().is_relative_to(tmp_path / "state" / "checkpoints")
        assert given_name(file_name(name)) == name
        assert store.get_object(*store.put_object(name, name, b"x")) == b"x"
    for name in ("", "x" * 201):
        with pytest.raises(StateError, match="must be 1 to 200 characters"):
            store.listing(name)
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_files_are_their_owner_s_alone(tmp_path):
    """State holds users' features and pickles that are run: 0600 in 0700."""
    store = Store(str(tmp_path / "deep" / "state"), KEYS)
    write(store, next_generation(store, "task-0"), 1)
    store.put_object("s", "n", b"x")
    for path in (tmp_path / "deep").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_disk_that_refuses_is_an_error_that_says_so(tmp_path):
    """Not a traceback of the medium, and no draft left."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "checkpoints").write_text("a file where a folder belongs")
    store = Store(str(tmp_path / "state"), KEYS)
    with pytest.raises(StateError, match="could not write checkpoint"):
        write(store, 1, 1)


@pytest.mark.parametrize("url", ["nosuch://bucket/x", "s3a9://x"])
def test_an_unknown_store_is_a_config_error(url):
    """The setting is named."""
    with pytest.raises(ConfigError, match=r"state\.store must be a folder or an fsspec URL"):
        Store(url, KEYS)
    with pytest.raises(ConfigError, match=r"state\.keep must be at least 1"):
        Store("x", KEYS, keep=0)


def test_opening_a_store_touches_nothing(tmp_path):
    """Looking is not starting: check-config may open one."""
    Store(str(tmp_path / "state"), KEYS)
    assert list(Path(tmp_path).iterdir()) == []
