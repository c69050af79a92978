"""Where copies of pending predictions are kept, who may write there, and when they are given up."""

import asyncio
import os
import resource
import time

import pytest

from streams.config import Config
from streams.kafka import kept_pending
from streams.kafka.folder_lock import FolderLock
from streams.kafka.kept_pending import folder_of, sweep_left, take_pending


@pytest.fixture
def config(tmp_path):
    settings = {
        "name": "shop",
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"x": "numeric"},
        "labels": {"wait": "1h"},
        "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        "join": {"folder": "copies"},
    }
    return Config.model_validate(settings).model_copy(update={"root": tmp_path})


def taken(config, tmp_path):
    return asyncio.run(take_pending(config, "task-0", tmp_path / "scratch"))


def test_copies_are_kept_beside_the_config_by_pipeline_and_partition(config, tmp_path):
    """And a lease says that they are ours, until it is closed."""
    files, lease = taken(config, tmp_path)
    assert (files.kept, files.folder) == (True, tmp_path / "copies" / "shop" / "task-0")
    assert FolderLock.take(files.folder) is None
    lease.close()
    with FolderLock.take(files.folder):
        pass


def test_who_comes_second_keeps_nothing(config, tmp_path, monkeypatch):
    """A partition's files have one writer; the other one's copies go with it."""
    monkeypatch.setattr(kept_pending, "_LOCK_S", 0.0)
    _, lease = taken(config, tmp_path)
    files, _ = taken(config, tmp_path)
    assert (files.kept, files.folder) == (False, tmp_path / "scratch" / "task-0")
    lease.close()


def test_a_neighbour_that_lets_go_in_time_is_waited_for(config, tmp_path):
    """In a rebalance on one machine both are told at about the same time."""
    _, lease = taken(config, tmp_path)

    async def both():
        asyncio.get_running_loop().call_later(0.1, lease.close)
        return await take_pending(config, "task-0", tmp_path / "scratch")

    files, second = asyncio.run(both())
    assert files.kept
    second.close()


def test_a_folder_that_cannot_be_made_is_done_without(config, tmp_path):
    """Predictions wait in the temporary folder then."""
    (tmp_path / "copies").write_text("a file")
    files, _ = taken(config, tmp_path)
    assert not files.kept


def test_more_files_may_be_open_than_a_shell_allows(config, tmp_path):
    """Sixteen partitions of a hundred files each would not do with a thousand."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        _, lease = taken(config, tmp_path)
        lease.close()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_copies_of_partitions_that_left_are_removed_when_nothing_in_them_can_wait(config):
    """Not those of our own partitions, of a neighbour's, or of a partition that may come back in time."""
    old = time.time() - 3_600 - 86_400 - 60
    for name in ("task-0", "task-1", "task-2", "task-3"):
        folder = folder_of(config) / name
        folder.mkdir(parents=True)
        for kind in ("index", "rows"):
            (folder / f"{'0' * 16}.{kind}").touch()
            if name != "task-3":
                os.utime(folder / f"{'0' * 16}.{kind}", (old, old))
    with FolderLock.take(folder_of(config) / "task-1"):
        sweep_left(config, {"task-0"})
    left = {path.parent.name for path in folder_of(config).rglob("*.rows")}
    assert left == {"task-0", "task-1", "task-3"}
