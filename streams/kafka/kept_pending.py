"""Where a partition's copies of pending predictions are kept, and that nobody else writes there meanwhile."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import structlog

from streams.config import Config
from streams.kafka.folder_lock import FolderLock
from streams.state.pending_files import PendingFiles
from streams.state.pending_segment import names_in

log = structlog.get_logger()

_LOCK_S = 2.0
"""So long a neighbour on this machine may take to let go of a partition that it has lost."""
_AGAIN_S = 0.05
_DAY_MS = 86_400_000
_FILES = 16_384


class KeptPending(NamedTuple):
    """A partition's copies, ours until `lease` is closed."""

    files: PendingFiles
    lease: ExitStack


def folder_of(config: Config) -> Path:
    """Of this pipeline's partitions, on this machine."""
    return config.path(config.join.folder) / config.name


async def take_pending(config: Config, name: str, scratch: Path) -> KeptPending:
    """The copies of `task-<partition>`; where they cannot be kept, or somebody else has them, some in `scratch`."""
    folder, lease = folder_of(config) / name, ExitStack()
    _allow_files()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        until = time.monotonic() + _LOCK_S
        while (lock := FolderLock.take(folder)) is None and time.monotonic() < until:
            await asyncio.sleep(_AGAIN_S)
        why = "another process has them"
    except OSError as error:
        lock, why = None, str(error)
    if lock is None:
        log.warning("pending_not_kept", folder=str(folder), reason=why, effect="the next start reads them from Kafka")
        return KeptPending(PendingFiles(scratch / name), lease)
    lease.enter_context(lock)
    return KeptPending(PendingFiles(folder, kept=True), lease)


def sweep_left(config: Config, names: Collection[str]) -> None:
    """Remove copies of partitions that are not `names`, once nothing in them can be pending: they moved elsewhere."""
    before = time.time() - (config.labels.wait_ms + 2 * config.labels.grace_ms + _DAY_MS) / 1000
    with suppress(OSError):
        for folder in folder_of(config).iterdir():
            if folder.name in names or (lock := FolderLock.take(folder)) is None:
                continue
            with lock:
                for path in list(names_in(folder)):
                    if path.stat().st_mtime < before:
                        path.unlink(missing_ok=True)


def _allow_files() -> None:
    """A partition may have a hundred files open, and a shell's limit is often a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
