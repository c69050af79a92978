"""Where in an input a state began, and whether the log still holds all that it has counted since.

A checkpoint does not say where its pipeline began. What it has counted, and what the log holds up to where it has read,
say it: as many are whole; more than are held were removed by retention; fewer began later, which only `start` allows.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from streams.topic_logs import Place
from streams.verify.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The stretch of one input that one state has folded, as far as it is held."""

    place: Place
    begin: int
    """First offset that is held, or where the pipeline began if that is later."""
    stop: int
    """Where it had read to."""
    lost: int = 0
    """Records that were counted and are no longer held."""
    short: int = 0
    """Records that are held and were not counted."""
    cut: bool = False
    """The log has lost its beginning."""
    thinned: bool = False
    """Its topic is compacted: any record may have gone."""

    def __str__(self) -> str:
        return f"{self.place[0]}/{self.place[1]} [{self.begin:,}, {self.stop:,})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far judgement goes in one partition."""

    events: Span
    labels: Span
    events_end: int
    """End of the features log."""
    labels_end: int
    examples: str
    """What the log of its examples is called."""


def span_of(evidence: Evidence, place: Place, stop: int, counted: int, *, look: bool) -> Span:
    """What a state that read to `stop` and counted so many records has folded.

    Where there is an offset for each record counted, there is a record at each, nearly always: without `look` that is
    taken for granted, and the log is not read twice.
    """
    logs, first = evidence.logs, evidence.starts.get(place)
    begin = logs.begins[place]
    cut = begin > 0
    if counted == stop - begin and not look:
        return Span(place=place, begin=begin, stop=stop, cut=cut)
    offsets = array("Q", (row.offset for row in logs.read(place, begin, stop)))
    missing = counted - len(offsets)
    if missing > 0:
        return Span(place=place, begin=begin, stop=stop, lost=missing, cut=cut, thinned=place[0] in evidence.compacted)
    if missing == 0:
        return Span(place=place, begin=begin, stop=stop, cut=cut)
    start = offsets[-counted] if counted else stop
    if evidence.config.start == "earliest" or (
        first is not None and any(first <= offset < start for offset in offsets)
    ):
        return Span(place=place, begin=begin, stop=stop, short=-missing, cut=cut)
    return Span(place=place, begin=start, stop=stop)
