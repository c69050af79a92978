"""When a process is unwell, and when it is ended: nothing moves, more and more waits, and nobody else is to blame."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import StalledError
from streams.kafka import watchdog
from streams.kafka.watchdog import LoopGuard, watch_progress
from streams.observability.health import GAP_S, Condition, Progress

AT = "shop.features/0"
SOON_S = 20.0
"""Nothing here takes so long."""


def after(*looks):
    """Seconds stalled after looks one second apart, each (position, lag, excuse)."""
    progress = Progress()
    for second, (position, lag, excuse) in enumerate(looks):
        progress.look(float(second), {AT: position}, lag, excuse)
    return progress.stalled_s


@pytest.mark.parametrize(
    ("what", "looks", "stalled_s"),
    [
        ("stuck while more comes", [(5, 0, ""), (5, 10, ""), (5, 20, ""), (5, 20, "")], 3.0),
        ("nothing to do", [(5, 0, "")] * 4, 0.0),
        ("slow, and losing ground", [(5, 10, ""), (6, 30, ""), (7, 90, ""), (8, 200, "")], 0.0),
        ("a lag that does not grow", [(5, 10, "")] * 4, 0.0),
        ("Kafka is away", [(5, 0, ""), (5, 9, "kafka"), (5, 90, "kafka"), (5, 900, "kafka")], 0.0),
        ("the state store is away", [(5, 0, ""), (5, 9, "the state store"), (5, 90, "the state store")], 0.0),
        ("a long restore", [(0, 10**6, "its state"), (0, 2 * 10**6, "its state")], 0.0),
        ("back, and at once behind", [(5, 900, "kafka"), (5, 900, ""), (5, 901, "")], 1.0),
        ("moved at last", [(5, 0, ""), (5, 10, ""), (6, 19, "")], 0.0),
    ],
)
def test_stalled_is_only_who_stands_still_while_more_waits(what, looks, stalled_s):
    """Each row is a story; whoever waits for another, or has nothing more to do, is well."""
    assert after(*looks) == stalled_s, what


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=40))
def test_an_excuse_anywhere_ends_the_count(steps):
    """The time stalled is that since the last excuse, whatever came before."""
    looks = [(5, 0, "")]
    lag = 0
    for more, excused in steps:
        lag += more
        looks.append((5, lag, "kafka" if excused else ""))
    since = next((place for place, (_, excused) in enumerate(reversed(steps)) if excused), len(steps))

    assert after(*looks) == float(since)


def test_a_process_that_was_stopped_was_not_stalled():
    """SIGSTOP for an hour, or a laptop asleep: it has had no time to move."""
    progress = Progress()
    progress.look(0.0, {AT: 5}, 0)
    progress.look(1.0, {AT: 5}, 10)
    progress.look(3_601.0, {AT: 5}, 9_999)

    assert progress.stalled_s == 1.0 + GAP_S


def test_healthy_and_ready_are_two_questions():
    """A restart helps the one that is unwell, and would only delay the one that restores."""
    restoring = Condition(state="restoring", ready=False, waits_for="its state")
    stuck = Condition(state="working", ready=True, stalled_s=61.04, well=False)

    assert restoring.answer(ready=False)[0] == 200
    assert restoring.answer(ready=True) == (
        503,
        {"ready": False, "state": "restoring", "waits_for": "its state"},
    )
    assert stuck.answer(ready=False) == (503, {"healthy": False, "state": "working", "stalled_seconds": 61.0})
    assert stuck.answer(ready=True)[0] == 200


class Stuck:
    """A member whose input grows and who takes nothing of it, with this excuse."""

    connection = None

    def __init__(self, end_after_ms, excuse=""):
        self.config = SimpleNamespace(health=SimpleNamespace(end_after_ms=end_after_ms))
        self.progress, self.waiting, self.told = Progress(), 0, excuse
        self.enough = asyncio.Event()

    def lag(self):
        self.waiting += 1
        if self.waiting == 50:
            self.enough.set()
        return {TP("shop.features", 0): self.waiting}

    def places(self):
        return {AT: 5}

    def excuse(self):
        return self.told


async def _nobody_answers(_member):
    await asyncio.Event().wait()


class Supervised:
    """Looks a thousand times as often, and keeps what would have ended the process for good."""

    def __init__(self, member):
        self.ends, self.member = [], member

    def watch(self):
        return watch_progress(self.member, look_s=0.001, ask=_nobody_answers, end=self.ends.append)


def test_a_process_that_gets_nowhere_ends_itself():
    """With the words that a supervisor's log shows, and an end that no hanging thread holds up."""
    supervised = Supervised(Stuck(50))
    with pytest.raises(StalledError, match=r"could not move for .* records wait"):
        asyncio.run(asyncio.wait_for(supervised.watch(), SOON_S))
    assert supervised.ends == [watchdog.GRACE_S]


@pytest.mark.parametrize("member", [Stuck(5, "the state store"), Stuck(0)], ids=["excused", "switched off"])
def test_whoever_is_excused_or_has_no_watchdog_goes_on(member):
    """An outage is waited for by whoever knows of it; `health.end_after = "0s"` never ends anybody."""
    supervised = Supervised(member)

    async def run():
        watching = asyncio.ensure_future(supervised.watch())
        await asyncio.wait({watching, asyncio.ensure_future(member.enough.wait())}, return_when="FIRST_COMPLETED")
        ended = watching.done()
        watching.cancel()
        return ended

    assert asyncio.run(run()) is False
    assert supervised.ends == []


def test_a_loop_that_does_not_turn_is_ended_by_a_thread():
    """Nothing inside the loop could."""
    ended = threading.Event()
    guard = LoopGuard(0.05, lambda _silent_s: ended.set(), look_s=0.005)
    try:
        assert ended.wait(SOON_S)
    finally:
        guard.stop()


def test_a_loop_that_turns_is_left_alone():
    """As long as it beats, and after it has been stopped in order."""
    ended = []
    guard = LoopGuard(2.0, ended.append, look_s=0.005)
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        guard.beat()
        time.sleep(0.005)
    guard.stop()

    assert ended == []
