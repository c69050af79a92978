"""Which column it is, and since when: from the lanes of the sections that are watched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from drift.budget.bets import FALLS
from drift.budget.config import AlarmBudgetConfig
from drift.budget.encoding import QUALITY_ASPECTS
from drift.budget.findings import Blame
from drift.budget.joint import JOINT
from drift.budget.qualification import WORDS, Standing
from drift.budget.references import LOSS
from drift.budget.section import Section
from drift.evidence import Subject

_LISTED = 20
"""A column is listed with evidence of 20 d n after n events since the last reset, d columns: by Markov's inequality
one in 20 listings names a column without cause, at most."""


def blame_of(section: Section, lane: int, config: AlarmBudgetConfig, standings: Mapping[str, Standing]) -> Blame:
    """What one lane says; `standings` by column."""
    found = section.panel.lanes[lane]
    cusum = section.panel.bank.cusum(lane)
    return Blame(
        subject=_subject(found.column, found.aspect, config),
        aspect=found.aspect,
        bet=found.bet,
        clock=section.clock,
        since=section.panel.bank.began(lane),
        strength=math.log10(cusum) if cusum > 0 else 0.0,
        standing=standings[found.column].words if found.column in standings else WORDS["holds"],
    )


def is_fall(blame: Blame) -> bool:
    """Whether it is the loss that has fallen: a model has learnt."""
    return blame.subject.kind == "loss" and blame.bet in FALLS


def listed(
    sections: Sequence[Section], first: str, config: AlarmBudgetConfig, standings: Mapping[str, Standing]
) -> tuple[Blame, ...]:
    """The column `first`, and every other with evidence enough, by strength."""
    columns = len(config.columns) + (config.loss is not None) + config.joint
    blames = []
    for section in sections:
        limit = _LISTED * columns * (section.panel.position - section.reset_at)
        for column, evidence in section.panel.mean_evidence().items():
            if column == first or evidence >= limit > 0:
                blame = blame_of(section, section.panel.best_lane(column), config, standings)
                if column == first or not is_fall(blame):
                    blames.append((column != first, -blame.strength, str(blame.subject), blame))
    return tuple(blame for *_, blame in sorted(blames, key=lambda each: each[:3]))


def _subject(column: str, aspect: str, config: AlarmBudgetConfig) -> Subject:
    if column == LOSS:
        return Subject(kind="loss")
    if column == JOINT:
        return Subject(kind="feature", name=JOINT)
    subject = config.columns[column].subject
    of_data = aspect in QUALITY_ASPECTS and subject.kind == "feature"
    return Subject(kind="quality", name=subject.name) if of_data else subject
