"""The demo from end to end: broker, topics, worker and monitor, rows with delayed labels, and what came of them."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from streams.cli.broker_progress import start_broker
from streams.cli.topics import create_missing
from streams.config import Config
from streams.config_file import load
from streams.demo.changes import Changes
from streams.demo.data import DemoData
from streams.demo.settings import DELAY_ROWS, demo_config
from streams.demo.story import METRIC, Story, newest_scores, tell_alerts
from streams.demo.watching import Watching
from streams.errors import MillraceError
from streams.kafka.admin import Admin
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.ports import free_port
from streams.kafka.producing import RecordSender
from streams.kafka.topics import topic_specs
from streams.kafka.verifying import gathered
from streams.messages import Event, LabelRecord, encode
from streams.produce import Pair, Record
from streams.schedule import Pace, schedule
from streams.supervise import Child, Children, LogLine
from streams.verify.audit import audit

READY_S = 60.0
DRAIN_S = 120.0
REPORT_S = 60.0


@dataclass(slots=True)
class Progress:
    """What a watcher may show."""

    stage: str = ""
    sent: int = 0
    total: int = 0
    predicted: int = 0
    joined: int = 0
    page: str = ""
    """Address of the live page, once it is there."""


class Demo:
    """One run in `folder`, which is made anew."""

    def __init__(self, data: DemoData, changes: Changes, folder: Path, rate: float | None) -> None:
        self.data, self.changes, self.folder, self.rate = data, changes, folder, rate
        self.progress = Progress(total=len(data.rows))
        self.heard: list[LogLine] = []
        self.ready = {"worker": 0, "monitor": 0}
        self.page_port = free_port()
        self.error: BaseException | None = None
        self.stopped = False

    @contextlib.contextmanager
    def running(self) -> Iterator[tuple[Config, Children]]:
        """Broker, topics, worker and monitor; all end with the context."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        path = self.folder / "millrace.toml"
        path.write_text(demo_config(self.data), encoding="utf-8")
        config = load(path)
        self.progress.stage = "starting Kafka"
        with start_broker(LocalBrokerSettings(folder=config.path(config.kafka.local_folder))):
            with Admin(config) as admin:
                create_missing(admin, topic_specs(config))
            arguments = ["--config", str(path), "--log-json"]
            page = ["--port", str(self.page_port)]
            commands = {"worker": [], "monitor": [], "dashboard": page}
            children = [Child(name, [name, *arguments, *more], self._hear) for name, more in commands.items()]
            self.progress.stage = "starting worker, monitor and dashboard"
            with Children(children) as started:
                self._wait_until_ready(config, started)
                yield config, started

    def _hear(self, line: LogLine) -> None:
        self.heard.append(line)
        with (self.folder / f"{line.child}.log").open("a", encoding="utf-8") as log:
            log.write(line.text + "\n")
        if line.event in {"task_restored", "monitor_restored"}:
            self.ready[line.child] += 1
        if line.event == "dashboard_ready":
            self.progress.page = str(line.fields.get("address", ""))

    def _wait_until_ready(self, config: Config, children: Children) -> None:
        until = time.monotonic() + READY_S
        while self.ready["worker"] < config.topics.partitions or not self.ready["monitor"]:
            self.check(children)
            if time.monotonic() > until:
                raise MillraceError(f"worker and monitor were not ready within {READY_S:g} s")
            time.sleep(0.05)

    def check(self, children: Children) -> None:
        """Raises MillraceError with the last words of a child that has ended for good."""
        if self.error is not None:
            raise self.error
        fallen = children.fallen()
        if fallen is not None:
            raise MillraceError(f"the {fallen.name} has ended: {' '.join(list(fallen.tail)[-3:])}")

    def send(self, config: Config) -> None:
        """All rows, labels `DELAY_ROWS` behind; for a thread of its own."""
        try:
            began = time.monotonic()
            pace = Pace(rate=self.rate, delay_rows=DELAY_ROWS)
            with RecordSender(config, ("features", "labels")) as sender:
                for due_ms, record in schedule(self._pairs(), pace, lambda: (time.monotonic() - began) * 1000):
                    if self.stopped:
                        return
                    ahead_s = due_ms / 1000 - (time.monotonic() - began)
                    if ahead_s > 0.001:  # noqa: PLR2004 - a sleep costs more
                        time.sleep(ahead_s)
                    sender.send(record.role, record.key, record.value)
        except BaseException as error:  # noqa: BLE001 - told by `check`, in the main thread
            self.error = error

    def _stop_sending(self, sending: threading.Thread) -> None:
        """Interrupted: the sender ends before the broker it needs."""
        self.stopped = True
        sending.join(10)

    def _pairs(self) -> Iterator[Pair]:
        for number, row in enumerate(self.changes.apply(self.data.rows)):
            identity = f"{self.data.name}-{number}"
            key = identity.encode()
            event = encode(Event(identity, dict(row.features)))
            label = encode(LabelRecord(identity, row.label))
            self.progress.sent = number + 1
            yield Pair(Record("features", key, event), Record("labels", key, label))

    def run(self, show: Callable[[Progress, Watching], None], after: Callable[[Config], None]) -> Story:
        """The whole of it; `show` is called a few times a second, `after` once before everything is stopped."""
        began = time.monotonic()
        with self.running() as (config, children), Watching(config) as watching, contextlib.ExitStack() as stack:
            sending = threading.Thread(target=self.send, args=(config,), daemon=True)
            self.progress.stage = "sending events, labels 500 events behind"
            sending.start()
            stack.callback(self._stop_sending, sending)
            until: float | None = None
            while until is None or not (watching.caught_up() and watching.version >= self.progress.joined):
                self.check(children)
                watching.look()
                counts = watching.counts()
                self.progress.predicted, self.progress.joined = counts["predictions"], counts["examples"]
                show(self.progress, watching)
                if until is None and not sending.is_alive():
                    self.check(children)
                    until = time.monotonic() + DRAIN_S
                    self.progress.stage = "waiting for the last labels to be learnt"
                if until is not None and time.monotonic() > until:
                    raise MillraceError(f"worker and monitor had not caught up {DRAIN_S:g} s after the last label")
                time.sleep(0.1)
            watching.look(500)
            self.progress.stage = "rendering reports"
            show(self.progress, watching)
            reports = watching.rendered(REPORT_S)
            seconds = time.monotonic() - began
            self.progress.stage = "verifying every promise from the logs and checkpoints"
            show(self.progress, watching)
            story = self._story(watching, reports, seconds, self._verified(config))
            after(config)
        return story

    @staticmethod
    def _verified(config: Config) -> dict[str, bool | None]:
        with gathered(config, lambda _done, _total: None) as evidence:
            return {name: promise.holds for name, promise in audit(evidence).promises.items()}

    def _story(
        self, watching: Watching, reports: tuple[str, ...], seconds: float, promises: dict[str, bool | None]
    ) -> Story:
        counts = watching.counts()
        notes = [f"{counts['dead-letters']} dead letters"] if counts["dead-letters"] else []
        notes += [f"{line.child}: {line.text}" for line in self.heard if line.event == "restarted"]
        return Story(
            events=counts["predictions"],
            examples=max((version.learnt for version in watching.versions), default=0),
            windows=len(watching.metrics),
            seconds=seconds,
            changes=self.changes.told,
            alerts=tell_alerts(watching.alerts, self.changes.told, watching.events_at),
            requests=tuple(watching.requests),
            scores=newest_scores(watching.versions),
            metric=METRIC[self.data.target.kind],
            reports=reports,
            promises=promises,
            notes=tuple(notes),
        )
