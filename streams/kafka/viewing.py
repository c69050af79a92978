"""Reading for the page: every record of the topics that tell people something, and how far all topics have got.

One thread follows Kafka, read-committed and without a group; it outlives the broker and goes on where it was. Another
looks at the state store now and then. Both hand what they found to a function each, to be called in the thread that
owns the view; nothing here touches it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

import msgspec
import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.config import Config
from streams.errors import BrokerError, MillraceError
from streams.kafka.admin import Admin
from streams.kafka.status_facts import state_facts
from streams.kafka.subscribing import Record, connect
from streams.kafka.topics import topic_specs
from streams.messages import Alert, Instruction, ModelVersion, RetrainRequest, WindowMetrics
from streams.status import KafkaFacts, Place, scored
from streams.web.history import WINDOWS_MAX, window_of
from streams.web.view import INSTRUCTIONS_MAX, LETTERS_MAX, REASON_CHARS_MAX, Letter, Store, View

ROLES = ("metrics", "alerts", "retrain", "control", "models", "dead-letters")
GROUPS = ("worker", "monitor")
POLL_MS = 200
ASK_S = 1.0
"""Between two questions for offsets."""
AGAIN_S = 1.0
"""Between two tries to reach a broker that is away."""
ADMIN_TIMEOUT_S = 4.0
LOOK_S = 3.0
"""Between two looks at the state store, at the least."""
LOOK_SHARE = 20
"""And so many times as long as one look takes."""
_NEWEST = {
    "metrics": WINDOWS_MAX,
    "alerts": 20_000,
    "retrain": 2_000,
    "control": INSTRUCTIONS_MAX,
    "models": 20_000,
    "dead-letters": LETTERS_MAX,
}
"""Offsets before the end where reading begins."""
_DECODERS = {
    "metrics": msgspec.json.Decoder(WindowMetrics).decode,
    "alerts": msgspec.json.Decoder(Alert).decode,
    "retrain": msgspec.json.Decoder(RetrainRequest).decode,
    "control": msgspec.json.Decoder(Instruction).decode,
    "models": msgspec.json.Decoder(ModelVersion).decode,
}

Change = Callable[[View], None]
Apply = Callable[[list[Change]], None]
"""Takes changes to the view to the thread that owns it."""

log = structlog.get_logger()


class Viewing:
    """The two threads; a context manager."""

    def __init__(self, config: Config, apply: Apply) -> None:
        self._config, self._apply = config, apply
        self._stop = threading.Event()
        self._positions: dict[Place, int] = {}
        self._ids: dict[str, str | None] = {}
        self._targets: dict[Place, int] = {}
        """Ends at the start: read up to here, the view is loaded."""
        self._roles = {config.topic(role): role for role in ROLES}
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in (("dashboard-kafka", self._follow), ("dashboard-store", self._look))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ADMIN_TIMEOUT_S + 2)

    # -- Kafka ---------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Until stopped: connect, read, and when the broker is lost say so and begin again."""
        told = ""
        while not self._stop.is_set():
            try:
                with Admin(self._config, timeout_s=ADMIN_TIMEOUT_S) as admin:
                    if told:
                        log.info("kafka_back")
                        told = ""
                    self._read(admin)
            except (BrokerError, KafkaError) as error:
                problem = str(error) or type(error).__name__
                if not told:
                    log.warning("kafka_away", reason=problem)
                told = problem
                self._apply([_lost(problem)])
            except MillraceError as error:
                self._apply([_lost(str(error))])
            self._stop.wait(AGAIN_S)

    def _read(self, admin: Admin) -> None:
        """Records as they come, offsets once a second; raises when the broker is lost."""
        wanted = [spec.name for spec in topic_specs(self._config)]
        found = admin.topics(wanted)
        there = set(found)
        self._recognise({name: state.topic_id for name, state in found.items()})
        ends, begins = admin.end_offsets(there), admin.begin_offsets(there)
        consumer = self._assigned(begins, ends)
        ends_before, asked_at = ends, time.monotonic()
        self._apply([self._heard(admin, wanted, there, begins, ends, ends_before, 1.0)])
        try:
            while not self._stop.is_set():
                self._take(consumer)
                if time.monotonic() - asked_at < ASK_S:
                    continue
                if len(there) < len(wanted) and set(admin.topics(wanted)) != there:
                    return  # topics have been made: assign them, too
                ends, seconds = admin.end_offsets(there), time.monotonic() - asked_at
                asked_at += seconds
                self._apply([self._heard(admin, wanted, there, begins, ends, ends_before, seconds)])
                if any(ends.get(place, 0) < position for place, position in self._positions.items()):
                    return  # the topics were made anew
                ends_before = ends
        finally:
            if consumer is not None:
                consumer.close()

    def _recognise(self, ids: dict[str, str | None]) -> None:
        """Topics that were deleted and made again have nothing to do with what was read: begin anew."""
        changed = [name for name, known in self._ids.items() if name in ids and ids[name] != known]
        self._ids |= ids
        if changed:
            log.warning("topics_made_anew", topics=changed)
            self._positions.clear()
            self._apply([View.forget])

    def _assigned(self, begins: dict[Place, int], ends: dict[Place, int]) -> Any:
        """A consumer of the topics that are there, at the positions we had; from near the end at first."""
        places = [place for place in ends if place[0] in self._roles]
        if not self._positions:
            self._targets = {place: ends[place] for place in places}
        for place in places:
            share = self._config.topics.partitions if self._roles[place[0]] == "dead-letters" else 1
            start = max(begins[place], ends[place] - max(1, _NEWEST[self._roles[place[0]]] // share))
            self._positions[place] = max(begins[place], self._positions.get(place, start))
        if not places:
            return None
        consumer = connect(self._config, check_crcs=False)
        consumer.assign([TopicPartition(*place) for place in places])
        for place in places:
            consumer.seek(TopicPartition(*place), self._positions[place])
        return consumer

    def _take(self, consumer: Any) -> None:
        if consumer is None:
            self._stop.wait(POLL_MS / 1000)
            return
        changes: list[Change] = []
        for at, rows in consumer.poll(timeout_ms=POLL_MS).items():
            changes += self._changes(self._roles[at.topic], rows)
        for place in self._positions:
            self._positions[place] = consumer.position(TopicPartition(*place))
        if self._targets and all(self._positions.get(place, 0) >= end for place, end in self._targets.items()):
            self._targets = {}
            changes.append(_loaded)
        if changes:
            self._apply(changes)

    def _changes(self, role: str, rows: Iterable[Record]) -> list[Change]:
        changes, waiting = [], list(rows)
        for left, row in enumerate(waiting, 1 - len(waiting)):
            changes.append(_letter(row) if role == "dead-letters" else _decoded(role, row, newest=left == 0))
        return changes

    def _heard(
        self,
        admin: Admin,
        wanted: list[str],
        there: set[str],
        begins: dict[Place, int],
        ends: dict[Place, int],
        ends_before: dict[Place, int],
        seconds: float,
    ) -> Change:
        facts = KafkaFacts(
            bootstrap=admin.bootstrap,
            missing=[name for name in wanted if name not in there],
            begins=begins,
            ends=ends,
            ends_before=ends_before,
            seconds=seconds,
            committed={role: admin.committed_offsets(f"{self._config.name}.{role}") for role in GROUPS},
            members={role: admin.group_members(f"{self._config.name}.{role}") for role in GROUPS},
        )
        now_ms = int(time.time() * 1000)
        return lambda view: view.heard(facts, now_ms)

    # -- the state store -----------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Checkpoints, as often as that is cheap."""
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                states, gaps, problem = state_facts(self._config)
                states = scored(self._config, states)
            except Exception as error:  # noqa: BLE001 - any store may be behind the URL; the page lives without it
                states, gaps, problem = [], [], f"could not read the state store: {type(error).__name__}"
            store = Store(states=states, gaps=gaps, problem=problem, looked_ms=int(time.time() * 1000))
            self._apply([_looked(store)])
            self._stop.wait(max(LOOK_S, LOOK_SHARE * (time.monotonic() - began)))


def _loaded(view: View) -> None:
    view.loaded = True
    view.revision += 1


def _letter(row: Record) -> Change:
    """The headers of a dead letter; its value goes no further."""
    headers = dict(row.headers or ())

    def text(name: str, chars_max: int) -> str:
        return headers.get(name, b"").decode(errors="replace")[:chars_max]

    letter = Letter(
        told_ms=row.timestamp,
        reason=text("reason", REASON_CHARS_MAX) or "no reason given",
        topic=text("topic", 249),
        partition=text("partition", 10),
        offset=text("offset", 20),
    )
    return lambda view: view.letter(letter)


def _decoded(role: str, row: Record, *, newest: bool) -> Change:
    """A record as a change; somebody else's record in a topic of ours is counted and passed over.

    Of a window only what the view keeps is handed over, unless it is the newest read or an incident is open: ten
    thousand whole ones, waiting for their turn, were 150 MB.
    """
    if row.value is None:
        shard = (row.key or b"").rpartition(b"/")[2]
        ours = role == "models" and shard.isdigit()
        return lambda view: view.taken_back(int(shard)) if ours else view.unknown(role)
    try:
        told = _DECODERS[role](row.value)
        if isinstance(told, WindowMetrics):
            window, whole = window_of(told), told if newest or told.incident is not None else None
            return lambda view: view.windowed(window, whole)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return lambda view: view.unknown(role)
    except (ValueError, TypeError, OverflowError):  # of the right shape with something impossible inside
        return lambda view: view.unknown(role)
    return lambda view: _add(view, role, told, row.timestamp)


def _add(view: View, role: str, told: Any, told_ms: int) -> None:
    try:
        match told:
            case Alert():
                view.alert(told, told_ms)
            case RetrainRequest():
                view.request(told)
            case Instruction():
                view.instruction(told, told_ms)
            case ModelVersion():
                view.version(told)
    except (ValueError, TypeError, OverflowError):  # of the right shape with something impossible inside
        view.unknown(role)


def _lost(problem: str) -> Change:
    return lambda view: view.lost(problem)


def _looked(store: Store) -> Change:
    return lambda view: view.looked(store)
