"""What `millrace alerts` and `millrace retrain-requests` share: which records, in which form, and for how long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from streams.cli.terminal import interactive, note
from streams.cli.wording import one_line
from streams.durations import parse_duration_ms
from streams.errors import ConfigError
from streams.foreign import read_as

if TYPE_CHECKING:
    from streams.config import Config
    from streams.kafka.subscribing import Record, Subscription

LAST = 10

Told = TypeVar("Told", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records, and how: the options of both commands."""

    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones as they come, until Ctrl-C.")] = (
        False
    )
    since: Annotated[
        str | None, typer.Option("--since", metavar="1h|all", help="Those of the last 30s, 5m, 1h, 7d …, or all.")
    ] = None
    last: Annotated[
        int | None,
        typer.Option("--last", "-n", metavar="N", min=0, help="At most the last N; 10 unless --since is given."),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="The records as they are on the topic, one per line.")] = False

    def since_ms(self, now_ms: int) -> int | None:
        """Record time to begin at, None for the beginning; raises ConfigError for what is no time."""
        if self.since is None or self.since == "all":
            return None
        try:
            return now_ms - parse_duration_ms(self.since)
        except ValueError as error:
            raise ConfigError("--since", f"must be `all` or a duration: it {error}") from None


def show_records(
    config: Config,
    role: str,
    kind: type[Told],
    wanted: Wanted,
    block: Callable[[Told, Record], Any],
    line: Callable[[Told, Record], str],
) -> None:
    """Print them: `block` gives something rich for a terminal, `line` one line for a pipe.

    Raises:
        BrokerError: no broker, or no topic, when it begins.
    """
    from streams.kafka.subscribing import Subscription

    since_ms = wanted.since_ms(int(time.time() * 1000))
    show = _Printer(kind, wanted.as_json, block, line)
    with Subscription(config, role, outage=note) as subscription:
        shown = 0
        for record in _there_already(subscription, wanted, since_ms):
            shown += 1
            show(record)
        if not wanted.follow:
            _say_what_was_not_shown(subscription, wanted, shown)
            return
        note(f"following {subscription.topic}; Ctrl-C ends")
        for record in subscription.follow():
            show(record)


def _there_already(subscription: Subscription, wanted: Wanted, since_ms: int | None) -> Iterator[Record]:
    if wanted.last is None and wanted.since is not None:
        return subscription.since(since_ms)
    return iter(subscription.newest(LAST if wanted.last is None else wanted.last, since_ms))


def _say_what_was_not_shown(subscription: Subscription, wanted: Wanted, shown: int) -> None:
    held = subscription.end - subscription.begin
    if not held:
        note(f"{subscription.topic} is empty")
    elif wanted.last is None and wanted.since is None and held > shown:
        note(f"the last {shown} of {held}; --since all shows them all")


class _Printer:
    """Prints one record; what is no such record is told and passed over."""

    def __init__(
        self,
        kind: type[Told],
        as_json: bool,
        block: Callable[[Told, Record], Any],
        line: Callable[[Told, Record], str],
    ) -> None:
        self.kind, self.as_json, self.block, self.line = kind, as_json, block, line
        self.pretty = interactive()
        self.first = True

    def __call__(self, record: Record) -> None:
        value = record.value or b""
        told = read_as(value, self.kind)
        if told is None:
            note(f"offset {record.offset} is not a record as millrace writes them")
            return
        if self.as_json:
            text = msgspec.json.format(value, indent=-1).decode()
            print(one_line(text) if self.pretty else text)
        elif self.pretty:
            self._draw(told, record)
        else:
            print(self.line(told, record))
        sys.stdout.flush()  # a pipe would hold it back until there are more

    def _draw(self, told: Any, record: Record) -> None:  # noqa: ANN401 - of the decoder's kind
        from streams.cli.terminal import console

        screen = console()
        if not self.first:
            screen.print()
        self.first = False
        screen.print(self.block(told, record))
