"""All that the page knows: a fold over what was read, bounded in everything, and how fresh it is.

Time is handed in. Whatever reads from Kafka or the store makes the values here and calls these methods, always from
one thread.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streams.asked import At
from streams.config import Config
from streams.messages import Alert, Instruction, ModelVersion, RetrainRequest, WindowMetrics
from streams.status import KafkaFacts, StateFacts, assemble
from streams.web.history import WINDOWS_MAX, History, Window, window_of
from streams.web.incident import Incidents
from streams.web.shapes import Shapes

STALE_MS = 5_000
"""Without a word from Kafka, what is shown may not hold any more."""
PACE_MAX = 600
"""Looks at rates and lag, one a second or so."""
VERSIONS_MAX = 200
VERSION_EVERY_MS = 60_000
"""Of versions that come each second, one a minute is kept for each shard, and the newest."""
LETTERS_MAX = 4_000
REASON_CHARS_MAX = 200
INSTRUCTIONS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter: why and where, never what."""

    told_ms: int
    reason: str
    topic: str
    partition: str
    offset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One published version, without its per-class scores."""

    shard: int
    model: str
    version: int
    learnt: int
    published_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One look at how fast records come and how far the processes are behind."""

    at_ms: int
    per_second: Mapping[str, float | None]
    lag: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What the state store says."""

    states: Sequence[StateFacts] = ()
    gaps: Sequence[Mapping[str, Any]] = ()
    problem: str = "not looked at yet"
    looked_ms: int = 0


class View:
    """Everything read so far, within its bounds."""

    def __init__(self, config: Config, windows_max: int = WINDOWS_MAX) -> None:
        self.config, self._windows_max = config, windows_max
        self.problem = ""
        """Why Kafka says nothing, empty while it answers."""
        self.heard_ms: int | None = None
        """When Kafka answered last."""
        self.loaded = False
        """What was on the topics at the start has been read."""
        self.revision = 0
        """Grows with every change."""
        self.kafka = KafkaFacts(problem="not asked yet")
        self.store = Store()
        self.forget()

    def forget(self) -> None:
        """Begin anew: the topics are other ones than before."""
        self.history = History(self._windows_max)
        self.last: WindowMetrics | None = None
        self.incidents = Incidents()
        self.shapes = Shapes()
        self.versions: deque[Version] = deque(maxlen=VERSIONS_MAX)
        self.models: dict[int, ModelVersion] = {}
        self.letters: deque[Letter] = deque(maxlen=LETTERS_MAX)
        self.asked: deque[At] = deque(maxlen=INSTRUCTIONS_MAX)
        self.pace: deque[Pace] = deque(maxlen=PACE_MAX)
        self.unreadable: Counter[str] = Counter()
        """Records of another shape, by topic's role."""
        self.loaded = False
        self.revision += 1

    # -- records -------------------------------------------------------------------------------------------------

    def window(self, metrics: WindowMetrics) -> None:
        """A record of `metrics`."""
        self.windowed(window_of(metrics), metrics)

    def windowed(self, window: Window, metrics: WindowMetrics | None) -> None:
        """What is kept of one; the whole of it is needed of the newest only, and of those of an incident."""
        before = self.history.last()
        if before is not None and before.subjects == window.subjects:
            window = replace(window, subjects=before.subjects)  # ten thousand lists of names are one
        if self.history.add(window):
            if metrics is not None:
                self.last = metrics
                self.shapes.add(metrics)
            self.revision += 1

    def alert(self, alert: Alert, told_ms: int) -> None:
        """A record of `alerts`."""
        self.revision += self.incidents.add(alert, told_ms)

    def request(self, request: RetrainRequest) -> None:
        """A record of `retrain`."""
        self.incidents.request(request)
        self.revision += 1

    def instruction(self, said: Instruction, told_ms: int) -> None:
        """A record of `control`."""
        self.asked.append(At(told_ms, said))
        self.revision += 1

    def version(self, told: ModelVersion) -> None:
        """A record of `models`."""
        self.models[told.shard] = told
        version = Version(
            shard=told.shard,
            model=told.model,
            version=told.version,
            learnt=told.learnt,
            published_ms=told.published_ms,
        )
        if version not in self.versions:
            newest = [each for each in self.versions if each.shard == told.shard][-2:]
            if len(newest) > 1 and newest[1].published_ms - newest[0].published_ms < VERSION_EVERY_MS:
                self.versions.remove(newest[1])
            self.versions.append(version)
        self.revision += 1

    def taken_back(self, shard: int) -> None:
        """A tombstone in `models`: `millrace rebuild` began the shard anew."""
        self.models.pop(shard, None)
        self.revision += 1

    def letter(self, letter: Letter) -> None:
        """A record of `dead-letters`."""
        self.letters.append(letter)
        self.revision += 1

    def unknown(self, role: str) -> None:
        """A record that is not of its topic's shape: somebody else's, counted and passed over."""
        self.unreadable[role] += 1

    # -- freshness -----------------------------------------------------------------------------------------------

    def heard(self, kafka: KafkaFacts, now_ms: int) -> None:
        """Kafka has answered: offsets, groups and members are these."""
        self.kafka, self.heard_ms, self.problem = kafka, now_ms, ""
        told = self.status(now_ms)
        lags = [rows for group in ("worker", "monitor") for rows in told[group]["lag"].values() if rows is not None]
        self.pace.append(Pace(at_ms=now_ms, per_second=told["per_second"], lag=sum(lags) if lags else None))
        self.revision += 1

    def lost(self, problem: str) -> None:
        """Kafka does not answer; what is known stays, and is told as old."""
        if problem != self.problem:
            self.problem = problem
            self.revision += 1

    def looked(self, store: Store) -> None:
        """The state store was looked at."""
        self.store = store
        self.revision += 1

    def stale_since(self, now_ms: int) -> int | None:
        """When Kafka last answered, if that is too long ago; None while all is fresh or nothing was ever heard."""
        if self.heard_ms is None or (not self.problem and now_ms - self.heard_ms <= STALE_MS):
            return None
        return self.heard_ms

    def status(self, now_ms: int) -> dict[str, Any]:
        """The tree of `millrace status`, from what was read."""
        kafka = KafkaFacts(
            bootstrap=self.kafka.bootstrap,
            problem=self.problem or self.kafka.problem,
            missing=self.kafka.missing,
            begins=self.kafka.begins,
            ends=self.kafka.ends,
            ends_before=self.kafka.ends_before,
            seconds=self.kafka.seconds,
            committed=self.kafka.committed,
            members=self.kafka.members,
            models=list(self.models.values()),
            metrics=self.last,
            dead_reasons=[letter.reason for letter in self.letters],
        )
        return assemble(self.config, now_ms, kafka, self.store.states, self.store.problem, self.store.gaps)
