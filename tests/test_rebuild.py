"""What a rebuild decides, from bounds and checkpoints alone."""

from __future__ import annotations

import pytest

from streams.config import Config
from streams.rebuild import PARTS, Gap, Known, Logs, plan


@pytest.fixture
def config():
    """Two partitions, one shard."""
    return Config.model_validate(
        {
            "name": "shop",
            "topics": {"partitions": 2},
            "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
            "features": {"amount": "numeric"},
            "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        }
    )


ROLES = {"features": 2, "labels": 2, "predictions": 2, "examples": 1}


def logs(begins=None, ends=None, **more):
    """Every log from 0 to 100 but those named `role/partition`."""
    places = {f"{role}/{p}": (f"shop.{role}", p) for role, count in ROLES.items() for p in range(count)}
    first = {at: (begins or {}).get(name, 0) for name, at in places.items()}
    return Logs(
        begins=first,
        ends={at: (ends or {}).get(name, 100) for name, at in places.items()},
        topic_ids=more.pop("topic_ids", {f"shop.{role}": role for role in ROLES}),
        starts={at: offset for at, offset in first.items() if at[0] in {"shop.features", "shop.labels"}},
        **more,
    )


def task(number=0, features=50, labels=50, **more):
    """A task's checkpoint."""
    offsets = {f"shop.features/{number}": features, f"shop.labels/{number}": labels}
    given = {"state": {"tail": 40}, "offsets": offsets, "topic_ids": {f"shop.{role}": role for role in ROLES}}
    return {f"task-{number}": Known(name=f"task-{number}", checkpoints=3, **(given | more))}


def test_everything_anew_begins_where_the_logs_begin_and_the_monitor_at_their_end(config):
    """Predictions and examples are read from their beginning: what is in the log is used, not made again."""
    decided = plan(config, logs({"predictions/1": 7}), {}, PARTS, accept_gap=False)
    by_name = {step.name: step for step in decided.steps}

    assert list(by_name) == ["task-0", "task-1", "shard-0", "monitor"]
    assert by_name["task-1"].offsets == {"shop.features/1": 0, "shop.labels/1": 0}
    assert by_name["task-1"].tail == 7
    assert by_name["shard-0"].offsets == {"shop.examples/0": 0}
    assert set(by_name["monitor"].offsets.values()) == {100}
    assert not decided.refusals


def test_what_was_read_may_fall_off_retention_and_what_was_not_may_not(config):
    """Only offsets between a position and the beginning of its log are a gap."""
    read = plan(config, logs({"features/0": 50}), task(features=50), PARTS, accept_gap=False)
    unread = plan(config, logs({"features/0": 51}), task(features=50), PARTS, accept_gap=False)

    assert not read.gaps
    assert not read.refusals
    assert [str(gap) for _, gap in unread.gaps] == ["shop.features/0 [50, 51)"]
    assert "--accept-gap" in unread.refusals[0]


def test_a_model_learnt_anew_from_part_of_the_examples_is_a_gap(config):
    """The fold would not be the one there was."""
    decided = plan(config, logs({"examples/0": 10}), {}, ["shards"], accept_gap=False)

    assert [gap.word for _, gap in decided.gaps] == ["gap_examples"]
    assert decided.refusals


def test_accepting_a_gap_alone_keeps_every_state_and_touches_only_what_lacks_input(config):
    """A task without a checkpoint, or with all its input, is left as it is."""
    known = task(0, features=10) | task(1, features=60)
    decided = plan(config, logs({"features/0": 20, "features/1": 20}), known, [], accept_gap=True)
    (step,) = decided.steps

    assert not step.anew
    assert step.name == "task-0"
    assert step.offsets == {"shop.features/0": 20, "shop.labels/0": 50}
    assert step.gaps == [Gap(role="features", place=("shop.features", 0), start=10, stop=20)]
    assert step.tail == 40
    assert not decided.refusals


def test_pending_predictions_that_fell_off_move_the_tail_and_no_position(config):
    """`tail` is where a restart reads predictions; the worker's own inputs are as they were."""
    decided = plan(config, logs({"predictions/0": 45}), task(), [], accept_gap=True)
    (step,) = decided.steps

    assert step.tail == 45
    assert step.offsets == {"shop.features/0": 50, "shop.labels/0": 50}
    assert [gap.word for gap in step.gaps] == ["gap_predictions"]


@pytest.mark.parametrize(("source", "output"), [("features", "predictions"), ("labels", "examples")])
def test_an_input_made_anew_is_refused_unless_its_output_is_new_or_empty(config, source, output):
    """Old offsets in the output would name other records."""
    ids = {f"shop.{role}": role for role in ROLES}
    anew = ids | {f"shop.{source}": "another"}
    empty = {f"{output}/{p}": 0 for p in range(ROLES[output])}

    def refused(topic_ids, ends=None):
        return plan(config, logs(ends=ends, topic_ids=topic_ids), task(), PARTS, accept_gap=True).refusals

    assert not refused(ids)
    assert f"shop.{source} was made anew" in refused(anew)[0]
    assert not refused(anew | {f"shop.{output}": "another"})
    assert not refused(anew, empty)


@pytest.mark.parametrize("reached", [{"predicted": {1: 101}}, {"labelled": {0: 101}}])
def test_outputs_that_speak_of_more_than_the_input_holds_are_refused(config, reached):
    """Without a checkpoint the topic's id is not known, but its end is."""
    exact = {name: dict.fromkeys(places, 100) for name, places in reached.items()}

    assert plan(config, logs(**reached), {}, PARTS, accept_gap=True).refusals
    assert not plan(config, logs(**exact), {}, PARTS, accept_gap=True).refusals


def test_settings_for_a_pipelines_life_are_not_changed_by_folding(config):
    """A setting that only asks for a rebuild is; one that asks for another name is named."""
    harmless = task(settings={"labels.wait": "2d", "topics.partitions": 2})
    for_life = task(settings={"topics.partitions": 3})

    assert not plan(config, logs(), harmless, PARTS, accept_gap=False).refusals
    assert "topics.partitions (3 → 2)" in plan(config, logs(), for_life, PARTS, accept_gap=False).refusals[0]
