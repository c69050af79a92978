"""The keys that sign state: one that signs, and earlier ones that are still accepted."""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from learners.sealed import key_id
from streams.errors import ConfigError

KEY_BYTES_MIN = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys as bytes, at least 32 each; never shown by repr.

    To change keys, put the new one first and leave the old one behind it until every checkpoint and snapshot that it
    signed is gone.

    >>> ring = Keyring(current=b"n" * 32, others=(b"o" * 32,))
    >>> ring
    Keyring()
    >>> ring.find(key_id(b"n" * 32)) == b"n" * 32, ring.find(bytes(8)) is None
    (True, True)
    """

    current: bytes = field(repr=False)
    others: tuple[bytes, ...] = field(default=(), repr=False)
    _by_id: dict[bytes, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for key in (self.current, *self.others):
            if len(key) < KEY_BYTES_MIN:
                raise ConfigError("state.key", f"must be at least {KEY_BYTES_MIN} bytes long, got {len(key)}")
        object.__setattr__(self, "_by_id", {key_id(key): key for key in (self.current, *self.others)})

    def find(self, key_id: bytes) -> bytes | None:
        """The key of this id, None if it is not on the ring."""
        return self._by_id.get(key_id)

    @classmethod
    def from_settings(cls, value: str | None = None, file: Path | None = None, *, create: bool = False) -> Self:
        """Keys from the setting itself, or else from the key file; the first one signs.

        `value` holds keys separated by commas or white space. The file holds one per line; `create` makes it with a
        random key if it is absent, which only suits a store on this machine: processes elsewhere could not read what
        it signs.

        Raises:
            ConfigError: there is no key, one is too short, or others may read the file.
        """
        if value:
            return cls._from_texts("state.key", value.replace(",", " ").split())
        if file is None:
            raise ConfigError("state.key", "must be set where there is no state.key_file, got nothing")
        if create:
            _create(file)
        lines = [line.strip() for line in _read(file).splitlines()]
        return cls._from_texts("state.key_file", [line for line in lines if line and not line.startswith("#")])

    @classmethod
    def _from_texts(cls, path: str, texts: list[str]) -> Self:
        if not texts:
            raise ConfigError(path, "must hold at least one key, got none")
        keys = [text.encode() for text in texts]
        if any(len(key) < KEY_BYTES_MIN for key in keys):
            shortest = min(map(len, keys))
            advice = "`openssl rand -hex 32` makes one"
            raise ConfigError(
                path, f"must hold keys of at least {KEY_BYTES_MIN} bytes, got one of {shortest}: {advice}"
            )
        return cls(keys[0], tuple(keys[1:]))


def _create(file: Path) -> None:
    """Make a key file if there is none. Whole or not at all: another process may be starting at this moment."""
    if file.exists():
        return
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, secrets.token_hex(KEY_BYTES_MIN).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(draft, file)  # like O_EXCL, but nobody sees an empty file
        except FileExistsError:
            pass  # the other process was first: its key is the key
        finally:
            draft.unlink()
    except OSError as error:
        raise ConfigError("state.key_file", f"must be a file that can be made, got {error}") from error


def _read(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError as error:
        raise ConfigError("state.key_file", f"must be a file that can be read, got {error}") from error
    with os.fdopen(descriptor, encoding="utf-8") as opened:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if os.name == "posix" and mode & 0o077:
            raise ConfigError(
                "state.key_file", f"must be readable by its owner alone, got mode {mode:04o}: chmod 600 {file}"
            )
        try:
            return opened.read(65_536)
        except UnicodeDecodeError as error:
            raise ConfigError("state.key_file", "must be text, got other bytes") from error
