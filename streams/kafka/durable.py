"""One named state between its stage and the store: adopt the newest checkpoint, refuse what does not fit, write cuts.

For tasks and shards any valid checkpoint is good, whoever wrote it: it is a fold over the same logs. The first
checkpoint is written before anything is sent, so outputs without a checkpoint always mean that state was lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import msgspec
import structlog

from streams.config import Config, pinned
from streams.errors import StateError
from streams.kafka.keeping import kept
from streams.kafka.sending import settled
from streams.state.claims import next_generation
from streams.state.done import Bucket
from streams.state.envelope import Header
from streams.state.store import Loaded, Store

log = structlog.get_logger()

_ADOPTIONS = 5
VERSIONS = {name: version(name) for name in ("millrace", "river", "numpy")} | {"python": platform.python_version()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which cluster and which incarnation of each topic the state belongs to."""

    cluster_id: str
    topic_ids: Mapping[str, str]


def make_header(
    name: str,
    identity: Identity,
    settings: Mapping[str, Any],
    offsets: Mapping[str, int],
    objects: Sequence[str] = (),
) -> Header:
    """What a checkpoint says of itself; the store adds generation and sequence."""
    return Header(
        name=name,
        offsets=dict(offsets),
        cluster_id=identity.cluster_id,
        topic_ids=dict(identity.topic_ids),
        config_hash=hashlib.sha256(msgspec.json.encode(settings, order="deterministic")).hexdigest(),
        versions=VERSIONS,
        created_ms=int(time.time() * 1000),
        objects=tuple(objects),
    )


def pinned_by(config: Config, sections: Sequence[str]) -> dict[str, Any]:
    """The settings below these sections whose change is not harmless."""
    return {path: value for path, value in pinned(config).items() if path.split(".")[0] in sections or path in sections}


def rebuild_command(name: str) -> str:
    """The command that begins this state anew.

    >>> rebuild_command("task-3"), rebuild_command("monitor")
    ('millrace rebuild --tasks', 'millrace rebuild --monitor')
    """
    parts = {"task": "--tasks", "shard": "--shards", "monitor": "--monitor"}
    return f"millrace rebuild {parts[name.partition('-')[0]]}"


def check_identity(header: Header, identity: Identity, name: str) -> None:
    """Raises `StateError` when the checkpoint was written over other logs."""
    if header.cluster_id != identity.cluster_id:
        raise StateError(
            f"checkpoint {name} must come from this Kafka cluster, got one of another cluster: "
            "name another state.store, or start over with `millrace rebuild`"
        )
    for topic, topic_id in header.topic_ids.items():
        now = identity.topic_ids.get(topic)
        if now is not None and now != topic_id:
            raise StateError(
                f"checkpoint {name} must fit topic {topic}, got one that was deleted and made anew since: "
                "`millrace rebuild` folds the logs as they are now"
            )


def check_versions(header: Header, name: str) -> None:
    """Raises `StateError` when another River wrote the checkpoint: its pickles break between minor versions."""
    before, now = header.versions.get("river", VERSIONS["river"]), VERSIONS["river"]
    if before.split(".")[:2] != now.split(".")[:2]:
        raise StateError(
            f"checkpoint {name} must be written with River {now}, got one of {before}: "
            f"`{rebuild_command(name)}` learns the logged examples anew"
        )


def check_config(saved: Mapping[str, Any], now: Mapping[str, Any], name: str) -> None:
    """Raises `StateError` naming the settings that contradict the state."""
    changed = [
        f"{path} ({saved.get(path)!r} → {now.get(path)!r})"
        for path in sorted({*saved, *now})
        if saved.get(path) != now.get(path)
    ]
    if changed:
        raise StateError(
            f"checkpoint {name} must be written with these settings, got others now: {', '.join(changed)}. "
            f"Undo the change, run `{rebuild_command(name)}` to fold the logs with the new settings, or choose another "
            "name (`millrace check-config --effects` says what each setting takes)"
        )


class Durable:
    """Cuts of one state, written one at a time under one generation."""

    def __init__(
        self,
        store: Store,
        name: str,
        settings: Mapping[str, Any],
        identity: Identity,
        generation: int,
        loaded: Loaded | None,
    ) -> None:
        self.store, self.name, self.settings, self.identity = store, name, settings, identity
        self.generation, self.sequence = generation, 0
        self.buckets: list[Bucket] = []
        """Of the checkpoint that was loaded."""
        self._contents: list[bytes] = []
        self.state: dict[str, Any] | None = None
        if loaded is not None:
            check_identity(loaded.header, identity, name)
            check_versions(loaded.header, name)
            payload = msgspec.msgpack.decode(loaded.payload, strict=False)
            check_config(payload["settings"], settings, name)
            self.state = payload["state"]
            self.buckets = msgspec.convert(payload["buckets"], list[Bucket])
        self.lock = asyncio.Lock()
        self.saved_at = 0.0
        self.bytes_last = 0
        self.key_last = loaded.key if loaded is not None else ""

    @classmethod
    def adopt(cls, store: Store, name: str, settings: Mapping[str, Any], identity: Identity) -> Durable:
        """Open the next generation and load the newest checkpoint with its buckets; blocks on the store.

        Whoever took a generation meanwhile may have written, and pruned what was being read here: then it begins again
        behind that one, so that what is written here is newer than what it goes on from.

        Raises:
            StateError: there are checkpoints and none is whole, it does not fit, or others came between each time.
        """
        for _ in range(_ADOPTIONS):
            generation = next_generation(store, name)
            found = store.newest_whole(name)
            if found is None:
                return cls(store, name, settings, identity, generation, None)
            if found.checkpoint.position.generation < generation:
                adopted = cls(store, name, settings, identity, generation, found.checkpoint)
                adopted._contents = found.objects
                return adopted
        raise StateError(f"could not adopt {name}: another process has written a newer checkpoint {_ADOPTIONS} times")

    def bucket_contents(self) -> list[bytes]:
        """What the checkpoint's buckets hold, oldest first; handed over, since they may be large."""
        contents, self._contents = self._contents, []
        return contents

    async def save(
        self,
        state: bytes,
        offsets: Mapping[str, int],
        after: Sequence[asyncio.Future[Any]] = (),
        buckets: Sequence[Bucket] = (),
    ) -> str:
        """Write one cut, `state` in msgpack, once everything it rests on is acknowledged; answers its key."""
        async with self.lock:
            await settled(after)
            payload = msgspec.msgpack.encode(
                {"state": msgspec.Raw(state), "settings": self.settings, "buckets": buckets}
            )
            self.sequence += 1
            header = make_header(self.name, self.identity, self.settings, offsets, [bucket.path for bucket in buckets])
            self.key_last = await kept(self.store.write, self.name, self.generation, self.sequence, header, payload)
            self.saved_at = time.monotonic()
            self.bytes_last = len(payload)
            return self.key_last

    def newest_is_ours(self) -> bool:
        """Whether nobody has adopted this state since we did; blocks on the store."""
        return self.store.listing(self.name).generation == self.generation
