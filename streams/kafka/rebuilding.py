"""Writing the first checkpoints that a rebuild has decided on, and the gaps it accepts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.config import Config
from streams.errors import BrokerError, StateError
from streams.kafka.admin import Admin
from streams.kafka.durable import Durable, Identity, make_header, pinned_by
from streams.kafka.ranges import all_of
from streams.kafka.rebuild_survey import decoded
from streams.kafka.security import client_settings
from streams.messages import Prediction
from streams.rebuild import Gap, Logs, Plan, Step
from streams.reference_file import reference_from_file
from streams.state.claims import adopt, newest_on_lineage, next_generation
from streams.state.done import DoneIds
from streams.state.intervals import Intervals
from streams.state.offsets import OffsetSet
from streams.state.outbox import Outbox
from streams.state.pending import PendingStore
from streams.state.store import Store

log = structlog.get_logger()


def perform(config: Config, store: Store, identity: Identity, logs: Logs, decided: Plan) -> Iterable[str]:
    """Write one state after the other; yields a line when each is durable.

    A crash in between leaves states that are whole, old or new; one without any is refused by its process, and the
    rebuild is run again.

    Raises:
        BrokerError: published models could not be taken back.
    """
    shards = [step.number for step in decided.steps if step.part == "shards" and step.anew]
    _take_back_models(config, shards)
    for step in decided.steps:
        _record_gaps(store, step.name, step.gaps)
        if not step.anew:
            _move(config, store, identity, step)
        elif step.part == "tasks":
            _first_task(config, store, identity, step)
        elif step.part == "shards":
            _first_shard(config, store, identity, step)
        else:
            _first_monitor(config, store, identity, logs, step)
        yield f"{step.name}: {'begins anew' if step.anew else 'goes on'} at {_places(step.offsets)}"


def _take_back_models(config: Config, shards: Sequence[int]) -> None:
    """Tombstones on `models`: a follower takes greater versions only, and these begin again from the first example."""
    if not shards:
        return
    try:
        producer = KafkaProducer(
            **client_settings(config),
            client_id=f"millrace-{config.name}-rebuild",
            acks="all",
            allow_auto_create_topics=False,
            max_block_ms=10_000,
            bootstrap_timeout_ms=10_000,
        )
        try:
            for shard in shards:
                key = f"{config.name}/{shard}".encode()
                producer.send(config.topic("models"), key=key, value=None, partition=0).get(timeout=30)
        finally:
            producer.close(timeout=1)
    except (KafkaError, OSError, ValueError) as error:
        raise BrokerError(f"could not take the published models back: {error}") from error


def _places(offsets: Mapping[str, int]) -> str:
    return ", ".join(f"{place} {offset:,}" for place, offset in sorted(offsets.items()))


def _record_gaps(store: Store, name: str, gaps: Sequence[Gap]) -> None:
    """For ever, in the store beside the checkpoints; the counts are in the state's ledger as well."""
    for gap in gaps:
        told = {
            "name": name,
            "input": f"{gap.place[0]}/{gap.place[1]}",
            "start": gap.start,
            "stop": gap.stop,
            "at_ms": int(time.time() * 1000),
        }
        store.put_object("gaps", name, json.dumps(told).encode())
        log.warning("gap_accepted", **told)


def _words(gaps: Iterable[Gap]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for gap in gaps:
        counts[gap.word] = counts.get(gap.word, 0) + gap.stop - gap.start
    return counts


def _save(
    store: Store,
    name: str,
    settings: Mapping[str, Any],
    identity: Identity,
    state: Mapping[str, Any],
    offsets: Mapping[str, int],
) -> None:
    """The only checkpoint of a task or shard."""
    store.forget(name)

    async def write() -> None:
        durable = Durable.adopt(store, name, settings, identity)
        await durable.save(msgspec.msgpack.encode(state), offsets)

    asyncio.run(write())


def _first_task(config: Config, store: Store, identity: Identity, step: Step) -> None:
    from streams.kafka.owned_task import SECTIONS  # noqa: PLC0415 - Faust takes a second to import
    from streams.stages.decoding import Decoding  # noqa: PLC0415
    from streams.stages.task import Task, TaskConfig  # noqa: PLC0415

    labels = config.labels
    join = TaskConfig(
        wait_ms=labels.wait_ms,
        early_ms=labels.early_ms,
        grace_ms=labels.grace_ms,
        dedupe_horizon_ms=config.join.dedupe_horizon_ms,
        features_topic=config.topic("features"),
        labels_topic=config.topic("labels"),
    )
    memory = PendingStore(config.join.memory_rows, None)
    task = Task(step.number, join, Decoding(config), memory, DoneIds(), None, step.offsets)
    task.ledger.update(_words(step.gaps))
    _save(store, step.name, pinned_by(config, SECTIONS), identity, task.dump(step.tail), step.offsets)


def _first_shard(config: Config, store: Store, identity: Identity, step: Step) -> None:
    from streams.kafka.owned_shard import SECTIONS, learner_from  # noqa: PLC0415 - River and Faust take seconds

    learner = learner_from(config, step.number, None)
    learner.version = step.offsets[f"{config.topic('examples')}/{step.number}"]
    learner.ledger.update(_words(step.gaps))
    _save(store, step.name, pinned_by(config, SECTIONS), identity, learner.dump(), step.offsets)


def _first_monitor(config: Config, store: Store, identity: Identity, logs: Logs, step: Step) -> None:
    """A new history. What tasks say again of events and labels from before it is no news to it."""
    from streams.kafka.owned_watch import NAME, SECTIONS  # noqa: PLC0415 - Faust takes a second to import
    from streams.stages.watch import Watch  # noqa: PLC0415 - SciPy takes a second
    from streams.stages.watch_state import WatchState, pack_watch  # noqa: PLC0415

    known = {f"{config.topic('features')}/{partition}": above for partition, above in logs.predicted.items()}
    known |= {f"{config.topic('labels')}/{partition}": above for partition, above in logs.labelled.items()}
    reference = reference_from_file(config)
    watch = Watch(config, {"next": dict(step.offsets), "high_ms": {}, "known": known}, reference)
    if reference is not None:
        store.put_object("references", NAME, reference.to_bytes())
    settings = pinned_by(config, SECTIONS)
    store.forget(NAME)
    claim = adopt(store, NAME)
    payload = pack_watch(WatchState(watch, Outbox(), settings), 1)
    store.write(NAME, claim.generation, 1, make_header(NAME, identity, settings, step.offsets), payload)


def _move(config: Config, store: Store, identity: Identity, step: Step) -> None:
    """The newest checkpoint again, its positions moved and the gap in its ledger."""
    monitor = step.part == "monitor"
    loaded = newest_on_lineage(store, step.name) if monitor else store.newest(step.name)
    if loaded is None:
        raise StateError(f"checkpoint {step.name} must stay while it is mended, got none: does something else run?")
    payload = msgspec.msgpack.decode(loaded.payload, strict=False)
    state = payload["state"]
    state["next"] = (
        step.offsets[f"{config.topic('examples')}/{step.number}"] if step.part == "shards" else dict(step.offsets)
    )
    counts = state["delays"]["counts"] if monitor else state["ledger"]
    for word, count in _words(step.gaps).items():
        counts[word] = counts.get(word, 0) + count
    if step.part == "tasks" and step.tail != state["tail"]:
        state["tail"] = step.tail
        state["open"], lost = _still_logged(config, step, state)
        state["ledger"]["expired"] = state["ledger"].get("expired", 0) + lost
    header = make_header(step.name, identity, payload["settings"], step.offsets, loaded.header.objects)
    generation = adopt(store, step.name).generation if monitor else next_generation(store, step.name)
    store.write(step.name, generation, 1, header, msgspec.msgpack.encode(payload))


def _still_logged(config: Config, step: Step, state: Mapping[str, Any]) -> tuple[list[int], int]:
    """Pending sources whose prediction is still in the log, and how many are not: no label can join those any more."""
    waiting = OffsetSet.from_saved(state["open"])
    place = (config.topic("predictions"), step.number)
    with Admin(config) as admin:
        end = admin.end_offsets([place[0]])[place]
    kept = Intervals()
    for record in all_of(config, {place: (step.tail, end)}):
        told = decoded(record, Prediction)
        if told is not None and told.source in waiting:
            kept.add(told.source)
    return kept.to_list(), len(waiting) - kept.count()
