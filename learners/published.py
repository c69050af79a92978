"""A published model out of its file: the signature first, then the allowlist, then River."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fsspec
import msgspec

from learners.allowlist import Allowlist
from learners.candidates import load_models
from learners.pipelines import Model
from learners.sealed import key_id, unseal

KEY_BYTES_MIN = 32


def load_model(
    place: str | Path, key: str | bytes | Path, *, candidate: str | None = None, modules: Sequence[str] = ()
) -> Model:
    """A River model as a worker has published it, with all that it has learnt: a copy, teach it what you like.

    `place` is a snapshot's file, or any URL of fsspec's: what a record of `models` names in `snapshot`, below
    `state.store`. `key` is what signs the state, or the path of the key file. `candidate` names one where the
    snapshot holds several. For a model of one's own, `modules` are those of its classes, imported already. A binary
    model answers True for the positive label, one of several classes the place in `target.labels`.

    Raises:
        ValueError: it is not genuine, no snapshot of models, or has no such candidate.
        OSError: there is no such file.
    """
    with fsspec.open(str(place), "rb") as file:
        blob = file.read()
    keys = {key_id(each): each for each in _keys(key)}
    header, payload = unseal(blob, keys.get)
    told = msgspec.msgpack.decode(header)
    if told.get("kind") != "object" or not str(told.get("name")).startswith("snapshots/"):
        raise ValueError(f"{place} must be a snapshot of models, got {told.get('kind')} {told.get('name')}")
    models = load_models(payload, Allowlist(modules=tuple(modules)))
    wanted = candidate or (next(iter(models)) if len(models) == 1 else "")
    if wanted not in models:
        raise ValueError(f"candidate must be one of {', '.join(models)}, got {candidate!r}")
    return models[wanted]


def _keys(given: str | bytes | Path) -> list[bytes]:
    text = given.read_text(encoding="utf-8") if isinstance(given, Path) else given
    data = text.encode() if isinstance(text, str) else text
    found = [line.strip() for line in data.splitlines() if line.strip() and not line.startswith(b"#")]
    if not found or min(map(len, found)) < KEY_BYTES_MIN:
        raise ValueError(f"key must hold keys of at least {KEY_BYTES_MIN} bytes, got something shorter")
    return found
