"""A group's leader gives out every partition, whatever it knows of the cluster at that moment."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata
from structlog.testing import capture_logs

from streams.kafka.assignors import Copartitioned, OneOwner

SIZES = {"p.features": 4, "p.labels": 4, "p.examples": 1}
APP = SimpleNamespace(
    sizes=SIZES, tracer=None, tables=SimpleNamespace(data={}, changelog_topics=set()), conf=SimpleNamespace()
)


class Cluster:
    """What a client knows of these topics."""

    def __init__(self, **sizes):
        self.sizes = {f"p.{name}": size for name, size in sizes.items()}

    def partitions_for_topic(self, topic):
        return set(range(self.sizes[topic])) if topic in self.sizes else None


def member(url):
    """As it joins: nothing is assigned to it yet."""
    empty = ClientAssignment(actives={}, standbys={})
    told = ClientMetadata(
        assignment=empty, url=url, changelog_distribution={}, external_topic_distribution={}, topic_groups={}
    )
    return ConsumerProtocolMemberMetadata(4, sorted(SIZES), told.dumps())


def assigned(kind, cluster):
    """(topic, partition) → the members that have it."""
    assignor = kind(APP, replicas=0)
    members = {name: member(f"http://{name}") for name in ("a", "b")}
    found = {}
    for name, given in assignor._perform_assignment(cluster, members).items():
        for topic, partitions in given.assignment:
            for partition in partitions:
                found.setdefault((topic, partition), []).append(name)
    return found


EVERYTHING = {(topic, partition) for topic, size in SIZES.items() for partition in range(size)}
CLUSTERS = {
    "all": Cluster(features=4, labels=4, examples=1),
    "nothing": Cluster(),
    "one input": Cluster(features=4, examples=1),
}


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS.keys())
@pytest.mark.parametrize("kind", [Copartitioned, OneOwner])
def test_every_partition_has_one_owner_though_the_leader_knows_no_topic(kind, cluster):
    """A broker that has just started answers without them; stock Faust then assigned nothing to anybody."""
    with capture_logs() as logs:
        found = assigned(kind, cluster)
    assert found.keys() == EVERYTHING
    assert all(len(owners) == 1 for owners in found.values())
    assert ["topics_not_seen"] * (cluster is not CLUSTERS["all"]) == [entry["event"] for entry in logs]


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS.keys())
def test_events_and_labels_of_a_partition_go_to_the_same_worker(cluster):
    """And the partitions to both of them alike."""
    with capture_logs():
        found = assigned(Copartitioned, cluster)
    owners = [found["p.features", partition] for partition in range(4)]
    assert owners == [found["p.labels", partition] for partition in range(4)]
    assert sorted(map(tuple, owners)) == [("a",), ("a",), ("b",), ("b",)]


def test_a_topic_of_another_size_is_taken_as_it_is():
    """What the cluster says goes before the config."""
    found = assigned(OneOwner, Cluster(features=6, labels=4, examples=1))
    assert ("p.features", 5) in found
