"""Stores on both kinds of medium."""

import uuid

import fsspec
import pytest

from streams.state.keyring import Keyring
from streams.state.store import Store

KEYS = Keyring(b"k" * 32)


@pytest.fixture(params=["folder", "file url", "object store"])
def url(request, tmp_path):
    """Address of an empty store of each kind."""
    if request.param == "object store":
        root = f"memory://{uuid.uuid4().hex}/state"
        yield root
        fsspec.filesystem("memory").rm(root, recursive=True) if fsspec.filesystem("memory").exists(root) else None
    else:
        folder = tmp_path / "state"
        yield f"file://{folder}" if request.param == "file url" else str(folder)


@pytest.fixture
def store(url):
    """An empty store of each kind."""
    return Store(url, KEYS)
