"""What the demo sees while it runs, by the topics alone: it is a subscriber like any other."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec
from kafka import KafkaConsumer, TopicPartition

from streams.config import Config
from streams.kafka.admin import Admin
from streams.kafka.security import client_settings
from streams.messages import WIRE, Alert, Cut, ModelVersion, RetrainRequest, WindowMetrics

ROLES = ("models", "metrics", "alerts", "retrain")


class Watching:
    """Follows a pipeline's outputs; a context manager, for one thread."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.admin = Admin(config)
        self.consumer = KafkaConsumer(
            **client_settings(config), group_id=None, enable_auto_commit=False, isolation_level="read_committed"
        )
        self.single = KafkaConsumer(**client_settings(config), group_id=None, enable_auto_commit=False)
        places = {TopicPartition(config.topic(role), 0): role for role in ROLES}
        self.consumer.assign(list(places))
        self.consumer.seek_to_beginning(*places)
        self._roles = {place.topic: role for place, role in places.items()}
        self._decode: dict[str, Callable[[bytes], Any]] = {
            role: msgspec.json.Decoder(WIRE[role]).decode for role in ROLES
        }
        self.versions: list[ModelVersion] = []
        self.metrics: list[WindowMetrics] = []
        self.alerts: list[Alert] = []
        self.requests: list[RetrainRequest] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.consumer.close()
        self.single.close()
        self.admin.close()

    def look(self, wait_ms: int = 200) -> None:
        """Take in what is new; an alert told twice under one id counts once."""
        kept: dict[str, list[Any]] = {
            "models": self.versions,
            "metrics": self.metrics,
            "alerts": self.alerts,
            "retrain": self.requests,
        }
        for place, rows in self.consumer.poll(timeout_ms=wait_ms).items():
            role = self._roles[place.topic]
            known = {record.id for record in kept[role]} if role != "models" else set()
            for row in rows:
                if row.value is None:
                    continue
                record = self._decode[role](row.value)
                if role == "models" or record.id not in known:
                    kept[role].append(record)

    @property
    def version(self) -> int:
        """The newest published version of the model: how far in `examples` it has learnt."""
        return max((version.version for version in self.versions), default=0)

    def counts(self) -> dict[str, int]:
        """Records on the topics of each role."""
        roles = ("features", "labels", "predictions", "examples", "dead-letters")
        ends = self.admin.end_offsets([self.config.topic(role) for role in roles], committed=False)
        return {
            role: sum(end for (topic, _), end in ends.items() if topic == self.config.topic(role)) for role in roles
        }

    def caught_up(self) -> bool:
        """Whether worker and monitor have saved a state that covers all their inputs."""
        for role, inputs in (("worker", ("features", "labels", "examples")), ("monitor", ("predictions", "examples"))):
            done = self.admin.committed_offsets(f"{self.config.name}.{role}")
            ends = self.admin.end_offsets([self.config.topic(name) for name in inputs])
            if any(done.get(place, 0) < end for place, end in ends.items()):
                return False
        return True

    def events_at(self, cut: Cut) -> int:
        """How many events had been sent when the newest prediction below the cut was made, by the number in its id."""
        topic, newest = self.config.topic("predictions"), 0
        for place, offset in cut.offsets.items():
            if place.rpartition("/")[0] != topic or offset == 0:
                continue
            partition = TopicPartition(topic, int(place.rpartition("/")[2]))
            self.single.assign([partition])
            self.single.seek(partition, offset - 1)
            for rows in self.single.poll(timeout_ms=5_000, max_records=1).values():
                identity = msgspec.json.decode(rows[0].value)["id"]
                newest = max(newest, int(identity.rpartition("-")[2]) + 1)
        return newest

    def rendered(self, timeout_s: float) -> tuple[str, ...]:
        """Pages of the incidents that started, waited for at most so long."""
        folder = self.config.path(self.config.reports.folder)
        started = dict.fromkeys(alert.incident for alert in self.alerts if alert.phase == "started")
        wanted: list[Path] = [folder / incident for incident in started]
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and not all((place / "result.json").exists() for place in wanted):
            time.sleep(0.2)
        return tuple(str(place / "report.html") for place in wanted if (place / "report.html").exists())
