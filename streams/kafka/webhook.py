"""Posting alerts: a member of the group `<name>.webhook`, whose committed offset is how far people have been told.

An alert is posted, then its offset is committed: a crash between the two posts it once more, under the same key, and
none is passed over. Alerts of one incident keep their order; one that is being tried does not hold up other incidents,
and the committed offset stays before it (`webhook_turns`). What the monitor itself told twice is known by its id; after
a restart the ids are read back from the topic. The monitor knows nothing of all this and waits for nobody.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Collection
from contextlib import AsyncExitStack, nullcontext
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
from streams.observability.families import Figures
from streams.observability.health import Condition
from streams.observability.posting import Answer, post, wait_s
from streams.observability.process_figures import process_figures
from streams.observability.reasons import reason_class
from streams.observability.webhook_formats import Told, post_of, read_alert
from streams.observability.webhook_memory import KNOWN_MAX, Memory
from streams.observability.webhook_turns import Turns, noted
from streams.stages.task import DeadLetter

log = structlog.get_logger()

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
        self.turns: dict[Any, Turns] = {}
        """By partition that is ours."""
        self.lines: set[asyncio.Task[None]] = set()
        """One for each incident that has an alert in hand."""
        self.assigned: set[Any] | None = None
        """None until the group has said what is ours."""
        self.settled = asyncio.Event()
        """Set once what is ours is also read back: aiokafka hands out rows while its listener is still at that."""
        self.generation = self.begun = 0
        """How often the group has said what is ours; and which of these words rows are taken under."""
        self.gone = asyncio.Event()
        """Set once it is no longer ours; another one with each generation."""
        self.committing = asyncio.Lock()
        self.first_tries = asyncio.Lock()
        """While everything is taken, alerts are posted in their order."""

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
            stack.push_async_callback(self._end)
            while not stop.is_set():
                if watching.done():
                    watching.result()  # the group is lost for good: another start will find it
                await self._take(consumer, producer, stopping)
                self._look(consumer)
        stopping.cancel()

    def _look(self, consumer: Any) -> None:
        ends = {place: consumer.highwater(place) for place in consumer.assignment()}
        self.lag = sum(
            len(turns) + max(0, end - turns.next_offset)
            for place, turns in self.turns.items()
            if (end := ends.get(place)) is not None
        )

    async def _take(self, consumer: Any, producer: Any, stopping: asyncio.Future[Any]) -> None:
        """As many alerts as there is room for, each to the end of its incident's line."""
        room = min((turns.room for turns in self.turns.values()), default=1)
        found = {}
        if room > 0:
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=room)
        else:
            await asyncio.wait({stopping, *self.lines}, timeout=POLL_MS / 1000, return_when=asyncio.FIRST_COMPLETED)
        await _either(self.settled, stopping)
        for ended in [line for line in self.lines if line.done()]:
            self.lines.discard(ended)
            ended.result()
        if stopping.done():
            return
        if self.begun != self.generation:
            await self._begin(consumer)
            return
        for place, rows in found.items():
            turns = self.turns[place]
            for row in rows:
                alert = _read(row)
                incident = alert.incident if alert is not None else f"\0{row.offset}"
                if turns.take(row.offset, incident, (row, alert)):
                    line = self._line(consumer, producer, place, (row, alert), _Over(stopping, self.gone))
                    self.lines.add(asyncio.create_task(line))

    async def _begin(self, consumer: Any) -> None:
        """Rows that were handed out before it was known where to go on are none: what is ours begins there."""
        generation = self.generation
        if self.lines:
            await asyncio.wait(self.lines)  # of the generation before: each ends with the try that it is at
        try:
            for place, turns in self.turns.items():
                consumer.seek(place, turns.next_offset)
        except IllegalStateError:  # taken away again: the group will say more
            return
        self.begun = generation

    async def _end(self) -> None:
        self.gone.set()
        if self.lines:
            await asyncio.wait(self.lines)

    async def _line(self, consumer: Any, producer: Any, place: Any, item: Any, over: _Over) -> None:
        """The alerts of one incident, one after the other, while there are some and they are ours."""
        turns = self.turns[place]
        while item is not None and not over:
            row, alert = item
            if not await self._turn(producer, turns, row, alert, over):
                return
            item = turns.done(row.offset)
            await self._commit(consumer, place, turns)

    async def _commit(self, consumer: Any, place: Any, turns: Turns) -> None:
        async with self.committing:
            if self.turns.get(place) is not turns:  # of an earlier generation
                return
            try:
                await consumer.commit({place: (turns.committed, turns.note)})
            except (CommitFailedError, IllegalStateError) as error:  # another member has it now, and will post it again
                log.warning("webhook_offset_not_kept", reason=type(error).__name__)

    async def _turn(self, producer: Any, turns: Turns, row: Any, alert: Told | None, over: _Over) -> bool:
        """One alert, until it is dealt with; False where the process is stopped before, or it is no longer ours."""
        outcome = self.memory.outcome(alert) if alert is not None else "unreadable"
        if alert is not None and outcome == "delivered":
            problem = await self._delivered(row, alert, turns, over)
            if problem is None:
                log.info("alert_posted", id=alert.id)
            elif over or not await self._bury(producer, row, problem, over):
                return False
            else:
                outcome = "dead_letter"
        self.outcomes[outcome] += 1
        if alert is not None:
            self.memory.remember(alert)
        return True

    async def _delivered(self, row: Any, alert: Told, turns: Turns, over: _Over) -> str | None:
        """None once somebody has taken it, else why nobody has.

        Tries count while nothing older waits: a receiver that is away for an hour costs as many alerts as if they
        went one after the other.
        """
        settings, tried, counted = self.settings, 0, 0
        while True:
            tried += 1
            async with self.first_tries if tried == 1 else nullcontext():
                if over:
                    return "stopped"
                answer = await self._post(row.value)
            if answer.taken:
                return None
            counted += turns.oldest(row.offset)
            if not answer.again or counted >= settings.tries:
                return f"webhook: {answer.words} at try {tried}"
            pause_s = wait_s(tried, settings.wait_max_ms / 1000, answer.wait_s, self.chance)
            log.warning("alert_not_posted", id=alert.id, reason=answer.words, tried=tried, again_s=round(pause_s, 1))
            if await over.within(pause_s):
                return "stopped"

    async def _post(self, record: bytes) -> Answer:
        self.tries += 1
        body, headers = post_of(self.settings, self.config.name, record, int(time.time()))
        return await asyncio.to_thread(post, self.settings.address, body, headers, self.settings.timeout_ms / 1000)

    async def _bury(self, producer: Any, row: Any, reason: str, over: _Over) -> bool:
        """Where people can look at it; for as long as it takes: nothing may be passed over."""
        letter = DeadLetter(self.topic, 0, row, reason)
        key, value, headers = dead_letter(letter, 4 * self.config.input.event_bytes_max)
        log.error("alert_given_up", offset=row.offset, reason=reason, kept="in dead-letters")
        while True:
            try:
                await producer.send_and_wait(self.config.topic("dead-letters"), value, key=key, headers=headers)
            except KafkaError as error:
                log.warning("dead_letter_not_sent", reason=type(error).__name__)
                if await over.within(AGAIN_S):
                    return False
            else:
                return True

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
        figures.add("millrace_dead_letters_total", self.outcomes["dead_letter"], self.topic, reason_class("webhook: "))
        figures.add("millrace_webhook_lag_records", self.lag)
        return figures


class _Over:
    """Whether a line has nothing more to do: the process is stopped, or the partition is somebody else's."""

    def __init__(self, stopping: asyncio.Future[Any], gone: asyncio.Event) -> None:
        self._stopping, self._gone = stopping, gone

    def __bool__(self) -> bool:
        return self._stopping.done() or self._gone.is_set()

    async def within(self, seconds: float) -> bool:
        """Wait so long, or until it is over; whether it is."""
        await _either(self._gone, self._stopping, seconds)
        return bool(self)


async def _either(event: asyncio.Event, stopping: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Until one of them, or for so long."""
    happened = asyncio.ensure_future(event.wait())
    await asyncio.wait({happened, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    happened.cancel()


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
        webhook = self.webhook
        webhook.assigned, webhook.turns = None, {}
        webhook.gone.set()
        webhook.settled.clear()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """These are ours now."""
        webhook, consumer = self.webhook, self.consumer
        turns = {}
        for place in assigned:
            position, note = await _committed(consumer, place)
            if position is None:
                position = (await consumer.end_offsets([place]))[place]
                await consumer.commit({place: position})
                log.info("webhook_begins", offset=position)
            else:
                await self._read_back(place, position, noted(position, note))
            turns[place] = Turns(position, noted(position, note))
        webhook.turns, webhook.assigned = turns, set(assigned)
        webhook.gone = asyncio.Event()
        webhook.generation += 1
        webhook.settled.set()

    async def _read_back(self, place: Any, position: int, done: Collection[int]) -> None:
        """Ids of what lies before the committed offset, and of what its note says is done behind it."""
        async with reader(self.webhook.connection) as consumer:
            begin, end = await bounds(consumer, place.topic, place.partition)
            start, stop = max(begin, position - KNOWN_MAX), min(end, max(done, default=position - 1) + 1)
            async for rows in read_through(consumer, place.topic, place.partition, start, stop):
                for row in rows:
                    if (row.offset < position or row.offset in done) and (alert := _read(row)) is not None:
                        self.webhook.memory.remember(alert)


async def _committed(consumer: Any, place: Any) -> tuple[int | None, str]:
    """The group's offset and its note; aiokafka's public word for it leaves the note out."""
    found = (await consumer._coordinator.fetch_committed_offsets([place])).get(place)  # noqa: SLF001 - see above
    return (None, "") if found is None or found.offset < 0 else (found.offset, found.metadata or "")
