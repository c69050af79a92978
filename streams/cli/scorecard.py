"""`millrace scorecard`: how the pipeline's drift settings, and the alternatives, would do on the user's own data."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.option_lists import spread
from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, load_config
from streams.cli.terminal import Update, interactive, json_out, note, progress, say, table, write_out
from streams.cli.wording import one_line, plural
from streams.errors import ConfigError, MillraceError

if TYPE_CHECKING:
    from drift.scorecard.card import Scorecard
    from drift.scorecard.stretch import Stretch
    from streams.config import Config

app = typer.Typer(no_args_is_help=False)
_READING = 0.1
"""Share of the bar that is for reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be judged, and how much of it."""

    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TOPIC|FILE",
            help="examples (with losses), predictions, or a CSV, JSON Lines or Parquet file.",
        ),
    ] = None
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="COLUMN", help="Of a file: the labels; the champion learns them for its loss."),
    ] = None
    rows: Annotated[
        int, typer.Option("--rows", metavar="N", min=300, help="The newest so many (of a file the first).")
    ] = 50_000
    since: Annotated[
        str | None, typer.Option("--since", metavar="1h|TIME", help="Of a topic: the first rows from then on instead.")
    ] = None
    events: Annotated[
        int, typer.Option("--events", metavar="N", min=1_000, help="Stable events to count false alarms on.")
    ] = 50_000
    repeats: Annotated[int, typer.Option("--repeats", metavar="N", min=1, help="Trials of each change.")] = 5
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of everything that is drawn.")] = 1


@app.command(
    epilog="Examples:  millrace scorecard   |   millrace scorecard --from week.parquet --label fraud --html card.html"
    "   |   millrace scorecard --set 'drift.false_alarms=1 per 10000 events' --json"
)
@spread
def scorecard(
    asked: Asked,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page.")] = None,
    override: SetOption = None,
) -> None:
    """Inject known changes into your own stable data, and see who finds them, how soon, and at what price.

    Takes rows of the pipeline's topics or of a file, in which nothing is known to have changed. Judges the pipeline's
    false-alarm budget as configured, River's detectors, and Evidently's windows at default and at calibrated
    thresholds, beside a control that always fires and one that never does: false alarms per 100,000 events, median
    delay, misses, whether the right column is blamed, and cost. Reads only. Says what it cannot tell.
    """
    loaded = load_config(config, override)
    with progress("scorecard") as update:
        update(0.0, "reading")
        stretch, name = _stretch(loaded, asked, update)
        card = judged(loaded, stretch, asked, update)
    if html is not None:
        from drift.scorecard.page import page

        write_out(html, page(card, f"Drift scorecard of {loaded.name}", name))
    if as_json:
        json_out({"pipeline": loaded.name, "from": name, **card.tree()})
    else:
        _draw(card, name)
    if html is not None:
        note(f"page: {html.resolve()}")


def judged(config: Config, stretch: Stretch, asked: Asked, update: Update) -> Scorecard:
    """The scorecard of a stretch."""
    from drift.scorecard.budgeted import Budgeted
    from drift.scorecard.card import Scorecard, ScorecardConfig, own_reference_rows, run
    from drift.scorecard.catalog import BUDGET, contenders
    from drift.scorecard.notes import notes
    from drift.scorecard.windows import WindowSettings
    from streams.stable_stretch import budget_of

    budget = budget_of(config, stretch)
    settings = ScorecardConfig(
        seed=asked.seed,
        events_per_alarm=budget.allowance.events_per_alarm(),
        reference_rows=config.drift.reference.rows,
        stable_events=asked.events,
        repeats=asked.repeats,
    )
    windows = WindowSettings(window_rows=config.drift.window_rows, slide_rows=config.drift.slide_rows)
    update(_READING, "calibrating windows")
    entrants = contenders(
        stretch, budget, windows, events_per_alarm=settings.events_per_alarm,
        reference_rows=settings.reference_rows, seed=settings.seed,
    )  # fmt: skip
    scores, tried, left_out = run(
        stretch, entrants, settings, time.thread_time, lambda share, what: update(_READING + 0.9 * share, what)
    )
    own = own_reference_rows(stretch.rows, settings)
    card = Scorecard(
        config=settings,
        rows=stretch.rows,
        columns=stretch.kinds,
        losses=stretch.losses is not None,
        own_reference_rows=own,
        standings=Budgeted(BUDGET, "", budget).standings(stretch.take(slice(own))),
        scores=scores,
        tried=tried,
        left_out=left_out,
    )
    return replace(card, notes=tuple(notes(card)))


# -- reading -------------------------------------------------------------------------------------------------------


def _stretch(config: Config, asked: Asked, update: Update) -> tuple[Stretch, str]:
    from streams.rows import FORMATS, open_rows
    from streams.stable_stretch import from_file

    source = asked.source
    roles = {name: role for role in ("examples", "predictions") for name in (role, config.topic(role))}
    if source is None or source in roles:
        if asked.label is not None:
            raise ConfigError("--label", "must be of a file: a topic's records bring their labels")
        return _of_topic(config, asked, roles[source] if source else None, update)
    path = Path(source)
    if not path.exists() and not set(path.suffixes) & set(FORMATS):
        raise ConfigError("--from", f"must be examples, predictions or a file, got {source!r}")
    if asked.since is not None:
        raise ConfigError("--since", "must be for a topic: a file's rows have no record times")

    def told(rows: int) -> None:
        if rows % 500 == 0:
            update(_READING * rows / asked.rows, f"{rows:,} rows")

    return from_file(config, open_rows(path), asked.label, asked.rows, asked.seed, told), path.name


def _of_topic(config: Config, asked: Asked, role: str | None, update: Update) -> tuple[Stretch, str]:
    from streams.kafka.replaying import stretch_records
    from streams.moments import moment_ms
    from streams.stable_stretch import ROWS_MIN, from_examples, from_predictions

    try:
        since = None if asked.since is None else moment_ms(asked.since, int(time.time() * 1000))
    except ValueError as error:
        raise ConfigError("--since", str(error)) from error

    def told(done: int, total: int) -> None:
        update(_READING * done / max(total, 1), f"{done:,} records")

    chosen = role or "examples"
    records = stretch_records(config, chosen, asked.rows, since, told)
    if role is None and len(records) < ROWS_MIN:
        chosen = "predictions"
        records = stretch_records(config, chosen, asked.rows, since, told)
    if len(records) < ROWS_MIN:
        raise MillraceError(
            f"{config.topic(chosen)} must hold at least {ROWS_MIN} records for a scorecard, got {len(records):,}: "
            "let the pipeline run for a while, or name a file: millrace scorecard --from FILE"
        )
    if chosen == "examples":
        return from_examples(config, [r.value or b"" for r in records], asked.seed), config.topic(chosen)
    return from_predictions(config, [(r.partition, r.value or b"") for r in records]), config.topic(chosen)


# -- showing -------------------------------------------------------------------------------------------------------


def _draw(card: Scorecard, name: str) -> None:
    from drift.scorecard import wording
    from drift.scorecard.catalog import SHOWN

    wide = interactive()
    note(
        f"{one_line(name)}: {plural(card.rows, 'row')}, {plural(len(card.columns), 'column')}"
        f"{' and the loss' if card.losses else ''}; seed {card.config.seed}"
    )
    table(wording.SUMMARY, wording.summary(card), title="All changes together" if wide else "")
    say()
    names = [score.name for score in card.scores if not wide or score.name in SHOWN]
    title = "Median delay in events, by change" if wide else ""
    table(("change", *names), wording.changes(card, names), title=title)
    say()
    for words in card.notes:
        say(f"- {one_line(words)}")
    if wide and len(names) < len(card.scores):
        note("The other contenders, change by change: --json, or --html FILE")
