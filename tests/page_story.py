"""Records of a pipeline as they come, for pages to be looked at: a calm stretch, a change that hurts, another one."""

from __future__ import annotations

import math
import random

from page_records import alert, column, request, score, version, window

from streams.messages import BudgetMetrics, ColumnStanding, Histogram, Hurt, Instruction

SLIDE_MS = 20_000
BEGINS, ENDS, REBASED = 90, 124, 130
WINDOWS = 170
CHANGED = {"feature:amount": 6.5, "feature:country": 3.1, "feature:basket_size": 1.8, "confidence": 2.2}
QUIET = ("age", "amount", "basket_size", "country", "device", "hour", "items_viewed", "minutes_on_page", "referrer")
FEATURES = (*QUIET, "returning", "seconds_since_last_visit", "season")
HOLDS = ColumnStanding(
    standing="budget holds", holds=True, sensitivity="stable (no shift above 0.21 sd)", smallest=0.2061
)
OBSERVED = ColumnStanding(standing="observe only: reference not stable, budget not promised", holds=False)
TOO_FEW = ColumnStanding(
    standing="budget holds, stability unchecked", holds=True, sensitivity="not_enough_data (needs 282 rows for 0.5 sd)"
)


def story(now_ms):
    """(role, record, when the broker took it), the last of them just now."""
    dice = random.Random(7)
    start_ms = now_ms - WINDOWS * SLIDE_MS
    told = []
    for number in range(1, WINDOWS + 1):
        at_ms = start_ms + number * SLIDE_MS
        told.append(("metrics", _window(number, at_ms, dice), at_ms))
        if number % 8 == 0:
            told.append(("models", _version(number, at_ms, dice), at_ms))
    began_ms = start_ms + BEGINS * SLIDE_MS
    told += [("alerts", each, each_ms) for each, each_ms in _phases(began_ms)]
    evidence = [{"subject": "loss", "aspect": "error", "bet": "odds x2.5", "evidence": 8.2}]
    told.append(
        (
            "retrain",
            request(
                "5f21c0de",
                since_ms=began_ms,
                reason="the loss is higher by 0.12 to 0.21 (0.094 before, 0.26 since)",
                evidence=evidence,
                basis="since_change",
                ranges={"shop.examples/0": (71_200, 88_930)},
                examples=17_730,
            ),
            began_ms + 9 * SLIDE_MS,
        )
    )
    asked = {"by": "ada", "note": "the new tariff"}
    silent = {"subjects": ["feature:amount"], "until_ms": now_ms + 7_200_000}
    told.append(("control", Instruction(id="1", action="acknowledge", incident="77aa01", **asked), now_ms - 40_000))
    told.append(("control", Instruction(id="2", action="silence", **silent, **asked), now_ms - 20_000))
    return told


def _hurts(number):
    return max(0.0, 1 - abs(number - 104) / 16) if BEGINS <= number <= ENDS else 0.0


def _window(number, at_ms, dice):
    hurt = _hurts(number)
    jitter = lambda: dice.gauss(0, 0.006)  # noqa: E731
    scores = {
        "champion": _scored(0.906 - 0.19 * hurt + jitter(), 0.24 + 0.3 * hurt + jitter(), 820),
        "tree": _scored(0.885 - 0.12 * hurt + jitter(), 0.29 + 0.2 * hurt + jitter(), 820),
        "no_change": _scored(0.71 - 0.02 * hurt + jitter(), 0.9 + jitter(), 820),
        "prior": _scored(0.64 + jitter(), 0.66 + jitter(), 820),
    }
    open_ = BEGINS <= number <= ENDS
    detected = [{"subject": "loss", "detector": "adwin", "row": 3, "event_ms": at_ms - 9_000}] if number == 92 else []
    known = min(0.93, 0.82 + jitter()) if number < WINDOWS - 6 else 0.82 - 0.1 * (number - WINDOWS + 6)
    return window(
        number,
        rows=1_000,
        from_ms=at_ms - 50 * SLIDE_MS,
        to_ms=at_ms,
        verdict="drift" if open_ else "stable",
        columns=[_column(subject, number, dice) for subject in _subjects()],
        quality=scores,
        labels={
            "predictions": 1_000 * number,
            "examples": 820 * number,
            "corrections": 3,
            "coverage": known,
            "delay_ms": {"p50": 14_200.0, "p90": 61_000.0, "p99": 184_000.0},
        },
        alarms=detected,
        incident="5f21c0de" if open_ else None,
        reference="r1" if number < REBASED else "r2",
        budget=BudgetMetrics(
            false_alarms="1 per 100000 events",
            events_per_alarm=100_000.0,
            standing="budget holds for 12 of 13; observe only: reference not stable, budget not promised: season",
            events=1_000 * number,
            examples=820 * number,
            alarms=(number >= BEGINS) + (number > WINDOWS - 4),
            loss=ColumnStanding(
                standing="budget holds", holds=True, sensitivity="stable (no share moved by more than 0.03)"
            ),
        ),
    )


def _scored(accuracy, log_loss, examples):
    others = {"balanced_accuracy": accuracy - 0.03, "f1": accuracy - 0.06, "roc_auc": min(0.99, accuracy + 0.05)}
    told = score(accuracy, examples) | others | {"log_loss": log_loss}
    told["margins"] = {name: round(0.02 + 0.08 * (1 - accuracy), 4) for name in (*others, "accuracy", "log_loss")}
    told["difference_margins"] = {name: round(half / 2, 4) for name, half in told["margins"].items()}
    return told


def _subjects():
    return [*(f"feature:{name}" for name in FEATURES), "prediction", "confidence"]


def _column(subject, number, dice):
    if subject == "feature:season":
        wave = 0.06 + 0.05 * math.sin(number / 12)
        return column(subject, wave, verdict="stable" if wave < 0.1 else "drift", budget=OBSERVED)
    if subject == "feature:seconds_since_last_visit" and number < 60:
        return column(subject, 0.03, verdict="not_enough_data", reference_rows=90, current_rows=40, budget=TOO_FEW)
    value = abs(dice.gauss(0.028, 0.012)) + 0.1 * CHANGED.get(subject, 0.0) * _hurts(number)
    changed = subject in CHANGED and BEGINS <= number <= ENDS
    shape = _shape(subject, CHANGED.get(subject, 0.0) * _hurts(number))
    standing = HOLDS if subject.startswith("feature:") else None
    return column(subject, value, verdict="drift" if changed else "stable", budget=standing, histogram=shape)


def _shape(subject, moved):
    if subject.removeprefix("feature:") in {"country", "device", "referrer", "returning", "prediction"}:
        names = {"feature:country": ["AU", "NZ", "PE", "KE", "FI"]}.get(subject, ["a", "b"])
        counts = [max(10, 2_400 // 2**place) for place in range(len(names))]
        grown = [count // 5 + (int(90 * moved) if place == 1 else 0) for place, count in enumerate(counts)]
        return Histogram(reference=[*counts, 30], current=[*grown, 6], values=names)
    bell = [int(5_000 * math.exp(-(((place - 7.5) / 2.6) ** 2) / 2) / 6.5) for place in range(16)]
    shifted = [
        int(1_000 * math.exp(-(((place - 7.5 - 0.5 * moved) / (2.6 + 0.1 * moved)) ** 2) / 2) / 6.5)
        for place in range(16)
    ]
    return Histogram(reference=bell, current=shifted, low=1.25, high=98.5)


def _phases(began_ms):
    subjects = [
        _subject("feature:amount", "value", "mean +0.5 sd", 9.4, 0.65, 6.5, began_ms),
        _subject("loss", "error", "odds x2.5", 8.2, 0.26, 2.7, began_ms + 4_000)
        | {"source": "mean_loss", "threshold": 0.094},
        _subject("feature:country", "category NZ", "odds x2.5", 6.1, 0.31, 3.1, began_ms + 1_000),
        _subject("confidence", "value", "mean -0.25 sd", 3.8, 0.22, 2.2, began_ms + 2_000),
        _subject("quality:basket_size", "missing", "odds x2.5", 2.9, 0.18, 3.6, began_ms + 2_500)
        | {"source": "missing_share", "threshold": 0.01},
    ]
    fields = {
        "since_ms": began_ms,
        "since": {"shop.predictions/0": 89_420, "shop.examples/0": 73_100},
        "version": 72_960,
        "report": "5f21c0de/report.html",
    }
    unknown = Hurt(verdict="unknown", words="unknown: no labels yet", examples_before=2_000, examples_since=0)
    worse = Hurt(
        verdict="worse",
        words="the loss is higher by 0.12 to 0.21 (0.094 before, 0.26 since)",
        examples_before=2_000,
        examples_since=640,
        before=0.094,
        since=0.26,
        low=0.12,
        high=0.21,
    )
    title = "the loss has risen, 2 features have changed: amount, country, data quality has changed: basket_size"
    told = [
        (
            alert(
                "5f21c0de",
                subjects=subjects[:1],
                title="1 feature has changed: amount",
                severity="warning",
                hurt=unknown,
                events=0,
                **fields,
            ),
            began_ms + 3_000,
        ),
        (
            alert(
                "5f21c0de",
                "escalated",
                subjects=subjects,
                title=title,
                reason="loss",
                hurt=worse,
                events=120,
                **fields,
            ),
            began_ms + 60_000,
        ),
        (
            alert(
                "5f21c0de",
                "recovered",
                2,
                subjects=subjects,
                title=title,
                reason="quiet",
                hurt=worse,
                events=17_400,
                repeats=41,
                **fields,
            ),
            began_ms + (ENDS - BEGINS) * SLIDE_MS,
        ),
    ]
    return told + _open(began_ms + (WINDOWS - BEGINS - 4) * SLIDE_MS)


def _open(began_ms):
    """One that has just begun, before any label tells whether it hurts."""
    unknown = Hurt(verdict="unknown", words="unknown: no labels yet", examples_before=2_000, examples_since=0)
    subject = _subject("feature:device", "category tablet", "odds x1.5", 5.2, 0.14, 1.4, began_ms)
    fields = {"subjects": [subject], "since_ms": began_ms, "hurt": unknown, "severity": "warning", "events": 260}
    title = "1 feature has changed: device"
    return [(alert("77aa01", title=title, since={"shop.predictions/0": 165_100}, **fields), began_ms + 2_000)]


def _subject(subject, aspect, bet, evidence, value, strength, since_ms):
    return {
        "subject": subject,
        "aspect": aspect,
        "bet": bet,
        "evidence": evidence,
        "since_ms": since_ms,
        "standing": "budget holds",
        "source": "ks_distance",
        "value": value,
        "threshold": 0.1,
        "strength": strength,
        "detail": {"psi": 0.4},
    }


def _version(number, at_ms, dice):
    accuracy = 0.9 + dice.gauss(0, 0.004)
    names = {"champion": 0.0, "tree": -0.02, "no_change": -0.2, "prior": -0.26}
    scores = {
        name: {
            "window": _scored(accuracy + less, 0.25 - less, 1_000),
            "total": _scored(accuracy + less - 0.01, 0.26 - less, 820 * number),
            "examples": 820 * number,
            "unscored": 12,
        }
        for name, less in names.items()
    }
    return version(820 * number, learnt=820 * number, published_ms=at_ms, cut_ms=at_ms - 40, scores=scores)
