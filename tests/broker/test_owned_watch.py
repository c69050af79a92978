"""The monitor's stage: durable before it is told, told at once when urgent, and only while the history is ours."""

import asyncio
import threading
import time
from collections import deque

import pytest
from offline_worker import CONFIG, Consumer, Producer

from streams.errors import StateError
from streams.kafka.durable import Identity
from streams.kafka.inputs import Inputs
from streams.kafka.monitor import Monitor
from streams.kafka.owned_watch import BUFFER_ROWS, NAME, OwnedWatch
from streams.messages import Alert, BudgetMetrics, Cut, Hurt, WindowMetrics
from streams.stages.watch import Seen, Watch
from streams.stages.watch_state import load_watch
from streams.state.claims import adopt
from streams.state.keyring import Keyring
from streams.state.store import Store

SELDOM = CONFIG.model_copy(update={"state": CONFIG.state.model_copy(update={"checkpoint_every_ms": 3_600_000})})
"""No checkpoint but for a reason."""
SOON_S = 20.0
"""Nothing here takes so long."""


class Disk:
    """Holds up a write while it is closed."""

    def __init__(self):
        self.open, self.writing = threading.Event(), threading.Event()
        self.open.set()

    def __call__(self, step):
        if step == "before_tmp":
            self.writing.set()
            assert self.open.wait(SOON_S)


class Scripted(Watch):
    """Finds out what it is told to, one thing at a step."""

    def __init__(self):
        super().__init__(SELDOM, {"next": {}, "high_ms": {}})
        self.script = deque()

    def step(self, _limit):
        return self.script.popleft() if self.script else None


class Careful(Producer):
    """Looks at the store whenever something is told."""

    def __init__(self, store):
        super().__init__()
        self.store, self.told, self.too_soon = store, [], []

    async def send(self, topic, *, value, key, partition, headers):
        loaded = self.store.newest(NAME)
        kept = load_watch(SELDOM, self.store, loaded.payload).outbox.unpublished() if loaded is not None else []
        self.told.append(key.decode())
        if value not in [record.payload for record in kept]:
            self.too_soon.append(key.decode())
        return await super().send(topic, value=value, key=key, partition=partition, headers=headers)


class OfflineMonitor(Monitor):
    """Everything but the group and the broker, at the beginning of a history."""

    producer = consumer = None  # instead of the app's

    def __init__(self, folder):
        self.disk = Disk()
        store = Store(str(folder / "state"), Keyring(b"k" * 32), at_step=self.disk)
        super().__init__(SELDOM, {}, Identity(cluster_id="c", topic_ids={}), store)
        self.temporary.cleanup()
        self.producer, self.consumer = Careful(store), Consumer()
        self.watch = OwnedWatch(self)
        self.watch.claim = adopt(store, NAME)
        self.watch.watch = Scripted()
        self.watch.inputs = Inputs(self, self.watch.watch.merge.inputs, BUFFER_ROWS)
        self.watch.cut_at = time.monotonic()
        self.watch.start(parked=True)

    async def seek_and_resume(self, positions):
        pass

    async def show_progress(self, offsets):
        pass

    def find_out(self, **found):
        """The next step ends with this; so far nobody knows."""
        self.watch.watch.script.append(Seen(rows=1, **found))
        self.kick()

    async def until(self, true):
        """Fails with what ended the process, or when it takes too long."""
        async with asyncio.timeout(SOON_S):
            while not true():
                if self.failed.done():
                    self.failed.result()
                await asyncio.sleep(0.001)


def alert(name):
    return Alert(
        id=f"{name}/started/1",
        incident=name,
        phase="started",
        severity="warning",
        title="a feature has changed",
        subjects=[],
        since_ms=0,
        cut=Cut(name, {}),
        since={},
        hurt=Hurt(verdict="unknown", words="unknown: no labels yet", examples_before=0, examples_since=0),
        false_alarms="1 per 100000 events",
        events=0,
        repeats=0,
        model="champion",
        version=0,
        report=None,
    )


def window(name):
    return WindowMetrics(
        id=name,
        window=1,
        cut=Cut(name, {}),
        rows=1,
        from_ms=0,
        to_ms=0,
        verdict="stable",
        columns=[],
        quality={},
        labels={},
        alarms=[],
        incident=None,
        reference="",
        told=[],
        budget=BudgetMetrics(
            false_alarms="1 per 100000 events",
            events_per_alarm=None,
            standing="",
            events=0,
            examples=0,
            alarms=0,
            loss=None,
        ),
    )


def test_an_alert_is_durable_before_it_is_told_and_is_not_kept_waiting(tmp_path):
    """However seldom checkpoints are: an alert is a reason for one."""

    async def run():
        monitor = OfflineMonitor(tmp_path)
        monitor.disk.open.clear()
        monitor.find_out(alerts=[alert("first")])
        await monitor.until(monitor.disk.writing.is_set)
        before = list(monitor.producer.told)
        monitor.disk.open.set()
        await monitor.until(lambda: monitor.producer.told)
        await monitor.park()
        return before, monitor.producer.told, monitor.producer.too_soon

    assert asyncio.run(run()) == ([], ["first"], [])


def test_an_alert_that_comes_while_a_checkpoint_is_written_has_the_next_one_at_once(tmp_path):
    """It is in no checkpoint yet, so it must not go out with this one; nor wait for the next hour."""

    async def run():
        monitor = OfflineMonitor(tmp_path)
        monitor.disk.open.clear()
        monitor.find_out(alerts=[alert("first")])
        await monitor.until(monitor.disk.writing.is_set)
        monitor.find_out(alerts=[alert("second")])
        await monitor.until(lambda: not monitor.watch.watch.script)
        monitor.disk.open.set()
        await monitor.until(lambda: len(monitor.producer.told) == 2)
        await monitor.park()
        return monitor.producer.told, monitor.producer.too_soon

    assert asyncio.run(run()) == (["first", "second"], [])


def test_what_is_not_urgent_is_told_at_the_end_at_the_latest(tmp_path):
    """A window alone is no reason for a checkpoint; a clean stop leaves nothing for the successor to say."""

    async def run():
        monitor = OfflineMonitor(tmp_path)
        await monitor.until(lambda: monitor.watch.ready)
        monitor.find_out(metrics=[window("w1")])
        await monitor.until(lambda: not monitor.watch.watch.script)
        before = list(monitor.producer.told)
        await monitor.park()
        return before, monitor.producer.told, monitor.producer.too_soon

    assert asyncio.run(run()) == ([], ["w1"], [])


def test_a_monitor_whose_history_was_adopted_tells_nothing_and_ends(tmp_path):
    """Its checkpoints are on no lineage any more: what it told would be in no history."""

    async def run():
        monitor = OfflineMonitor(tmp_path)
        await monitor.until(lambda: monitor.watch.ready)
        adopt(monitor.store, NAME)
        monitor.find_out(alerts=[alert("first")])
        with pytest.raises(StateError, match="adopted by another process"):
            await monitor.until(lambda: monitor.producer.told)
        return monitor.producer.told

    assert asyncio.run(run()) == []
