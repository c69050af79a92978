"""Checkpoints that do not fit what reads them are refused in words, never bent to fit."""

import pytest

from streams.errors import StateError
from streams.kafka.durable import VERSIONS, Identity, check_config, check_identity, check_versions
from streams.state.envelope import Header

HERE = Identity(cluster_id="a", topic_ids={"shop.features": "1"})


def test_a_checkpoint_of_another_river_is_learnt_anew_not_unpickled():
    """River's pickles break between minor versions; a patch release reads them."""
    major, minor, *_ = VERSIONS["river"].split(".")
    check_versions(Header(name="shard-0", versions={"river": f"{major}.{minor}.99"}), "shard-0")
    with pytest.raises(StateError, match=rf"got one of {major}\.1\.0: `millrace rebuild --shards`"):
        check_versions(Header(name="shard-0", versions={"river": f"{major}.1.0"}), "shard-0")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (Header(name="task-0", cluster_id="b"), "must come from this Kafka cluster"),
        (Header(name="task-0", cluster_id="a", topic_ids={"shop.features": "2"}), "deleted and made anew"),
    ],
)
def test_state_of_other_logs_is_refused(header, said):
    """Offsets mean nothing in another cluster, nor in a topic of the same name that was made anew."""
    with pytest.raises(StateError, match=said):
        check_identity(header, HERE, "task-0")


def test_a_changed_setting_is_named_with_both_values():
    """At 3 a.m. the message must say which line of the file to put back."""
    with pytest.raises(StateError, match=r"labels\.wait \('1h' → '2h'\)"):
        check_config({"labels.wait": "1h", "name": "shop"}, {"labels.wait": "2h", "name": "shop"}, "task-0")
