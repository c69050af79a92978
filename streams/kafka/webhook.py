"""Posting alerts: a member of the group `<name>.webhook`, whose committed offset is how far people have been told.

An alert is posted, then its offset is committed: a crash between the two posts it once more, under the same key, and
none is passed over. What the monitor itself told twice is known by its id; after a restart the ids are read back from
the topic. The monitor knows nothing of all this and waits for nobody.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, OrderedDict
from contextlib import AsyncExitStack
from typing import Any

import aiokafka
import msgspec
import structlog
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError

from streams.config import Config
from streams.config_observing import WebhookConfig
from streams.errors import BrokerError, ConfigError
from streams.kafka.admin import Admin
from streams.kafka.dead_letters import dead_letter
from streams.kafka.reachable import watch_broker
from streams.kafka.reading import bounds, read_through, reader
from streams.kafka.security import client_settings
from streams.messages import ENDS
from streams.observability.families import Figures
from streams.observability.health import Condition
from streams.observability.posting import post, wait_s
from streams.observability.process_figures import process_figures
from streams.observability.webhook_formats import SEVERITIES, Told, post_of, read_alert
from streams.stages.task import DeadLetter

log = structlog.get_logger()

KNOWN_MAX = 2_000
"""Ids of alerts remembered, and offsets read back for them."""
POLL_MS = 500
AGAIN_S = 2.0
OUTCOMES = ("delivered", "skipped", "repeated", "unreadable", "dead_letter")


def require_topics(config: Config) -> None:
    """Raises BrokerError where there is no broker, or no such topics. No key and no store is needed to tell people."""
    with Admin(config) as admin:
        wanted = {config.topic("alerts"), config.topic("dead-letters")}
        if missing := wanted - set(admin.topics(wanted)):
            raise BrokerError(f"could not find {', '.join(sorted(missing))}: `millrace topics create` makes them")


def webhook_settings(config: Config) -> WebhookConfig:
    """Raises ConfigError where nobody is to be told."""
    if config.alerts.webhook is None:
        raise ConfigError("alerts.webhook", "must be set: it says whom to tell")
    return config.alerts.webhook


class Memory:
    """Which alerts are dealt with, and of which incidents somebody has heard."""

    def __init__(self, severity_min: str) -> None:
        self._least = SEVERITIES.index(severity_min)
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._heard: OrderedDict[str, None] = OrderedDict()

    def outcome(self, alert: Told) -> str:
        """What to do with it: `delivered`, `repeated` or `skipped`. The end of an incident follows its beginning."""
        if alert.id in self._ids:
            return "repeated"
        loud = SEVERITIES.index(alert.severity) >= self._least
        return "delivered" if loud or (alert.phase in ENDS and alert.incident in self._heard) else "skipped"

    def remember(self, alert: Told) -> None:
        """It is dealt with."""
        if self.outcome(alert) == "delivered":
            self._keep(self._heard, alert.incident)
        self._keep(self._ids, alert.id)

    @staticmethod
    def _keep(known: OrderedDict[str, None], name: str) -> None:
        known[name] = None
        while len(known) > KNOWN_MAX:
            known.popitem(last=False)


class Webhook:
    """The whole process but its command line."""

    def __init__(self, config: Config, chance: random.Random | None = None) -> None:
        self.config, self.settings = config, webhook_settings(config)
        self.connection = client_settings(config)
        self.topic = config.topic("alerts")
        self.chance = chance or random.Random()  # noqa: S311 - spreads tries, guards nothing
        self.memory = Memory(self.settings.severity_min)
        self.outcomes: Counter[str] = Counter()
        self.tries = 0
        self.lag = 0
        self.next: dict[Any, int] = {}
        """By partition that is ours: the alert whose turn comes next."""
        self.assigned: set[Any] | None = None
        """None until the group has said what is ours."""
        self.settled = asyncio.Event()
        """Set once what is ours is also read back: aiokafka hands out rows while its listener is still at that."""

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop` is set; raises BrokerError if Kafka cannot be reached at the start."""
        try:
            await self._run(stop)
        except KafkaConnectionError as error:
            raise BrokerError(f"could not reach Kafka: {error}") from error

    async def _run(self, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        settings = self.settings
        longest_ms = settings.tries * (2 * settings.timeout_ms + settings.wait_max_ms)
        async with AsyncExitStack() as stack:
            producer = aiokafka.AIOKafkaProducer(
                **self.connection,
                acks="all",
                enable_idempotence=True,
                max_request_size=8 * self.config.input.event_bytes_max,
            )
            await producer.start()
            stack.push_async_callback(producer.stop)
            consumer = aiokafka.AIOKafkaConsumer(
                **self.connection,
                group_id=f"{self.config.name}.webhook",
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_interval_ms=longest_ms + 60_000,
                session_timeout_ms=max(10_000, self.config.kafka.session_timeout_ms),
            )
            consumer.subscribe([self.topic], listener=_Beginning(self, consumer))
            await consumer.start()
            stack.push_async_callback(consumer.stop)
            watching = asyncio.create_task(watch_broker(producer.client, lambda: _in_group(consumer)))
            stack.callback(watching.cancel)
            log.info("webhook_ready", topic=self.topic, format=settings.format)
            while not stop.is_set():
                if watching.done():
                    watching.result()  # the group is lost for good: another start will find it
                for place, rows in (await consumer.getmany(timeout_ms=POLL_MS, max_records=1)).items():
                    await self._until_settled(stopping)
                    if not stop.is_set() and self._is_due(place, rows[0]):
                        await self._turn(consumer, producer, place, rows[0], stopping)
                self._look(consumer)
        stopping.cancel()

    def _look(self, consumer: Any) -> None:
        ends = {place: consumer.highwater(place) for place in consumer.assignment()}
        self.lag = sum(max(0, end - self.next.get(place, end)) for place, end in ends.items() if end is not None)

    async def _until_settled(self, stopping: asyncio.Future[Any]) -> None:
        """Until it is known what is ours and what somebody has heard of it, or the process is stopped."""
        settled = asyncio.ensure_future(self.settled.wait())
        await asyncio.wait({settled, stopping}, return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()

    def _is_due(self, place: Any, row: Any) -> bool:
        """False for a row fetched before a rebalance that gave its partition, or its turn, to somebody else."""
        return place in self.next and row.offset >= self.next[place]

    async def _turn(self, consumer: Any, producer: Any, place: Any, row: Any, stopping: asyncio.Future[Any]) -> None:
        """One alert, until it is dealt with or the process is stopped; then its offset."""
        alert = _read(row)
        outcome = self.memory.outcome(alert) if alert is not None else "unreadable"
        if alert is not None and outcome == "delivered":
            self.lag = max(self.lag, 1)
            problem = await self._delivered(row.value, alert, stopping)
            if problem is None:
                log.info("alert_posted", id=alert.id)
            elif stopping.done():
                return
            else:
                outcome = "dead_letter"
                await self._bury(producer, row, problem)
        self.outcomes[outcome] += 1
        if alert is not None:
            self.memory.remember(alert)
        self.next[place] = row.offset + 1
        try:
            await consumer.commit({place: row.offset + 1})
        except (CommitFailedError, IllegalStateError) as error:  # another member has it now, and will post it again
            log.warning("webhook_offset_not_kept", reason=type(error).__name__)

    async def _delivered(self, record: bytes, alert: Told, stopping: asyncio.Future[Any]) -> str | None:
        """None once somebody has taken it, else why nobody has."""
        settings, tried = self.settings, 0
        while True:
            tried += 1
            self.tries += 1
            body, headers = post_of(settings, self.config.name, record, int(time.time()))
            answer = await asyncio.to_thread(post, settings.address, body, headers, settings.timeout_ms / 1000)
            if answer.taken:
                return None
            if not answer.again or tried >= settings.tries:
                return f"webhook: {answer.words} at try {tried}"
            pause_s = wait_s(tried, settings.wait_max_ms / 1000, answer.wait_s, self.chance)
            log.warning("alert_not_posted", id=alert.id, reason=answer.words, tried=tried, again_s=round(pause_s, 1))
            done, _ = await asyncio.wait({stopping}, timeout=pause_s)
            if done:
                return "stopped"

    async def _bury(self, producer: Any, row: Any, reason: str) -> None:
        """Where people can look at it; for as long as it takes: nothing may be passed over."""
        letter = DeadLetter(self.topic, 0, row, reason)
        key, value, headers = dead_letter(letter, 4 * self.config.input.event_bytes_max)
        log.error("alert_given_up", offset=row.offset, reason=reason, kept="in dead-letters")
        while True:
            try:
                await producer.send_and_wait(self.config.topic("dead-letters"), value, key=key, headers=headers)
            except KafkaError as error:
                log.warning("dead_letter_not_sent", reason=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    # -- how it is -----------------------------------------------------------------------------------------------

    def condition(self) -> Condition:
        """Ready once the group has said whose turn it is; waiting for a receiver is no illness."""
        if self.assigned is None:
            return Condition(state="joining", ready=False, waits_for="its consumer group")
        return Condition(state="working" if self.assigned else "standing_by", ready=True)

    def figures(self) -> Figures:
        """All of one scrape."""
        figures = Figures(self.config.name)
        process_figures("webhook", self.condition(), figures)
        for outcome in OUTCOMES:
            figures.add("millrace_webhook_alerts_total", self.outcomes[outcome], outcome)
        figures.add("millrace_webhook_tries_total", self.tries)
        figures.add("millrace_webhook_lag_records", self.lag)
        return figures


def _in_group(consumer: Any) -> bool:
    """Whether the group's coordinator is known."""
    return consumer._coordinator.coordinator_id is not None  # noqa: SLF001 - it has no public word for this


def _read(row: Any) -> Told | None:
    """None for what is no alert."""
    try:
        return read_alert(row.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Beginning(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Where to go on: at the committed offset, with the ids before it known; the first time at the end."""

    def __init__(self, webhook: Webhook, consumer: Any) -> None:
        self.webhook, self.consumer = webhook, consumer

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Somebody comes or goes."""
        del revoked
        self.webhook.assigned = None
        self.webhook.settled.clear()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """These are ours now."""
        webhook, consumer = self.webhook, self.consumer
        webhook.next = {}
        for place in assigned:
            position = await consumer.committed(place)
            if position is None:
                position = (await consumer.end_offsets([place]))[place]
                consumer.seek(place, position)
                await consumer.commit({place: position})
                log.info("webhook_begins", offset=position)
            else:
                await self._read_back(place, position)
            webhook.next[place] = position
        webhook.assigned = set(assigned)
        webhook.settled.set()

    async def _read_back(self, place: Any, position: int) -> None:
        async with reader(self.webhook.connection) as consumer:
            begin, end = await bounds(consumer, place.topic, place.partition)
            start = max(begin, position - KNOWN_MAX)
            async for rows in read_through(consumer, place.topic, place.partition, start, min(position, end)):
                for alert in filter(None, map(_read, rows)):
                    self.webhook.memory.remember(alert)
