"""The second lock: who has the key can sign anything, and still runs nothing here.

A checkpoint, a published snapshot and the monitor's detectors hold pickles. Each attack is signed as the product signs,
loaded as the product loads it, and would work if pickle itself read it: that is shown, too.
"""

from __future__ import annotations

import asyncio
import functools
import os
import pickle
import random
import uuid
from collections import OrderedDict, defaultdict
from dataclasses import dataclass

import msgspec
import pytest

from streams.config import Config
from streams.errors import StateError
from streams.kafka.durable import Durable, Identity, make_header
from streams.kafka.owned_shard import learner_from
from streams.stages.candidates import build_candidates
from streams.stages.watch import Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch
from streams.state.claims import adopt
from streams.state.keyring import Keyring
from streams.state.outbox import Outbox
from streams.state.store import Store

LEAKED = Keyring(b"leaked " * 5)
HERE = Identity(cluster_id="c", topic_ids={})
CONFIG = Config.model_validate(
    {
        "name": "shop",
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"x": "numeric"},
        "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        "drift": {"loss_detectors": ["adwin"]},  # pickles of the monitor
    }
)


class Calls:
    """A pickle that calls `function(*arguments)` when loaded."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def named(module, name, argument):
    """A pickle that takes `name` from `module` as it stands, dots and all, and calls it."""
    words = [b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name, argument)]
    return b"\x80\x04" + words[0] + words[1] + b"\x93" + words[2] + b"\x85R."


def plainly(thing):
    return pickle.dumps(thing, 5)


class Planted(random.Random):
    """An allowed class's place taken by one that is not."""

    def __reduce__(self):
        return os.system, (self.command,)


def planted(command):
    thing = Planted()
    thing.command = command
    return thing


ATTACKS = {
    "os.system by reduce": lambda command: plainly(Calls(os.system, command)),
    "in the old protocol": lambda command: pickle.dumps(Calls(os.system, command), 0),
    "among a model's values": lambda command: plainly(OrderedDict(weights=[0.1, {"x": Calls(os.system, command)}])),
    "in an allowed global that calls": lambda command: plainly(Calls(functools.partial(os.system, command))),
    "as a default factory": lambda command: plainly(
        Calls(defaultdict.__missing__, defaultdict(functools.partial(os.system, command)), "absent")
    ),
    "as an argument of an allowed call": lambda command: plainly(Calls(int, Calls(os.system, command))),
    "in the place of a generator": lambda command: plainly({"rng": planted(command)}),
    "dots through an allowed class": lambda command: named("random", "Random.seed.__globals__.get", command),
    "dots through an allowed module": lambda command: named("random", "_os.system", command),
    "dots through our own loader": lambda command: named("learners.snapshots", "sys.modules.get", command),
    "what an allowed module defines besides": lambda command: named("builtins", "eval", _code(command)),
    "a class of an allowed module": lambda command: named("statistics", "Decimal", command),
    "a class of River's that opens files": lambda command: named("river.stream.cache", "Cache", command),
    "after a model that is genuine": lambda command: plainly([3.0, Calls(int, "1"), Calls(exec, _code(command))]),
}
HARMLESS = {
    "dots through an allowed class",
    "dots through our own loader",
    "a class of an allowed module",
    "a class of River's that opens files",
}
"""These call what they must not reach, and leave no file."""


def _code(command):
    return f"__import__('os').system({command!r})"


def swap(value, blob):
    """The same document with every pickle in it replaced."""
    if isinstance(value, bytes) and value[:1] == b"\x80" and value[-1:] == b".":
        return blob
    if isinstance(value, bytes) and value[:1] > b"\x80":  # packed in its turn
        try:
            return msgspec.msgpack.encode(swap(msgspec.msgpack.decode(value), blob))
        except msgspec.DecodeError:
            return value
    if isinstance(value, list):
        return [swap(one, blob) for one in value]
    if isinstance(value, dict):
        return {key: swap(one, blob) for key, one in value.items()}
    return value


@dataclass
class Reads:
    """One way by which a pickle comes back: what is genuine, and who loads it."""

    store: Store

    def shard(self, blob=None):
        """A worker takes over a model shard from its checkpoint."""
        document = msgspec.msgpack.decode(msgspec.msgpack.encode(learner_from(CONFIG, 0, None).dump()))
        state = msgspec.msgpack.encode(document if blob is None else swap(document, blob))
        assert blob is None or blob in state
        asyncio.run(Durable.adopt(self.store, "shard-0", {}, HERE).save(state, {}))
        return learner_from(CONFIG, 0, Durable.adopt(self.store, "shard-0", {}, HERE).state)

    def followed(self, blob=None):
        """A worker predicts with a version that another one has published."""
        document = msgspec.msgpack.decode(build_candidates(CONFIG).snapshot())
        snapshot = msgspec.msgpack.encode(document if blob is None else swap(document, blob))
        assert blob is None or blob in snapshot
        stored = self.store.put_object("snapshots", "shard-0", snapshot)
        return build_candidates(CONFIG, self.store.get_object(*stored))

    def monitor(self, blob=None):
        """A monitor takes over a history with the state of its detectors."""
        document = msgspec.msgpack.decode(pack_watch(WatchState(Watch(CONFIG), Outbox(), {}), 1))
        payload = msgspec.msgpack.encode(document if blob is None else swap(document, blob))
        assert blob is None or blob in payload
        claim = adopt(self.store, "monitor")
        self.store.write("monitor", claim.generation, 1, make_header("monitor", HERE, {}, {}), payload)
        loaded = adopt(self.store, "monitor").loaded
        return load_watch(CONFIG, self.store, loaded.payload)


@pytest.fixture
def reads():
    return Reads(Store(f"memory://{uuid.uuid4().hex}", LEAKED))


@pytest.mark.parametrize("way", ["shard", "followed", "monitor"])
def test_what_is_genuine_comes_back(reads, way):
    """Else the attacks below would be refused for another reason."""
    assert getattr(reads, way)()


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name not in HARMLESS])
def test_pickle_itself_would_run_them(attack, tmp_path):
    """An attack that is none proves nothing."""
    witness = tmp_path / "witness"
    pickle.loads(ATTACKS[attack](f"touch {witness}"))
    assert witness.exists()


@pytest.mark.parametrize("way", ["shard", "followed", "monitor"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malicious_pickle_signed_with_the_key_is_refused_and_runs_nothing(reads, way, attack, tmp_path):
    """The signature proves who wrote it; what a pickle may name is asked all the same."""
    witness = tmp_path / "witness"

    with pytest.raises(StateError, match=r"must name only allowed globals, got \S+"):
        getattr(reads, way)(ATTACKS[attack](f"touch {witness}"))

    assert not witness.exists()
