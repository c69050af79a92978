"""The store that a configuration names, with its keys."""

from __future__ import annotations

from pathlib import Path

from streams.config import Config
from streams.state.keyring import Keyring
from streams.state.store import Store


def open_store(config: Config, *, create: bool = True) -> Store:
    """Open it; a local store makes its key file at the first start, unless it is only looked at (`create` false).

    Raises:
        ConfigError: the URL or the key cannot be used.
    """
    state = config.state
    url = state.store if "://" in state.store else str(config.path(Path(state.store)))
    key = state.key.get_secret_value() if state.key is not None else None
    local = "://" not in url or url.startswith("file://")
    keys = Keyring.from_settings(key, config.path(state.key_file), create=create and local)
    return Store(url, keys)
