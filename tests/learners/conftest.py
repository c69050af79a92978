"""The tests' own models, importable as a user's module is."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_models(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
