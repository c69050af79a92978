"""What a scorecard cannot tell, in words."""

from __future__ import annotations

from collections.abc import Iterator

from drift.scorecard.card import Scorecard
from drift.scorecard.catalog import BUDGET
from drift.scorecard.judging import Score, poisson_interval

_EXPECTED_MIN = 5.0
"""False alarms to expect, below which their count says little about the rate."""
_NAMES_MAX = 5


def notes(card: Scorecard) -> Iterator[str]:
    """One sentence or two each, the gravest first."""
    yield from _not_stable(card)
    yield from _too_few(card)
    yield (
        "Rows were drawn one by one, so what depends on its past lost its past: only the column 'as it came' shows "
        "your data's own order, and there a real change counts as a false alarm."
    )
    yield (
        "A delay runs to the first alarm after the change, whoever is blamed: who alarms often is early by chance, as "
        "the control that always fires shows. Read delays beside false alarms and right blame."
    )
    if card.losses:
        yield (
            "Losses are those of the predictions in the source, known at once: no model was run again on changed "
            "features, so their effect on the loss is not in here, and label delay adds to every delay of a label swap."
        )
    else:
        yield "There are no losses in this source, so no change of the labels could be tried."
    if card.left_out:
        yield f"Not tried, since no column of this source can have it: {', '.join(_left_out(card))}."
    yield (
        "Calibrated windows are at their best here: their thresholds come from the very rows they are judged on. "
        "Windows see nothing before the first is full, and are looked at once a slide."
    )


def _not_stable(card: Scorecard) -> Iterator[str]:
    refused = [each for each in card.standings if each.promise in {"not_stable", "dependent", "demoted"}]
    by_words: dict[str, list[str]] = {}
    for each in refused:
        by_words.setdefault(each.words.partition(":")[0], []).append(each.column)
    for words, columns in by_words.items():
        more = f" and {len(columns) - _NAMES_MAX} more" if len(columns) > _NAMES_MAX else ""
        yield (
            f"Of {len(columns)} of {len(card.standings)} columns the budget says '{words}' in their own order: "
            f"{', '.join(columns[:_NAMES_MAX])}{more}. Their figures hold for shuffled rows, not for your stream."
        )
    own = _score(card, BUDGET).as_it_came
    allowed = own.events / card.config.events_per_alarm
    if own.alarms and poisson_interval(own.alarms)[0] > allowed:
        yield (
            f"The stretch is not stable: in its own order the budget alarmed {own.alarms} times in {own.events:,} "
            f"events, where {allowed:.2g} were allowed. Take another stretch, or see what changed there."
        )


def _too_few(card: Scorecard) -> Iterator[str]:
    config = card.config
    expected = _score(card, BUDGET).drawn.events / config.events_per_alarm
    if expected < _EXPECTED_MIN:
        yield (
            f"Too few events to verify the configured budget: 1 per {config.events_per_alarm:,.0f} is {expected:.2g} "
            f"in {config.stable_events:,} stable events. The intervals say what the counts are compatible with; "
            f"--events {5 * config.events_per_alarm:,.0f} would tell."
        )
    if card.rows < 2 * config.reference_rows:
        yield (
            f"{card.rows:,} rows are few for references of {config.reference_rows:,}: drawn rows repeat, and what is "
            "rare in your stream may be absent."
        )
    if config.repeats < 5:  # noqa: PLR2004 - a median of four is a guess
        yield f"Each change was tried {config.repeats} times only: medians are rough."


def _left_out(card: Scorecard) -> Iterator[str]:
    """Kinds of which no size was possible by their name, else the sizes."""
    tried = {each.scenario.name for each in card.tried}
    names = dict.fromkeys(key.partition(":")[0] for key in card.left_out)
    for name in names:
        if name in tried:
            yield from (key for key in card.left_out if key.startswith(f"{name}:"))
        else:
            yield name


def _score(card: Scorecard, name: str) -> Score:
    return next(score for score in card.scores if score.name == name)
