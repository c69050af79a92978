"""Who gets which partitions: of the workers each an equal share, of the monitors one everything.

Neither relies on what the group's leader happens to know of the cluster. A member that asked a broker which had just
started may know of no topic for minutes; stock Faust ignores topics that it does not know, so such a member, as the
leader, gave nothing to anybody, and the whole group stood still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog
from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor

log = structlog.get_logger()


class Sized:
    """A client's view of the cluster, and the sizes of the topics that it does not know at the moment."""

    def __init__(self, cluster: Any, sizes: Mapping[str, int]) -> None:  # aiokafka's ClusterMetadata
        self._cluster, self._sizes = cluster, sizes

    def partitions_for_topic(self, topic: str) -> set[int]:
        """Numbers of its partitions."""
        return self._cluster.partitions_for_topic(topic) or set(range(self._sizes.get(topic, 0)))


def _sized(app: Any, cluster: Any, topics: Iterable[str]) -> Sized:
    unknown = sorted(topic for topic in topics if not cluster.partitions_for_topic(topic))
    if unknown:
        log.warning("topics_not_seen", topics=unknown, doing="their sizes are those of the config")
    return Sized(cluster, app.sizes)


class Copartitioned(PartitionAssignor):
    """Faust's own: the same partition numbers of all topics to one member."""

    def _perform_assignment(self, cluster: Any, member_metadata: MutableMapping[str, Any]) -> Any:
        topics = {topic for metadata in member_metadata.values() for topic in metadata.subscription}
        sized: Any = _sized(self.app, cluster, topics)
        return super()._perform_assignment(sized, member_metadata)


class OneOwner(PartitionAssignor):
    """Every partition to one member: the one that has most of them already, else the smallest member id."""

    @property
    def name(self) -> str:
        """Members with another assignor cannot join the group."""
        return "millrace-one-owner"

    def _perform_assignment(self, cluster: Any, member_metadata: Mapping[str, Any]) -> Any:
        clients = {member: self._get_client_metadata(metadata) for member, metadata in member_metadata.items()}
        topics = {topic for metadata in member_metadata.values() for topic in metadata.subscription}
        held = {
            member: sum(len(partitions) for partitions in client.assignment.actives.values())
            for member, client in clients.items()
        }
        owner = max(sorted(clients), key=lambda member: held[member])
        self._update_member_urls(clients)
        sized = _sized(self.app, cluster, topics)
        everything = {topic: sorted(sized.partitions_for_topic(topic)) for topic in topics}
        assignments = {
            member: ClientAssignment(actives=everything if member == owner else {}, standbys={}) for member in clients
        }
        return self._protocol_assignments(
            assignments,
            self._get_changelog_distribution(assignments),
            self._get_external_topic_distribution(assignments),
            dict.fromkeys(topics, 0),
        )
