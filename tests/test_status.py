"""The status tree: what is counted, what is checked, and what is not known."""

from __future__ import annotations

import pytest

from streams.config import Config
from streams.messages import ModelVersion
from streams.status import KafkaFacts, StateFacts, assemble, ledger


@pytest.fixture
def config():
    """One partition, one shard."""
    return Config.model_validate(
        {
            "name": "shop",
            "topics": {"partitions": 1},
            "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
            "features": {"amount": "numeric"},
            "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        }
    )


def task(counts, labels, *, open_=(), waiting=None):
    """A task's checkpoint that has read so many labels."""
    state = {"ledger": counts, "open": list(open_), "waiting": waiting or {}}
    return StateFacts(name="task-0", created_ms=1, offsets={"shop.features/0": 9, "shop.labels/0": labels}, state=state)


def identities(config, facts, begin=0):
    """`holds` of each, by what is counted."""
    told = ledger(config, [facts], {("shop.labels", 0): begin})
    return {identity["total"]: identity["holds"] for identity in told["identities"]}


COUNTS = {"predicted": 5, "joined": 2, "expired": 1, "orphan": 1, "label_dead": 1}


def test_both_identities_hold_for_a_whole_ledger(config):
    """Pending and waiting are counted from the state."""
    facts = task(COUNTS, 5, open_=[3, 2], waiting={"a": [[1, 2, "yes", b"", False]]})

    assert identities(config, facts) == {"predicted": True, "labels": True}


@pytest.mark.parametrize("change", [{"predicted": 6}, {"joined": 1}, {"expired": 2}])
def test_one_prediction_too_many_or_too_few_breaks_the_first(config, change):
    """It is exact."""
    assert identities(config, task(COUNTS | change, 5, open_=[3, 2]))["predicted"] is False


def test_more_labels_than_the_log_has_break_the_second_and_fewer_are_told(config):
    """Some offsets hold no record (transactions); a label counted twice has none."""
    assert identities(config, task(COUNTS, 3, open_=[3, 2]))["labels"] is False
    assert identities(config, task(COUNTS, 4, open_=[3, 2]))["labels"] is True
    told = ledger(config, [task(COUNTS, 6, open_=[3, 2])], {("shop.labels", 0): 0})["identities"][1]
    assert (told["holds"], told["others"]) == (True, 2)


def test_an_accepted_gap_counts_as_labels_that_are_gone(config):
    """The ledger holds how many."""
    assert identities(config, task(COUNTS | {"gap_labels": 6}, 10, open_=[3, 2]))["labels"] is True
    assert identities(config, task(COUNTS | {"gap_labels": 7}, 10, open_=[3, 2]))["labels"] is False


def test_what_retention_took_makes_the_second_unknown_not_broken(config):
    """Where the log begins later, nobody knows how many labels there were."""
    assert identities(config, task(COUNTS, 3, open_=[3, 2]), begin=1)["labels"] is None


def test_lag_is_from_committed_offsets_and_unknown_before_the_first(config):
    """A topic nobody committed on has not begun: that is not a lag of 0."""
    features, labels = ("shop.features", 0), ("shop.labels", 0)
    kafka = KafkaFacts(
        begins={features: 0, labels: 0},
        ends={features: 30, labels: 10},
        ends_before={features: 10, labels: 10},
        seconds=2.0,
        committed={"worker": {features: 12}},
        members={"worker": 1},
    )
    told = assemble(config, 1_000, kafka, [], "", [])

    assert told["worker"]["lag"] == {"features": 18, "labels": None, "examples": None}
    assert told["per_second"] == {"features": 10.0, "labels": 0.0, "predictions": None, "examples": None}
    assert told["monitor"]["members"] is None


def test_a_published_version_stands_in_where_there_is_no_checkpoint(config):
    """Another machine sees the topic and not the store."""
    version = ModelVersion("champion", 0, 40, 30, "path", "digest", 400, {"champion": {}})
    kafka = KafkaFacts(models=[version])
    told = assemble(config, 1_000, kafka, [StateFacts(name="shard-0")], "", [])["models"][0]

    assert (told["version"], told["learnt"], told["age_ms"]) == (40, 30, 600)
