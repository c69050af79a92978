"""What a store asks of the medium under it: the seam to folders and object stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from streams.errors import ConfigError, MillraceError, StateError
from streams.state.bucket import ObjectBucket
from streams.state.folder import Folder, Step


class StoreAwayError(StateError):
    """The medium did not do it: a full disk, a bucket that does not answer. Another try may succeed."""


class Place(Protocol):
    """Files by paths with `/`, below one root."""

    def create(self, path: str, data: bytes) -> None:
        """Durable and whole when it returns; FileExistsError if there is one."""

    def mark(self, path: str) -> None:
        """An empty file, exclusively: FileExistsError if somebody was first."""

    def read(self, path: str) -> bytes:
        """All of it, or FileNotFoundError."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names in a folder, none if it is absent."""
        ...

    def remove(self, path: str) -> None:
        """Delete, if it is there."""

    def sweep(self, folder: str, stale: Callable[[str, float], bool]) -> None:
        """Delete drafts of a crash whose name and time of change (seconds) are accepted."""


def open_place(url: str, at_step: Step | None) -> Place:
    """The medium that a URL names: a plain path and `file://` are folders.

    Raises:
        ConfigError: no fsspec file system answers to the URL.
    """
    try:
        system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise ConfigError("state.store", f"must be a folder or an fsspec URL, got {url!r}: {error}") from error
    if isinstance(system, LocalFileSystem):
        return Folder(Path(root), at_step) if at_step else Folder(Path(root))
    return ObjectBucket(system, root)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Whatever the medium raises becomes a `StoreAwayError`, `could not <what>`; our own errors pass."""
    try:
        yield
    except MillraceError:
        raise
    except Exception as error:  # each fsspec file system has exceptions of its own
        raise StoreAwayError(f"could not {what}: {type(error).__name__}: {error}") from error
