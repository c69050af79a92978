"""A store in an object store, by fsspec: one create-only put per object, never an overwrite."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from streams.errors import ConfigError


class ObjectBucket:
    """Keys with `/` below a prefix of an fsspec file system."""

    def __init__(self, system: Any, root: str) -> None:  # noqa: ANN401 - fsspec has no types
        self._system = system
        self._root = root.rstrip("/")

    def create(self, path: str, data: bytes) -> None:
        """Put an object. FileExistsError if there is another one; our own put that was retried counts as done."""
        try:
            self._put(path, data)
        except FileExistsError:
            if self.read(path) != data:
                raise

    def mark(self, path: str) -> None:
        """Put a small object exclusively.

        Raises:
            FileExistsError: somebody else has.
            ConfigError: this file system lets a second put through, so it cannot tell who was first.
        """
        self._put(path, secrets.token_bytes(16))
        with suppress(FileExistsError):
            self._put(path, secrets.token_bytes(16))
            raise ConfigError(
                "state.store", "must be a store that refuses to overwrite on request, got one that does not"
            )

    def read(self, path: str) -> bytes:
        """The whole object. FileNotFoundError if there is none."""
        data: bytes = self._system.cat_file(self._full(path))
        return data

    def names(self, folder: str) -> list[str]:
        """Names below a prefix; nothing if there are none."""
        self._system.invalidate_cache()  # others write here: a remembered listing would hide their claims
        try:
            found = self._system.ls(self._full(folder), detail=False)
        except FileNotFoundError:
            return []
        return [str(path).rstrip("/").rsplit("/", 1)[-1] for path in found]

    def remove(self, path: str) -> None:
        """Delete an object, if it is there."""
        with suppress(FileNotFoundError):
            self._system.rm_file(self._full(path))

    def sweep(self, folder: str, stale: Callable[[str, float], bool]) -> None:
        """Nothing: a put leaves no drafts."""

    def _put(self, path: str, data: bytes) -> None:
        self._system.pipe_file(self._full(path), data, mode="create")

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"
