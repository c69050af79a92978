"""What a rebuild decides, from bounds and checkpoints alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import Config
from streams.errors import StateError
from streams.kafka.reading import require_held
from streams.rebuild import PARTS, Gap, Known, Logs, plan

CONFIG = Config.model_validate(
    {
        "name": "shop",
        "topics": {"partitions": 2},
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"amount": "numeric"},
        "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
    }
)


@pytest.fixture
def config():
    """Two partitions, one shard."""
    return CONFIG


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


@pytest.mark.parametrize(
    ("start", "read", "begin", "folds_from"),
    [
        (100, 70, 0, 70),  # nothing predicted yet, so "latest" says the end of the log; 30 events came since
        (20, 70, 0, 20),  # predictions say where it began
        (0, 70, 0, 0),
        (100, 70, 80, 80),  # ten of them are gone: a gap, and told as one
    ],
)
def test_a_fold_never_begins_behind_what_was_read(config, start, read, begin, folds_from):
    """Else events that came while nothing ran would be passed over in silence."""
    looked = logs({"features/0": begin, "labels/0": begin})
    starts = {at: max(start, begin) for at in looked.starts}
    decided = plan(config, replace(looked, starts=starts), task(0, read, read), ["tasks"], accept_gap=True)

    assert decided.steps[0].offsets == {"shop.features/0": folds_from, "shop.labels/0": folds_from}
    assert [gap.stop - gap.start for gap in decided.steps[0].gaps] == ([10, 10] if begin else [])


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


class Broker:
    """Of a consumer, what tells where a log begins and ends."""

    def __init__(self, begin, end):
        self.begin, self.end = begin, end

    async def beginning_offsets(self, places):
        return dict.fromkeys(places, self.begin)

    async def end_offsets(self, places):
        return dict.fromkeys(places, self.end)


def refusal(begin, position):
    """What a start says whose state goes on at `position` of a log that holds [begin, 100)."""
    try:
        asyncio.run(require_held(Broker(begin, 100), "shop.any", 0, position))
    except StateError as error:
        return str(error)
    return ""


def readers(role, position):
    """Every state that reads on at `position` of the first partition of this role's topic, and at 50 of others."""
    at = {f"shop.{each}/{p}": 50 for each, count in ROLES.items() for p in range(count)} | {f"shop.{role}/0": position}
    tail = position if role == "predictions" else 50
    inputs = {"task-0": ("features", "labels"), "shard-0": ("examples",), "monitor": ("predictions", "examples")}
    known = {
        name: Known(
            name=name,
            offsets={
                place: offset for place, offset in at.items() if place.split("/")[0].removeprefix("shop.") in roles
            },
            state={"tail": tail},
        )
        for name, roles in inputs.items()
    }
    reads = [name for name, roles in inputs.items() if role in roles]
    return known, [*reads, "task-0"] if role == "predictions" else reads


@pytest.mark.parametrize("role", ROLES)
@given(begin=st.integers(0, 100), position=st.integers(0, 100))
def test_a_start_names_accept_gap_exactly_when_that_finds_something_to_accept(role, begin, position):
    """And what it then writes is what the next start can go on from."""
    known, reads = readers(role, position)
    decided = plan(CONFIG, logs({f"{role}/0": begin}), known, [], accept_gap=True)
    moved = {step.name: step for step in decided.steps}

    assert ("--accept-gap" in refusal(begin, position)) == bool(moved)
    assert sorted(moved) == (sorted(reads) if moved else [])
    for step in moved.values():
        place = f"shop.{role}/0"
        goes_on_at = step.tail if (step.name, role) == ("task-0", "predictions") else step.offsets[place]
        assert refusal(begin, goes_on_at) == ""
