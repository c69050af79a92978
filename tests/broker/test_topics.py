"""The topics' plan and its departures, without a broker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import Config
from streams.kafka.topics import Departure, TopicState, diff, topic_specs

DAY_MS = 86_400_000


def config(**tables) -> Config:
    return Config.model_validate(
        {
            "name": "fraud",
            "target": {"task": "regression"},
            "features": {"amount": "numeric"},
            "models": {"candidates": {"champion": {"model": "linear_regression"}}},
        }
        | tables
    )


def made(specs) -> dict[str, TopicState]:
    """A broker on which everything is as planned."""
    return {
        spec.name: TopicState(
            name=spec.name,
            topic_id="id",
            partitions=spec.partitions,
            replication=spec.replication,
            configs={"segment.bytes": "1073741824", **spec.configs},
        )
        for spec in specs
    }


def test_the_plan_is_the_table_of_the_design():
    """Names, partitions and what keeps the records: P for what is keyed by event, S for examples, 1 for the rest."""
    specs = topic_specs(config(topics={"partitions": 6, "shards": 2}))

    assert {spec.name: spec.partitions for spec in specs} == {
        "fraud.features": 6,
        "fraud.labels": 6,
        "fraud.predictions": 6,
        "fraud.examples": 2,
        "fraud.models": 1,
        "fraud.metrics": 1,
        "fraud.alerts": 1,
        "fraud.retrain": 1,
        "fraud.control": 1,
        "fraud.dead-letters": 6,
    }
    by_role = {spec.role: spec.configs for spec in specs}
    assert {configs["message.timestamp.type"] for configs in by_role.values()} == {"LogAppendTime"}
    assert by_role["models"]["cleanup.policy"] == "compact"
    assert by_role["examples"]["retention.ms"] == by_role["examples"]["retention.bytes"] == "-1"


@given(wait_ms=st.integers(0, 400 * DAY_MS))
def test_predictions_outlive_the_longest_wait_for_a_label_by_a_day(wait_ms):
    """The join is rebuilt from predictions: one that is awaited must not have been deleted."""
    specs = {spec.role: spec for spec in topic_specs(config(labels={"wait": f"{wait_ms}ms"}))}

    for role in ("predictions", "features", "labels"):
        assert int(specs[role].configs["retention.ms"]) >= wait_ms + DAY_MS
    assert specs["predictions"].floors["retention.ms"] == wait_ms + DAY_MS


@given(event_bytes=st.integers(1024, 8 * 1024 * 1024))
def test_whatever_an_input_topic_takes_fits_into_what_is_derived_from_it(event_bytes):
    """An event fits four times into a prediction's topic; a record too large for an event fits into dead-letters."""
    sizes = {
        spec.role: int(spec.configs["max.message.bytes"])
        for spec in topic_specs(config(input={"event_bytes_max": event_bytes}))
    }

    assert sizes["features"] > event_bytes
    assert sizes["features"] >= 2 * 1024 * 1024
    assert min(sizes["predictions"], sizes["examples"]) > 4 * event_bytes
    assert sizes["dead-letters"] > max(sizes["features"], sizes["labels"])


def test_writes_survive_the_loss_of_a_broker_where_there_are_three():
    """With one broker nothing may be asked that it cannot give."""
    alone, three = topic_specs(config()), topic_specs(config(topics={"replication": 3}))

    assert all("min.insync.replicas" not in spec.configs for spec in alone)
    assert {spec.configs["min.insync.replicas"] for spec in three} == {"2"}


@given(tables=st.fixed_dictionaries({"partitions": st.integers(1, 50), "replication": st.integers(1, 5)}))
def test_topics_made_as_planned_have_no_departure(tables):
    """`check` after `create` is silent, whatever the config."""
    specs = topic_specs(config(topics=tables))

    assert diff(specs, made(specs)) == []


PLAN = topic_specs(config())
SETTINGS = [(spec.name, key) for spec in PLAN for key in spec.configs]


@pytest.mark.parametrize(("topic", "key"), SETTINGS, ids=[f"{topic}-{key}" for topic, key in SETTINGS])
def test_each_wrong_setting_is_one_departure_with_the_command_that_mends_it(topic, key):
    """No setting of the plan is only written and never looked at."""
    actual = made(PLAN)
    wrong = {"message.timestamp.type": "CreateTime", "cleanup.policy": "delete,compact"}.get(key, "1000")
    actual[topic] = replace(actual[topic], configs={**actual[topic].configs, key: wrong})

    (found,) = diff(PLAN, actual, bootstrap="kafka:9092")

    wanted = next(spec.configs[key] for spec in PLAN if spec.name == topic)
    assert (found.topic, found.what, found.actual) == (topic, key, wrong)
    assert found.mend == (
        "kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics "
        f"--entity-name {topic} --add-config {key}={wanted}"
    )


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        ("fraud.predictions", "retention.ms", str(2 * DAY_MS)),
        ("fraud.predictions", "retention.ms", "-1"),
        ("fraud.features", "retention.ms", str(DAY_MS)),
        ("fraud.alerts", "max.message.bytes", "99999999"),
    ],
)
def test_more_than_is_needed_is_no_departure(topic, key, value):
    """An operator may keep records longer, or inputs shorter than we do by default, as long as nothing is lost."""
    actual = made(PLAN)
    actual[topic] = replace(actual[topic], configs={**actual[topic].configs, key: value})

    assert diff(PLAN, actual) == []


def test_a_missing_topic_is_made_by_us_and_a_missing_topic_of_the_users_is_not():
    """The mend never suggests that we write into somebody else's house."""
    specs = topic_specs(config(topics={"features": "shop.orders"}))

    found = {each.topic: each.mend for each in diff(specs, {})}

    assert len(found) == 10
    assert found["fraud.labels"] == "millrace topics create"
    assert "millrace topics create" not in found["shop.orders"]
    assert "topics.features" in found["shop.orders"]


def test_a_users_topic_is_asked_only_for_what_the_join_rests_on():
    """Its size limits and copies are its owner's business; its clock decides which label belongs to which event."""
    specs = topic_specs(config(topics={"features": "shop.orders", "replication": 3}))
    actual = made(specs)
    users = replace(actual["shop.orders"], replication=1, configs={"retention.ms": "-1", "cleanup.policy": "delete"})
    actual["shop.orders"] = replace(users, configs={**users.configs, "message.timestamp.type": "CreateTime"})

    assert [(each.what, each.actual) for each in diff(specs, actual)] == [("message.timestamp.type", "CreateTime")]


def test_features_and_labels_with_unequal_partitions_are_a_departure():
    """A label on another partition number than its event never meets it, and nothing else would say so."""
    actual = made(PLAN)
    actual["fraud.labels"] = replace(actual["fraud.labels"], partitions=3)

    found = diff(PLAN, actual)

    assert all(isinstance(each, Departure) and each.what == "partitions" for each in found)
    assert "fraud.labels: partitions must be 4, as many as fraud.features has, got 3" in [str(each) for each in found]


def test_fewer_copies_than_configured_are_a_departure_and_more_are_not():
    """Replication is a floor."""
    specs = topic_specs(config(topics={"replication": 2}))
    actual = made(specs)
    actual["fraud.examples"] = replace(actual["fraud.examples"], replication=1)
    actual["fraud.alerts"] = replace(actual["fraud.alerts"], replication=3)

    (found,) = diff(specs, actual)

    assert str(found) == "fraud.examples: replication must be at least 2, got 1"
