"""A store on this machine: files that are whole or absent, whenever the power goes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Step = Callable[[str], None]
"""Called between the steps of a write with the name of the one just done: tests die there."""

_DRAFT = ".tmp"


def _no_step(_: str) -> None:
    pass


class Folder:
    """Paths with `/` below one folder. Files are 0600, folders that it makes 0700."""

    def __init__(self, root: Path, at_step: Step = _no_step) -> None:
        self.root = root
        self._at_step = at_step

    def create(self, path: str, data: bytes) -> None:
        """Write a file that is durable and whole when this returns: draft, fsync, rename, fsync of the folder.

        One with the same bytes is our own attempt that failed at its last step: the folder is synced again.

        Raises:
            FileExistsError: there is another one. (A file's name belongs to one writer, by its claim: nobody can come
                between the look and the rename.)
        """
        final = self.root / path
        self._make(final.parent)
        if not final.exists():
            self._write(final, data)
        elif final.read_bytes() != data:
            raise FileExistsError(path)
        self._at_step("after_rename")
        _sync(final.parent)
        self._at_step("after_folder_fsync")

    def _write(self, final: Path, data: bytes) -> None:
        draft = final.with_name(f"{final.name}.{secrets.token_hex(4)}{_DRAFT}")
        self._at_step("before_tmp")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                self._at_step("after_tmp")
                os.fsync(descriptor)
            self._at_step("after_fsync")
            draft.rename(final)
        except OSError:  # a full disk must not be filled with drafts
            draft.unlink(missing_ok=True)
            raise

    def mark(self, path: str) -> None:
        """Make an empty file, durably and exclusively.

        Raises:
            FileExistsError: somebody else has.
        """
        final = self.root / path
        self._make(final.parent)
        os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _sync(final.parent)

    def read(self, path: str) -> bytes:
        """The whole file. FileNotFoundError if there is none."""
        return (self.root / path).read_bytes()

    def names(self, folder: str) -> list[str]:
        """Names in a folder, without drafts; nothing if there is no such folder."""
        with suppress(FileNotFoundError):
            return [name for name in os.listdir(self.root / folder) if not name.endswith(_DRAFT)]  # noqa: PTH208 - five times faster
        return []

    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""
        (self.root / path).unlink(missing_ok=True)

    def sweep(self, folder: str, stale: Callable[[str, float], bool]) -> None:
        """Delete drafts left by a crash, those whose name and time of change (seconds) `stale` accepts."""
        with suppress(FileNotFoundError):
            for name in os.listdir(self.root / folder):  # noqa: PTH208 - five times faster
                path = self.root / folder / name
                with suppress(FileNotFoundError):
                    if name.endswith(_DRAFT) and stale(name, path.stat().st_mtime):
                        path.unlink()

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable; without it a renamed file may be gone after a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
