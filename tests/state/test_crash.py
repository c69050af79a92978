"""A process that dies in the middle of a write leaves the old checkpoint or the new one, never neither."""

import subprocess
import sys

import pytest

from streams.errors import StateError
from streams.state.claims import next_generation
from streams.state.envelope import Header
from streams.state.keyring import Keyring
from streams.state.store import Store

KEYS = Keyring(b"k" * 32)
STEPS = ["before_tmp", "after_tmp", "after_fsync", "after_rename", "after_folder_fsync"]
NEW_FROM = STEPS.index("after_rename")
CHILD = """
import os, sys
from streams.state.envelope import Header
from streams.state.keyring import Keyring
from streams.state.store import Store
url, dying = sys.argv[1:]
store = Store(url, Keyring(b"k" * 32), at_step=lambda step: os._exit(9) if step == dying else None)
store.write("task-0", 1, 2, Header(name="task-0"), b"new" * 100_000)
"""


class DiedError(Exception):
    """Stands for a kill."""


def write(store: Store, generation: int, sequence: int, payload: bytes) -> None:
    store.write("task-0", generation, sequence, Header(name="task-0"), payload)


def drafts(folder) -> list[str]:
    return [path.name for path in folder.rglob("*.tmp")]


def check_survivor(folder, step: str) -> None:
    """The store is usable as it lies there, and the next writer cleans up."""
    store = Store(str(folder), KEYS)
    found = store.newest("task-0").payload
    assert found == (b"new" * 100_000 if STEPS.index(step) >= NEW_FROM else b"old")
    assert [c.position.sequence for c in store.candidates("task-0")][-1] == 1
    write(store, next_generation(store, "task-0"), 1, b"after")
    assert store.newest("task-0").payload == b"after"
    assert drafts(folder) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_process_leaves_the_old_or_the_new(tmp_path, step):
    """Killed at each step of a write by os._exit: before the rename the old one is newest, after it the new one."""
    write(Store(str(tmp_path), KEYS), 1, 1, b"old")
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), step], check=False, capture_output=True, text=True
    )
    assert child.returncode == 9, child.stderr
    assert bool(drafts(tmp_path)) == (step in {"after_tmp", "after_fsync"})
    check_survivor(tmp_path, step)


@pytest.mark.parametrize("step", STEPS)
def test_an_exception_at_any_step_leaves_the_old_or_the_new(tmp_path, step):
    """Within one process too: the writer that failed goes on with its next sequence."""

    def die(reached: str) -> None:
        if reached == step and dying:
            raise DiedError

    dying = False
    store = Store(str(tmp_path), KEYS, at_step=die)
    write(store, 1, 1, b"old")
    dying = True
    with pytest.raises((DiedError, StateError)):
        write(store, 1, 2, b"new" * 100_000)
    dying = False
    expected = b"new" * 100_000 if STEPS.index(step) >= NEW_FROM else b"old"
    assert store.newest("task-0").payload == expected
    write(store, 1, 3, b"later")
    assert store.newest("task-0").payload == b"later"
    assert drafts(tmp_path) == []


def test_steps_come_in_their_order_and_the_name_comes_last(tmp_path):
    """Nobody can see the new name before its bytes are on the disk."""
    seen = []

    def look(step: str) -> None:
        seen.append((step, len(list(tmp_path.rglob("*.ckpt"))), len(drafts(tmp_path))))

    write(Store(str(tmp_path), KEYS, at_step=look), 1, 1, b"x")

    assert seen == [
        ("before_tmp", 0, 0),
        ("after_tmp", 0, 1),
        ("after_fsync", 0, 1),
        ("after_rename", 1, 0),
        ("after_folder_fsync", 1, 0),
    ]


def test_a_full_disk_leaves_no_draft(tmp_path):
    """An error of the medium is reported, and its draft does not fill the disk further."""

    def fill(step: str) -> None:
        if step == "after_tmp":
            raise OSError(28, "No space left on device")

    with pytest.raises(StateError, match=r"could not write checkpoint .*No space left"):
        write(Store(str(tmp_path), KEYS, at_step=fill), 1, 1, b"x")
    assert drafts(tmp_path) == []


def test_a_write_whose_last_step_failed_can_be_repeated(tmp_path):
    """The folder could not be synced: the file has its name already, and the same write again is done."""
    ill = True

    def fail(step: str) -> None:
        if ill and step == "after_rename":
            raise OSError(5, "Input/output error")

    store = Store(str(tmp_path), KEYS, at_step=fail)
    with pytest.raises(StateError, match="could not write"):
        write(store, 1, 1, b"x")
    ill = False
    write(store, 1, 1, b"x")
    assert store.newest("task-0").payload == b"x"
    with pytest.raises(StateError, match="must be new"):
        write(store, 1, 1, b"y")


def test_a_successor_cleans_up_and_a_zombie_does_not(tmp_path):
    """The draft of a living successor is never taken from under it."""
    store = Store(str(tmp_path), KEYS)
    write(store, next_generation(store, "task-0"), 1, b"old")
    folder = tmp_path / store.folder("task-0")
    mine, ours = folder / "000000001-000000000002.ckpt.aa.tmp", folder / "000000002-000000000001.ckpt.bb.tmp"
    for draft in (mine, ours):
        draft.write_bytes(b"half")
    write(store, 1, 3, b"own")
    assert ours.exists()
    assert not mine.exists()
    next_generation(store, "task-0")
    mine.write_bytes(b"half")
    write(store, 1, 4, b"zombie")
    assert mine.exists()
    write(store, 2, 2, b"owner")
    assert drafts(tmp_path) == []


def test_a_dead_process_s_object_is_written_again(tmp_path):
    """A draft of an object is no object."""

    def die(step: str) -> None:
        if step == "after_fsync":
            raise DiedError

    with pytest.raises(StateError):
        Store(str(tmp_path), KEYS, at_step=die).put_object("s", "n", b"x")
    store = Store(str(tmp_path), KEYS)
    assert list(store.objects("s")) == []
    assert store.get_object(*store.put_object("s", "n", b"x")) == b"x"
