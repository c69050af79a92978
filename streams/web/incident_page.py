"""One incident: what changed, since when, whether it hurts, what was asked for. From the view to the context. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.messages import Hurt
from streams.web.asked import acknowledged, closing, name_of, silence_about
from streams.web.history import Window, number_or_none
from streams.web.incident import Incident
from streams.web.scores import LOWER_IS_BETTER, effects, metric_of, score_chart
from streams.web.shapes import picture
from streams.web.view import View

AROUND = 40
"""Windows shown before an incident and after it."""
BEFORE = 10
"""Windows before the change that say what the score was."""
SIGNALS_SHOWN = 20
PLACES_SHOWN = 3
"""Offsets in the headline; all of them are in the table."""
SILENCED = 3
"""Subjects in the command that silences them."""
HURT_WORDS = {"worse": "yes", "better": "no, better", "none_seen": "no harm seen", "unknown": "not known yet"}


def incident(view: View, found: Incident, now_ms: int, metric: str | None = None) -> dict[str, Any]:
    """What changed, since when, whether it hurts, what was asked for."""
    chosen = metric_of(view.config, metric)
    windows = view.history.newest()
    inside = [number for number, window in enumerate(windows) if window.incident == found.id]
    since_ms = min((phase.alert.since_ms for phase in found.phases), default=0)
    around: Sequence[Window] = ()
    during: Sequence[Window] = ()
    before: Sequence[Window] = ()
    if inside:
        start, stop = inside[0], inside[-1] + 1
        around = windows[max(0, start - AROUND) : stop + AROUND]
        during = windows[start:stop]
        calm = [window for window in windows[:start] if window.to_ms <= since_ms and window.incident is None]
        before = calm[-BEFORE:]
    subjects = [_subject(item) for item in found.subjects]
    for each in subjects:
        shape = view.shapes.of(found.id, each["subject"])
        is_shown = shape is not None and each["source"] != "missing_share"  # what is missing is in no bin
        each["picture"] = picture(shape.histogram) if shape and is_shown else None
        each["silence"] = silence_about(view, each["subject"], now_ms)
    since = dict(found.phases[0].alert.since)
    return {
        "incident": found,
        "since_ms": since_ms,
        "first": found.phases[0].alert,
        "since": since,
        "since_shown": _places(view, since)[:PLACES_SHOWN],
        "silence": _silence(view, subjects),
        "silent": list(dict.fromkeys(s.name for each in subjects if (s := each["silence"]) is not None and s.name)),
        "acknowledged": acknowledged(view, found),
        "closing": closing(view, found),
        "subjects": subjects,
        "pictured": any(each["picture"] for each in subjects),
        "hurt": _hurt(found.newest.hurt),
        "hurt_words": HURT_WORDS,
        "metric": chosen,
        "lower": chosen in LOWER_IS_BETTER,
        "effects": effects(before, during, chosen, view.config.models.champion),
        "before_count": len(before),
        "during_count": len(during),
        "chart": score_chart(view, around, chosen) if around else None,
        "signals": _signals(found, subjects, during),
        "coverage": during[-1].coverage if during else None,
    }


def _places(view: View, since: Mapping[str, int]) -> list[tuple[str, int]]:
    """Where the change began, what was predicted first: there anybody would look."""
    topic = view.config.topic("predictions") + "/"
    return sorted(since.items(), key=lambda item: (not item[0].startswith(topic), item[0]))


def _silence(view: View, subjects: Sequence[Mapping[str, Any]]) -> str:
    """The strongest of those that are not silent yet, as `millrace incidents silence` takes them."""
    names = (name_of(view, each["subject"]) for each in subjects if each["silence"] is None)
    return " ".join(list(dict.fromkeys(name for name in names if name))[:SILENCED])


def _hurt(told: Hurt) -> dict[str, Any]:
    """The interval of the difference as places on a line with zero in its middle."""
    low, high = number_or_none(told.low), number_or_none(told.high)
    span = None
    if low is not None and high is not None and low <= high and (widest := max(abs(low), abs(high))) > 0:
        x = 50 + 45 * low / widest
        span = {"x": round(x, 1), "width": round(max(1.0, 50 + 45 * high / widest - x), 1)}
    return {"told": told, "low": low, "high": high, "span": span}


def _subject(item: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {
        name: number_or_none(item.get(name)) for name in ("value", "threshold", "strength", "evidence", "since_ms")
    }
    strength, since = numbers["strength"], numbers["since_ms"]
    if strength is None and numbers["value"] is not None and numbers["threshold"]:
        strength = numbers["value"] / numbers["threshold"]
    detail = item.get("detail")
    return {
        **numbers,
        **{name: str(item.get(name, "")) for name in ("subject", "source", "aspect", "bet", "standing")},
        "strength": strength,
        "since_ms": None if since is None else int(since),
        "detail": {str(key): number_or_none(part) for key, part in detail.items()} if isinstance(detail, dict) else {},
    }


def _signals(found: Incident, subjects: Sequence[Mapping[str, Any]], during: Sequence[Window]) -> list[dict[str, Any]]:
    """What fired and when: the budget's bets, with the phase that first told of each, and named detectors."""
    told: dict[tuple[str, str, int], str] = {}
    first: dict[str, int] = {}
    for phase in found.phases:
        for item in phase.alert.subjects:
            first.setdefault(str(item.get("subject", "")), phase.told_ms)
    for each in subjects:
        told_ms = first.get(each["subject"], found.started_ms)
        told[each["subject"], each["bet"] or each["source"], told_ms] = "budget" if each["bet"] else "window"
    for window in during:
        for alarm in window.alarms:
            told.setdefault((alarm.subject, alarm.detector, alarm.event_ms), "outside of the budget")
    ordered = sorted(told, key=lambda signal: (signal[2], signal[0], signal[1]))
    return [{"subject": s, "signal": d, "at_ms": ms, "kind": told[s, d, ms]} for s, d, ms in ordered[:SIGNALS_SHOWN]]
