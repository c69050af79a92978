"""Published models as River's own, for notebooks: out of the store, their signature checked before they are read."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from learners.allowlist import Allowlist
from learners.candidates import load_models
from learners.catalog import factory_module
from streams.config import Config
from streams.errors import ConfigError, StateError
from streams.foreign import read_as
from streams.kafka.admin import Admin
from streams.kafka.frames import config_of
from streams.kafka.ranges import all_of
from streams.messages import ModelVersion
from streams.state.from_config import open_store


def load_model(
    snapshot: str | None = None,
    *,
    config: Config | Path | str = "millrace.toml",
    shard: int = 0,
    candidate: str | None = None,
) -> Any:
    """A published River model, with all that it has learnt: the champion's, or another candidate's.

    `snapshot` is that field of a record of `models`; None is the newest published version of the shard. It comes out
    of `state.store`, its signature is checked before anything is read, and what it may name is the exact list that
    workers go by. A binary model answers True for `target.positive`, one of several classes the place in
    `target.labels`. It is a copy: teach it what you like.

    Raises:
        StateError: there is none, or it is not genuine.
        ConfigError: no such candidate, or the store or its key cannot be used.
    """
    loaded = config_of(config)
    wanted = candidate or loaded.models.champion
    if wanted not in loaded.models.candidates:
        raise ConfigError("candidate", f"must be one of {', '.join(loaded.models.candidates)}, got {wanted!r}")
    place = snapshot or _newest(loaded, shard).snapshot
    blob = open_store(loaded, create=False).get_object(place, Path(place).stem)
    models = load_models(blob, Allowlist(modules=_own_modules(loaded)))
    if wanted not in models:
        raise StateError(f"snapshot {place} must hold {wanted}, got {', '.join(models)}")
    return models[wanted]


def _own_modules(config: Config) -> tuple[str, ...]:
    """Modules of the user's own models, imported: a snapshot imports nothing."""
    names = (factory_module(candidate.model) for candidate in config.models.candidates.values())
    found = tuple(dict.fromkeys(name for name in names if name is not None))
    root = str(config.root.resolve())
    if found and root not in sys.path:
        sys.path.insert(0, root)
    for name in found:
        import_module(name)
    return found


def _newest(config: Config, shard: int) -> ModelVersion:
    topic, newest = config.topic("models"), None
    with Admin(config) as admin:
        begins, ends = admin.begin_offsets([topic]), admin.end_offsets([topic])
    for record in all_of(config, {place: (begin, ends[place]) for place, begin in begins.items()}):
        if record.value is None:  # a rebuild began the shard anew: what came before is of another life
            if (record.key or b"").rpartition(b"/")[2] == b"%d" % shard:
                newest = None
            continue
        told = read_as(record.value, ModelVersion)
        if told is not None and told.shard == shard and (newest is None or told.version >= newest.version):
            newest = told
    if newest is None:
        raise StateError(f"{topic} must hold a version of shard {shard}, got none: nothing is published yet")
    return newest
