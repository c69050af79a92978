"""The verifier over the schedules of the protocol: it finds nothing where nothing is, and each mutation by itself."""

from __future__ import annotations

import random
from typing import NamedTuple

import msgspec
import pytest
from protocol_world import CONFIG, EARLY, GRACE, PARTITIONS, WAIT, World
from test_protocol import MUTATIONS

from streams.config import Config
from streams.topic_logs import MemoryLogs
from streams.verify.audit import audit
from streams.verify.evidence import Checkpoint, Evidence

SCHEDULES = 150
RULES = Config.model_validate(
    CONFIG.model_dump(by_alias=True, mode="json")
    | {
        "labels": {"wait": f"{WAIT}ms", "early": f"{EARLY}ms", "grace": f"{GRACE}ms"},
        "join": {"dedupe_horizon": "1000000s"},
    }
)
SKEW_MS = 3


class Letter(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple = ()


def logs_of(world, begins=None):
    """What the world's brokers hold, and a dead letter for each poisoned record."""
    topic, rows, letters = RULES.topic, {}, []
    for role, logs in (("features", world.features), ("labels", world.labels), ("predictions", world.predictions)):
        for p, log in enumerate(logs):
            rows[topic(role), p] = log
            if role != "predictions":
                letters += [f"{topic(role)}/{p}/{row.offset}".encode() for row in log if row.value == b"{poison"]
    rows[topic("examples"), 0] = world.examples
    rows[topic("dead-letters"), 0] = [Letter(n, 0, key, b"{poison") for n, key in enumerate(letters)]
    rows |= {(topic(role), 0): [] for role in ("metrics", "alerts", "retrain")}
    return MemoryLogs(rows, begins)


def evidence_of(world, chance=None, begins=None):
    """As of the last checkpoints; with `chance`, of any earlier ones, as beside a pipeline that goes on."""
    names = {"f": RULES.topic("features"), "l": RULES.topic("labels")}

    def pick(saved):
        return saved[-1] if chance is None else chance.choice(saved)

    tasks = {}
    for p in range(PARTITIONS):
        state = msgspec.msgpack.decode(pick(world.saved[p])[0], strict=False)
        offsets = {f"{names[place[0]]}/{p}": offset for place, offset in state["next"].items()}
        tasks[p] = Checkpoint(name=f"task-{p}", offsets=offsets, state=state, generation=2)
    state = msgspec.msgpack.decode(pick(world.saved[PARTITIONS]), strict=False)
    shard = Checkpoint(name="shard-0", offsets={f"{RULES.topic('examples')}/0": state["next"]}, state=state)
    return Evidence(config=RULES, logs=logs_of(world, begins), tasks=tasks, shards={0: shard})


def broken(evidence):
    return [(p.name, offence) for p in audit(evidence, SKEW_MS).broken for offence in p.offences]


def predicted_anew(evidence):
    """No fault in itself: an owner that lost its partition unawares may do it. Without one, nobody may."""
    return audit(evidence, SKEW_MS)["complete"].figures["repeated"]


@pytest.mark.parametrize("block", range(2))
def test_nothing_is_found_where_nothing_is_broken(block):
    """Crashes, zombies, lost tails, skew, duplicates, corrections, poison: at the end, and at any earlier moment."""
    for seed in range(block * SCHEDULES, (block + 1) * SCHEDULES):
        world = World(seed).run()
        assert broken(evidence_of(world)) == [], f"seed {seed}"
        assert world.zombies or not predicted_anew(evidence_of(world)), f"seed {seed}"
        assert broken(evidence_of(world, random.Random(seed))) == [], f"seed {seed}, as of earlier checkpoints"


def test_logs_that_lost_their_beginning_are_never_a_fault():
    """Retention takes any part of any log: less can be judged, and nothing is found that is not there."""
    unchecked = 0
    for seed in range(SCHEDULES):
        world, chance = World(seed).run(), random.Random(seed)
        whole = logs_of(world)
        begins = {
            place: chance.randrange(end + 1)
            for place, end in whole.ends.items()
            if end and chance.random() < 0.5 and not place[0].endswith("dead-letters")
        }
        findings = audit(evidence_of(world, chance, begins), SKEW_MS)
        assert [offence for p in findings.broken for offence in p.offences] == [], f"seed {seed}"
        unchecked += any(promise.unchecked for promise in findings.promises.values())
    assert unchecked > SCHEDULES / 2


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_mutation_of_the_protocol_is_found(mutation):
    """Whatever rule a worker breaks, its own logs and checkpoints give it away."""
    for seed in range(600):
        try:
            world = World(seed, **MUTATIONS[mutation]).run()
        except Exception:  # noqa: BLE001 - a state that refuses to go on leaves nothing to judge
            continue
        if broken(evidence_of(world)) or (not world.zombies and predicted_anew(evidence_of(world))):
            return
    pytest.fail(f"{mutation}: not found in 600 schedules")
