"""What each page shows, as values: from the view to the templates' context. Pure; the time is handed in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from streams.web.asked import silenced, with_acknowledgements
from streams.web.charts import path, scale, spark
from streams.web.history import Window, number_or_none
from streams.web.scores import (
    BASELINE_WORDS,
    LOWER_IS_BETTER,
    METRICS,
    differences,
    metric_of,
    score_chart,
    score_rows,
)
from streams.web.standing import stands
from streams.web.view import Letter, View

SPANS = {"100": 100, "1000": 1_000, "all": None}
"""How many windows a page may be asked to draw."""
SPAN_DEFAULT = "1000"
INCIDENTS_SHOWN = 8
SPARK_WINDOWS = 60
VERSIONS_SHOWN = 12
REASONS_SHOWN = 30
SAMPLES_SHOWN = 5
LETTER_BUCKETS = 60
_FATES = {
    "predictions": (
        ("joined", "met their label", "good"),
        ("pending", "wait for it", "quiet"),
        ("expired", "never got one", "bad"),
    ),
    "labels": (
        ("joined", "met their prediction", "good"),
        ("correction", "corrected an earlier one", "quiet"),
        ("duplicate", "said again", "quiet"),
        ("waiting", "wait for their event", "quiet"),
        ("late", "came after labels.wait", "bad"),
        ("orphan", "no event of that id", "bad"),
        ("label_dead", "could not be read", "bad"),
    ),
}


def span_of(wanted: str | None) -> str:
    """The span asked for, if there is such a one."""
    return wanted if wanted in SPANS else SPAN_DEFAULT


def frame(view: View, now_ms: int, page: str) -> dict[str, Any]:
    """What every page has round it: the pipeline, freshness, open incidents."""
    return {
        "pipeline": view.config.name,
        "page": page,
        "now_ms": now_ms,
        "revision": view.revision,
        "stale_ms": view.stale_since(now_ms),
        "problem": view.problem,
        "heard_ms": view.heard_ms,
        "loaded": view.loaded,
        "open_count": len(view.incidents.open()),
        "unreadable": dict(view.unreadable),
    }


def overview(view: View, now_ms: int, metric: str | None = None, span: str | None = None) -> dict[str, Any]:
    """Rates, lag, the model, its score beside the baselines, incidents, the ledger."""
    told, span = view.status(now_ms), span_of(span)
    chosen = metric_of(view.config, metric)
    windows = view.history.newest(SPANS[span])
    newest = windows[-1] if windows else None
    champion = view.config.models.champion
    pace = list(view.pace)
    fresh = view.heard_ms is not None and view.stale_since(now_ms) is None
    return {
        "told": told,
        "metric": chosen,
        "metrics": METRICS[view.config.target.task],
        "span": span,
        "spans": tuple(SPANS),
        "windows": len(windows),
        "dropped": view.history.dropped,
        "chart": score_chart(view, windows, chosen) if windows else None,
        "newest": newest,
        "champion": champion,
        "model": told["models"][0] if told["models"] else _published(view, now_ms),
        "shards": max(len(told["models"]), len(view.models)),
        "scores": score_rows(newest_quality(view), champion),
        "baseline_words": BASELINE_WORDS,
        "rate_spark": spark([each.per_second.get("features") for each in pace]),
        "lag_spark": spark([each.lag for each in pace]),
        "score_spark": _score_spark(windows[-SPARK_WINDOWS:], champion, chosen),
        "drift_spark": spark([_strongest(window) for window in windows[-SPARK_WINDOWS:]]),
        "told_of": view.incidents.get(newest.incident) if newest and newest.incident else None,
        "changed": sum(stands(column)[0] == "changed" for column in view.last.columns) if view.last else 0,
        "lag": pace[-1].lag if pace and fresh else None,
        "rate": told["per_second"]["features"] if fresh else None,
        "fresh": fresh,
        "incidents": with_acknowledgements(view, view.incidents.newest_first()[:INCIDENTS_SHOWN]),
        "silences": silenced(view, now_ms),
        "incidents_total": len(view.incidents),
        "flows": flows(told, view),
        "delays": _delays(view),
        "store_problem": view.store.problem,
    }


def _score_spark(windows: Sequence[Window], champion: str, metric: str) -> str:
    found = [window.scores.get(champion, {}).get(metric) for window in windows]
    return path(found, scale([value for value in found if value is not None]))


def _strongest(window: Window) -> float | None:
    """How far the farthest column stands from the reference, in thresholds; twice is enough for a small line."""
    ratios = [window.point(at).ratio for at in range(len(window.subjects))]
    return min(2.0, max((ratio for ratio in ratios if ratio is not None), default=0.0))


def _published(view: View, now_ms: int) -> dict[str, Any] | None:
    """Without the state store: what `models` says."""
    if not view.models:
        return None
    newest = view.models[min(view.models)]
    age_ms = now_ms - newest.published_ms
    return {"version": newest.version, "published": {"version": newest.version, "age_ms": age_ms}}


def newest_quality(view: View) -> dict[str, Any]:
    """The last window's scores in the form of a shard's."""
    last = view.last
    if last is None:
        return {}
    return {
        name: {"window": said, "total": {}, "examples": said.get("examples"), "unscored": said.get("unscored")}
        for name, said in last.quality.items()
        if isinstance(said, dict)
    }


def flows(told: Mapping[str, Any], view: View) -> list[dict[str, Any]]:
    """What became of predictions and labels; without the state store only what the monitor has counted."""
    ledger = told["labels"]
    if ledger is None:
        said = view.last.labels if view.last is not None else {}
        predicted, joined = (int(number_or_none(said.get(word)) or 0) for word in ("predictions", "examples"))
        if not predicted:
            return []
        others = max(0, predicted - joined)
        parts = [
            {
                "word": "joined",
                "about": "met their label",
                "style": "good",
                "count": joined,
                "share": joined / predicted,
            },
            {
                "word": "open",
                "about": "pending or expired",
                "style": "quiet",
                "count": others,
                "share": others / predicted,
            },
        ]
        return [{"name": "predictions", "total": predicted, "parts": parts}]
    counts = ledger["counts"]
    found = []
    for name, fates in _FATES.items():
        total = sum(counts.get(word, 0) for word, _, _ in fates)
        parts = [
            {
                "word": "dead letter" if word == "label_dead" else word,
                "about": about,
                "style": style,
                "count": counts.get(word, 0),
                "share": counts.get(word, 0) / total if total else 0.0,
            }
            for word, about, style in fates
        ]
        found.append({"name": name, "total": total, "parts": parts})
    return found


def _delays(view: View) -> dict[str, float | None]:
    said = view.last.labels.get("delay_ms") if view.last is not None else None
    return {name: number_or_none(value) for name, value in said.items()} if isinstance(said, dict) else {}


def models(view: View, now_ms: int, metric: str | None = None, span: str | None = None) -> dict[str, Any]:
    """Scores over time, champion and challengers of each shard, and the versions that were published."""
    told, span = view.status(now_ms), span_of(span)
    chosen, windows = metric_of(view.config, metric), view.history.newest(SPANS[span])
    shards = []
    by_shard = {each["shard"]: each for each in told["models"]}
    for shard in sorted({*by_shard, *view.models}):
        published, state = view.models.get(shard), by_shard.get(shard)
        scores = (state or {}).get("scores") or (published.scores if published else {})
        topic = f"{view.config.topic('examples')}/{shard}"
        begin = view.kafka.begins.get((view.config.topic("examples"), shard), 0)
        version = (state or {}).get("version")
        version = published.version if version is None and published else version
        shards.append(
            {
                "shard": shard,
                "published": published,
                "model": published.model if published else view.config.models.champion,
                "version": version,
                "learnt": (state or {}).get("learnt") if (state or {}).get("learnt") is not None else None,
                "age_ms": (state or {}).get("age_ms"),
                "topic": topic,
                "begin": begin,
                "scores": (rows := score_rows(_mappings(scores), view.config.models.champion)),
                "differences": differences(rows, chosen),
            }
        )
    return {
        "metric": chosen,
        "lower": chosen in LOWER_IS_BETTER,
        "span": span,
        "spans": tuple(SPANS),
        "chart": score_chart(view, windows, chosen, bands=True) if windows else None,
        "windows": len(windows),
        "rows": windows[-1].rows if windows else 0,
        "shards": shards,
        "metrics": METRICS[view.config.target.task],
        "score_rows_max": view.config.models.score_rows,
        "candidates": view.config.models.candidates,
        "versions": _versions(view)[:VERSIONS_SHOWN],
        "versions_total": len(view.versions),
        "states": told["states"],
        "store_problem": view.store.problem,
        "store_url": told["store"]["url"],
        "baseline_words": BASELINE_WORDS,
        "gaps": told["gaps"],
    }


def _versions(view: View) -> list[dict[str, Any]]:
    """The newest first, each with what it had learnt and how much of it the kept one before had not."""
    topic, before, found = view.config.topic("examples"), dict[int, int](), []
    for each in view.versions:
        begin = view.kafka.begins.get((topic, each.shard), 0)
        start = before.get(each.shard)
        found.append(
            {
                "told": each,
                "topic": f"{topic}/{each.shard}",
                "begin": begin,
                "fresh": None if start is None or start > each.version else each.version - start,
                "since": start,
            }
        )
        before[each.shard] = each.version
    return found[::-1]


def _mappings(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {
            key: part if isinstance(part, dict) or key not in {"window", "total"} else {} for key, part in said.items()
        }
        for name, said in scores.items()
        if isinstance(said, dict)
    }


def letters(view: View, now_ms: int) -> dict[str, Any]:
    """Reasons over time, and where some records of each were. Never what was in them."""
    kept: Sequence[Letter] = list(view.letters)
    told = view.status(now_ms)
    first = min((letter.told_ms for letter in kept), default=0)
    last = max((letter.told_ms for letter in kept), default=0)
    width = max(1.0, (last - first + 1) / LETTER_BUCKETS)
    by_reason: dict[str, list[Letter]] = defaultdict(list)
    for letter in kept:
        by_reason[letter.reason].append(letter)
    rows = []
    for reason, found in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))[:REASONS_SHOWN]:
        counted = Counter(int((letter.told_ms - first) / width) for letter in found)
        most = max(counted.values())
        rows.append(
            {
                "reason": reason,
                "count": len(found),
                "first_ms": min(letter.told_ms for letter in found),
                "last_ms": max(letter.told_ms for letter in found),
                "bars": [
                    {"x": number, "height": round(20 * count / most, 2)} for number, count in sorted(counted.items())
                ],
                "samples": found[-SAMPLES_SHOWN:][::-1],
            }
        )
    return {
        "rows": rows,
        "kept": len(kept),
        "reasons": len(by_reason),
        "held": told["dead_letters"]["held"],
        "topic": view.config.topic("dead-letters"),
        "from_ms": first,
        "to_ms": last,
        "buckets": LETTER_BUCKETS,
        "known": view.heard_ms is not None,
    }
