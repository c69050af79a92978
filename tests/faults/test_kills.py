"""SIGKILL at any moment: nothing lost, nothing learnt twice, no alert without its history. On a real Kafka."""

from __future__ import annotations

import functools
import os
import random
import time

import pytest
from pipeline_audit import broken_promises, collect
from pipeline_process import PATIENCE_S, Pipeline, until
from pipeline_records import lag
from pipeline_story import LOOK_S
from pipeline_traffic import Traffic

from streams.cli.main import run

KILLS = (("worker", ""), ("worker", "shift"), ("monitor", ""), ("worker", "turn"), ("worker", ""))
"""Who is killed, and how the traffic changes then."""
RATE = 400


@pytest.mark.broker
@pytest.mark.slow
def test_no_label_is_lost_or_learnt_twice_when_processes_are_killed(broker, pipeline_name, tmp_path, capsys):
    """Killed at random moments and started again at once, the pipeline keeps each promise of its guarantees."""
    seed = int(os.environ.get("MILLRACE_SEED") or time.time_ns() % 2**32)
    with capsys.disabled():
        print(f"\nseed {seed}: MILLRACE_SEED={seed} tells the same story again")  # noqa: T201 - how to repeat a failure
    chance = random.Random(seed)
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        running = {"worker": pipeline.start("worker"), "monitor": pipeline.start("monitor")}
        running["worker"].wait_for("task_restored", count=2)
        inputs = pipeline.topic("features"), pipeline.topic("labels")
        with Traffic(broker, *inputs, rate=RATE, seed=seed) as traffic:
            for role, change in KILLS:
                running[role].wait_for({"worker": "shard_restored", "monitor": "monitor_restored"}[role])
                time.sleep(chance.uniform(0, 2))
                running[role].kill()
                traffic.say(change)
                assert run(["verify", "--config", str(pipeline.config)]) == 0  # beside whatever still runs
                running[role] = pipeline.start(role)
            running["worker"].wait_for("task_restored", count=2)
            events = traffic.finish()
        left = functools.partial(lag, pipeline)
        until(
            lambda: not left(), PATIENCE_S, lambda: f"caught up, lacking {left()}", LOOK_S, lambda: sum(left().values())
        )
        assert [process.stop() for process in running.values()] == [0, 0]
        evidence = collect(pipeline)

    assert broken_promises(evidence) == []
    assert events > 1000
    assert len(evidence.examples) > 0.9 * events
    assert evidence.alerts
