"""Copies of pending predictions that outlive their process: whole as a checkpoint names them, or not at all."""

import os
import random
import resource
import shutil
import stat
from contextlib import contextmanager
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.state.offsets import OffsetSet
from streams.state.pending_files import PendingFiles, RecallStopped
from streams.state.pending_segment import Listed, block_of
from streams.state.place import StoreAwayError


def entry(number, event_ms=None):
    """A row as it is added; its key is there or not, its value is its own."""
    key = b"k%d" % number if number % 3 else None
    value = b'{"n":%d}' % number * (1 + number % 5)
    return f"é{number}", key, value, number if event_ms is None else event_ms, number, None, 2 * number


def files_in(folder, *, kept=True):
    return PendingFiles(folder, kept=kept, segment_rows=20, table_rows=16)


def opened(sources):
    found = OffsetSet()
    found.add_all(sorted(sources))
    return found


def held(files, numbers):
    """Which of these rows are found, each as it was added."""
    found = set()
    for number in numbers:
        row = files.find(f"é{number}")
        if row is not None:
            assert (f"é{number}", *row[:5]) == entry(number)[:6]
            found.add(number)
    return found


def filled(folder, rows=100):
    """Files as a process leaves them that has made a checkpoint: what it named, and what was open."""
    files = files_in(folder)
    for start in range(0, rows, 7):
        files.add([entry(n) for n in range(start, min(rows, start + 7))])
    for n in range(0, rows, 4):
        files.remove(files.find(f"é{n}"))
    open_ = {n for n in range(rows) if n % 4}
    listed = files.listed()
    files.close()
    return listed, open_


def refused(folder, listed, open_):
    """Whether the next process passes the copies over, and has an empty and working store instead."""
    files = files_in(folder)
    with pytest.raises(StoreAwayError):
        files.recall(listed, opened(open_))
    assert (len(files), held(files, open_), files.floor(), files.oldest_ms) == (0, set(), None, 1 << 62)
    files.add([entry(1_000)])
    assert held(files, [1_000]) == {1_000}
    files.close()
    return True


def test_the_next_process_has_what_the_checkpoint_says_is_open(tmp_path):
    """Neither what was added after the cut, nor what was joined before it; what was joined after it is back."""
    files = files_in(tmp_path)
    files.add([entry(n) for n in range(30)])
    for n in (3, 4, 5):
        files.remove(files.find(f"é{n}"))
    listed, open_ = files.listed(), opened(set(range(30)) - {3, 4, 5})
    files.remove(files.find("é9"))
    files.take_before(8)
    files.add([entry(n) for n in range(30, 60)])
    files.close()

    again = files_in(tmp_path)
    again.recall(listed, open_)

    assert held(again, range(60)) == set(range(30)) - {3, 4, 5}
    assert (len(again), again.floor(), again.oldest_ms) == (27, 0, 0)
    assert sorted(again.take_before(10)) == [0, 1, 2, 6, 7, 8, 9]
    assert again.floor() == 20
    again.close()


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 10**6))
def test_any_history_is_taken_over_at_any_cut(tmp_path_factory, seed):
    """Additions, removals, expiry, moves, cuts that became durable or not, processes one after the other."""
    chance, folder = random.Random(seed), tmp_path_factory.mktemp("pending")
    files, model, following = files_in(folder), {}, 0
    files.recall([], OffsetSet())
    durable = ([], {})
    for _ in range(60):
        draw = chance.random()
        if draw < 0.45:
            rows = [
                entry(n, chance.randrange(following + 1)) for n in range(following, following + chance.randrange(1, 9))
            ]
            files.add(rows)
            model |= {row[4]: row for row in rows}
            following += len(rows)
        elif draw < 0.7 and model:
            for number in chance.sample(sorted(model), min(len(model), chance.randrange(1, 12))):
                files.remove(files.find(f"é{number}"))
                del model[number]
        elif draw < 0.78:
            bound = chance.randrange(following + 1) // 2
            gone = {n for n, row in model.items() if row[3] < bound}
            assert set(files.take_before(bound)) == gone
            model = {n: row for n, row in model.items() if n not in gone}
        elif draw < 0.9:
            durable = (files.listed(), dict(model))
            grown, retired = files.unsynced(), files.retired()
            for segment in grown:
                segment.sync()
            for segment in retired:
                segment.remove()
        else:
            files.close()
            files, model = files_in(folder), dict(durable[1])
            files.recall(durable[0], opened(model))
        assert len(files) == len(model)
        assert files.settled_sources().intervals() == opened(model).intervals()
        assert files.floor() == min((2 * n for n in model), default=None)
        assert files.oldest_ms <= min((row[3] for row in model.values()), default=1 << 62)
    for number in range(following):
        row = files.find(f"é{number}")
        assert (row is not None) == (number in model)
        assert row is None or (f"é{number}", *row[:5]) == model[number][:6]
    files.close()


def test_no_byte_of_an_index_can_change_and_be_accepted(tmp_path):
    """Whatever is wrong with an index, the log is read instead."""
    listed, open_ = filled(tmp_path / "whole", 9)
    (index,) = (tmp_path / "whole").glob("*.index")
    for at in range(index.stat().st_size):
        shutil.copytree(tmp_path / "whole", tmp_path / "harmed")
        path = tmp_path / "harmed" / index.name
        data = bytearray(path.read_bytes())
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        assert refused(tmp_path / "harmed", listed, open_)
        shutil.rmtree(tmp_path / "harmed")


def test_no_byte_of_a_row_can_change_and_be_learnt(tmp_path):
    """A prediction that is not what was sent ends the process, and its copy goes: the next one reads the log."""
    listed, open_ = filled(tmp_path / "whole", 9)
    (rows,) = (tmp_path / "whole").glob("*.rows")
    ends = [0, *accumulate(len(b"".join((entry(n)[0].encode(), entry(n)[1] or b"", entry(n)[2]))) for n in range(9))]
    theirs = {at for n in open_ for at in range(ends[n], ends[n + 1])}
    for at in range(rows.stat().st_size):
        shutil.copytree(tmp_path / "whole", tmp_path / "harmed")
        path = tmp_path / "harmed" / rows.name
        data = bytearray(path.read_bytes())
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        files = files_in(tmp_path / "harmed")
        files.recall(listed, opened(open_))
        if at in theirs:
            with pytest.raises(StoreAwayError, match="they are not what was written"):
                held(files, open_)
            assert not path.exists()
        else:
            assert held(files, open_) == open_
        files.close()
        shutil.rmtree(tmp_path / "harmed")


def test_an_index_that_changes_under_a_running_process_is_noticed(tmp_path):
    """Also where no row is looked at: an id that reads otherwise would be found no more once it is moved."""
    listed, open_ = filled(tmp_path, 9)
    files = files_in(tmp_path)
    files.recall(listed, opened(open_))
    (index,) = tmp_path.glob("*.index")
    index.write_bytes(index.read_bytes().replace("é1".encode(), "é9".encode()))
    with pytest.raises(StoreAwayError, match="they are not what was written"):
        files.floor()
    assert not index.exists()
    files.close()


def test_a_second_start_before_the_first_checkpoint_finds_all_again(tmp_path):
    """Also the file in which nothing is open any more: the newest checkpoint still names it."""
    listed, open_ = filled(tmp_path)
    open_ = {n for n in open_ if n > 50}
    for _ in range(2):
        files = files_in(tmp_path)
        files.recall(listed, opened(open_))
        assert held(files, range(100)) == open_
        files.close()


def cut_short(folder):
    for path in folder.glob("*.rows"):
        os.truncate(path, path.stat().st_size - 1)


def index_cut_short(folder):
    path = next(folder.glob("*.index"))
    os.truncate(path, path.stat().st_size // 2)


def swapped(folder):
    one, other = sorted(folder.glob("*.index"))[:2]
    held_one, held_other = one.read_bytes(), other.read_bytes()
    one.write_bytes(held_other)
    other.write_bytes(held_one)


def gone(folder):
    next(folder.glob("*.rows")).unlink()


def linked(folder):
    path = next(folder.glob("*.index"))
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")


def emptied(folder):
    for path in folder.iterdir():
        path.unlink()


def of_another_pipeline(folder):
    """Its files, under the names of these."""
    names = sorted(path.stem for path in folder.glob("*.index"))
    emptied(folder)
    filled(folder, 60)
    for path, name in zip(sorted(folder.glob("*.index")), names, strict=False):
        path.with_suffix(".rows").rename(folder / f"{name}.rows")
        path.rename(folder / f"{name}.index")


@pytest.mark.parametrize("harm", [cut_short, index_cut_short, swapped, gone, linked, emptied, of_another_pipeline])
def test_copies_that_are_not_as_the_checkpoint_says_are_passed_over(tmp_path, harm):
    """All of them, not some: what is open is then read from the log."""
    listed, open_ = filled(tmp_path)
    harm(tmp_path)
    assert refused(tmp_path, listed, open_)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 16, "0123456789abcdef0"])
def test_a_name_that_is_none_of_ours_is_not_opened(tmp_path, name):
    """Not even a signed one."""
    assert refused(tmp_path, [Listed(name, 0, 0, b"")], set())


def test_what_a_process_does_after_its_cut_harms_no_successor(tmp_path):
    """One that lives on unawares appends to its own files, and its successor never to those."""
    zombie = files_in(tmp_path)
    zombie.add([entry(n) for n in range(10)])
    listed = zombie.listed()
    owner = files_in(tmp_path)
    owner.recall(listed, opened(range(10)))
    zombie.add([entry(n) for n in range(10, 40)])
    owner.add([(f"é{n}", b"mine", b"mine", n, n, None, n) for n in range(10, 40)])

    assert {owner.find(f"é{n}").value for n in range(10, 40)} == {b"mine"}
    third = files_in(tmp_path)
    third.recall(owner.listed(), opened(range(40)))
    assert {third.find(f"é{n}").value for n in range(10, 40)} == {b"mine"}
    assert held(third, range(10)) == set(range(10))
    for files in (zombie, owner, third):
        files.close()


def test_files_that_no_checkpoint_names_are_removed(tmp_path):
    """Those of a lineage that was given up; nothing else in the folder is touched."""
    listed, open_ = filled(tmp_path)
    filled(tmp_path)
    (tmp_path / "lock").touch()
    (tmp_path / "notes.rows").touch()
    files = files_in(tmp_path)
    files.recall(listed, opened(open_))
    names = {f"{each.name}.{kind}" for each in listed for kind in ("index", "rows")}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "lock", "notes.rows"}
    files.close()


def test_files_are_the_owners_alone(tmp_path):
    """They hold users' features; tables of ids have no name at all."""
    filled(tmp_path / "pending")
    assert stat.S_IMODE((tmp_path / "pending").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pending").iterdir()} == {0o600}
    assert {path.suffix for path in (tmp_path / "pending").iterdir()} == {".index", ".rows"}


def test_disk_is_bounded_by_what_is_pending(tmp_path):
    """Rows join in any order for ever; what is left of sparse files is moved, and they are removed."""
    chance, files, alive = random.Random(5), files_in(tmp_path), []
    for start in range(0, 6_000, 10):
        files.add([entry(n) for n in range(start, start + 10)])
        alive += range(start, start + 10)
        while len(alive) > 100:
            number = alive.pop(chance.randrange(len(alive)))
            files.remove(files.find(f"é{number}"))
        if start % 500 == 0:
            files.listed()
            for segment in files.retired():
                segment.remove()
    assert held(files, alive) == set(alive)
    assert sum(rows for rows, _ in files.segments()) <= 4 * len(alive)
    for segment in files.retired():
        segment.remove()
    assert len(list(tmp_path.iterdir())) <= 2 * 34
    assert len(files._tables) <= 14
    files.close()


def test_those_that_stay_for_long_do_not_keep_the_tables_of_those_that_go(tmp_path):
    """One row of a hundred stays for ever: tables of ids do not add up behind it."""
    files = files_in(tmp_path)
    for start in range(0, 5_000, 10):
        files.add([entry(n) for n in range(start, start + 10)])
        for n in range(start, start + 10):
            if n % 100:
                files.remove(files.find(f"é{n}"))
    assert held(files, range(5_000)) == set(range(0, 5_000, 100))
    assert len(files._tables) <= 14
    assert len(files._early) < 1_300
    files.close()


@contextmanager
def limited_file_size(size):
    """A write beyond it is cut short, and the next one refused, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_changes_nothing(tmp_path):
    """What could not be moved is still in memory; what a checkpoint names is still whole."""
    files = files_in(tmp_path)
    files.add([entry(n) for n in range(10)])
    listed = files.listed()
    with limited_file_size(2_000), pytest.raises(StoreAwayError, match="could not move pending predictions"):
        files.add([entry(n) for n in range(10, 60)])
    assert files.listed() == listed
    assert held(files, range(60)) == set(range(10))
    files.add([entry(n) for n in range(10, 20)])
    assert held(files, range(60)) == set(range(20))
    listed = files.listed()
    files.close()
    again = files_in(tmp_path)
    again.recall(listed, opened(range(20)))
    assert held(again, range(60)) == set(range(20))
    again.close()


def test_a_recall_that_nobody_waits_for_removes_nothing(tmp_path):
    """The partition may be with somebody else by now."""
    listed, open_ = filled(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    files = files_in(tmp_path)
    files.stop()
    with pytest.raises(RecallStopped):
        files.recall(listed, opened(open_))
    files.close()
    assert {path.name for path in tmp_path.iterdir()} == before


def test_rows_of_one_block_are_checked_apart():
    """Two rows never share a check: one cannot stand for the other."""
    rows = block_of([entry(1), entry(2)]).rows
    assert rows["check"][0].tobytes() != rows["check"][1].tobytes()
