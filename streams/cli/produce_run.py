"""`millrace produce`: one file on its way to Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import Update, json_out, note, progress, say, warn
from streams.errors import BrokerError, ConfigError, MillraceError

if TYPE_CHECKING:
    from streams.kafka.producing import RecordSender
    from streams.produce import Pair, RecordWriter, Side
    from streams.rows import Format, Rows
    from streams.schedule import Pace

_BAD_SHOWN = 3
_UPDATE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """How a file is read and sent: the options of every sub-command."""

    config: ConfigOption = CONFIG
    id_: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Ids. Default: `id`, else row numbers.")] = (
        None
    )
    time_: Annotated[
        str | None, typer.Option("--time", metavar="COLUMN", help="Times, carried along. Default: `time`.")
    ] = None
    key: Annotated[str | None, typer.Option("--key", metavar="COLUMN", help="Kafka keys. Default: the ids.")] = None
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl|parquet", help="Default: by the suffix.")
    ] = None
    rate: Annotated[float | None, typer.Option("--rate", metavar="ROWS", help="Rows a second. Default: no limit.")] = (
        None
    )
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="ROWS", help="Stop after so many rows.")] = None
    id_prefix: Annotated[
        str | None, typer.Option("--id-prefix", help="Of ids from row numbers. Default: the file's name.")
    ] = None
    missing: Annotated[
        list[str] | None,
        typer.Option("--missing", metavar="TEXT", help='A cell that means "no value", besides the empty one.'),
    ] = None
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Count rows that cannot be read, and go on.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False
    override: SetOption = None


class Sending:
    """The rows of one file as records of one side, or of both."""

    def __init__(self, side: Side, file: str, given: Given) -> None:
        self.side, self.file, self.given = side, file, given
        self.config = load_config(given.config, given.override)
        self.form = _format(given.form)
        self.prefix = given.id_prefix or ("stdin" if file == "-" else Path(file).name.split(".", 1)[0])
        self.read = self.bad = self.unlabelled = 0

    def go(self, label: str | None = None, label_delay: str = "0") -> None:
        """Send all, with labels from the column `label`; says what was sent also when it is broken off half-way."""
        from streams.produce import Columns, RecordWriter
        from streams.rows import open_rows

        given = self.given
        pace = _pace(given.rate, label_delay)
        self.rows: Rows = open_rows(self.file, self.form)
        columns = Columns(id=given.id_, time=given.time_, key=given.key, label=label)
        writer = RecordWriter(self.config, self.side, columns, id_prefix=self.prefix, missing=given.missing or [])
        pairs = self._pairs(writer)
        first = next(pairs, None)  # whatever is wrong with the file as a whole shows before Kafka is asked
        if first is None:
            raise MillraceError(f"{self.rows.name} must hold rows, got none")
        if writer.absent:
            warn(f"no column for {', '.join(writer.absent)}: sent as missing")
        if writer.numbered:
            note(f"no column `id`: the ids are {self.prefix}-1, {self.prefix}-2 …; labels need the very same")
        from streams.kafka.producing import RecordSender

        roles = ("features", "labels") if self.side == "events" else (str(self.side),)
        started = time.monotonic()
        with RecordSender(self.config, roles) as sender:
            for text in sender.warnings:
                warn(text)
            try:
                self._send(sender, pairs, first, pace)
                sender.flush()
            except KeyboardInterrupt:
                sender.flush(timeout_s=10.0)
                note("interrupted")
                raise
            except MillraceError:  # of a row, or of the broker: what was handed over before still counts
                with suppress(BrokerError):
                    sender.flush(timeout_s=10.0)
                raise
            finally:
                self._summary(sender, time.monotonic() - started, given.as_json)

    def _pairs(self, writer: RecordWriter) -> Iterator[Pair]:
        from streams.rows import BadRow

        where = "row" if self.rows.form == "parquet" else "line"
        for row in self.rows:
            if self.given.limit is not None and self.read >= self.given.limit:
                return
            self.read += 1
            made = row if isinstance(row, BadRow) else writer.records(row)
            if not isinstance(made, BadRow):
                self.unlabelled += self.side != "features" and made.label is None
                yield made
                continue
            problem = f"{self.rows.name}, {where} {made.number}: {made.problem}"
            if not self.given.skip_bad:
                raise MillraceError(f"{problem} (--skip-bad counts such rows and goes on)")
            self.bad += 1
            if self.bad <= _BAD_SHOWN:
                warn(f"skipped {problem}")

    def _send(self, sender: RecordSender, pairs: Iterator[Pair], first: Pair, pace: Pace) -> None:
        from streams.schedule import schedule

        begun = time.monotonic()

        def elapsed_ms() -> float:
            return (time.monotonic() - begun) * 1000

        with progress(f"sending {self.rows.name}") as update:
            shown_ms = 0.0
            for due_ms, (role, key, value) in schedule(chain([first], pairs), pace, elapsed_ms):
                if due_ms > elapsed_ms():
                    self._wait(due_ms, elapsed_ms, update)
                sender.send(role, key, value)
                if elapsed_ms() - shown_ms > _UPDATE_S * 1000:
                    shown_ms = elapsed_ms()
                    self._show(update, shown_ms)

    def _wait(self, due_ms: float, elapsed_ms: Callable[[], float], update: Update) -> None:
        while (left_ms := due_ms - elapsed_ms()) > 0:
            time.sleep(min(left_ms / 1000, _UPDATE_S))
            if left_ms > _UPDATE_S * 1000:
                self._show(update, elapsed_ms())

    def _show(self, update: Update, elapsed_ms: float) -> None:
        update(self._fraction(), f"{self.read:,} rows, {self.read / max(elapsed_ms / 1000, 0.001):,.0f}/s")

    def _fraction(self) -> float | None:
        shares = [self.rows.fraction, None if self.given.limit is None else self.read / self.given.limit]
        return max((share for share in shares if share is not None), default=None)

    def _summary(self, sender: RecordSender, seconds: float, as_json: bool) -> None:
        sent = sender.sent
        rate = sent.records / max(seconds, 0.001)
        if as_json:
            json_out(
                {
                    "rows": self.read,
                    "bad_rows": self.bad,
                    "rows_without_label": self.unlabelled,
                    "sent": sent.by_topic,
                    "bytes": sent.bytes,
                    "seconds": round(seconds, 3),
                    "offsets": sent.offsets,
                }
            )
            return
        for topic, count in sent.by_topic.items():
            ranges = ", ".join(
                f"{place.rpartition('/')[2]}: {first}-{last}"
                for place, (first, last) in sorted(sent.offsets.items())
                if place.rpartition("/")[0] == topic
            )
            say(f"{count:,} records to {topic} (offsets {ranges})")
        skipped = f", {self.bad:,} bad rows skipped" if self.bad else ""
        unlabelled = f", {self.unlabelled:,} rows without a label" if self.unlabelled else ""
        speed = f"{sent.bytes / 1e6:,.1f} MB in {seconds:,.1f} s, {rate:,.0f} records/s"
        say(f"{self.read:,} rows, {speed}{skipped}{unlabelled}")


def _format(form: str | None) -> Format | None:
    if form is None:
        return None
    for known in ("csv", "jsonl", "parquet"):
        if form == known:
            return known
    raise ConfigError("--format", f"must be csv, jsonl or parquet, got {form!r}")


def _pace(rate: float | None, label_delay: str) -> Pace:
    from streams.schedule import Pace, parse_delay

    try:
        delay_rows, delay_ms = parse_delay(label_delay)
    except ValueError as error:
        raise ConfigError("--label-delay", str(error)) from error
    try:
        return Pace(rate=rate, delay_rows=delay_rows, delay_ms=delay_ms)
    except ValueError as error:
        raise ConfigError("", f"--{error}") from error
