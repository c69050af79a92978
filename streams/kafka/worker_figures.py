"""What a worker tells Prometheus, gathered when it is asked: nothing here runs while nobody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learners.target import Label
from streams.observability.families import Figures
from streams.observability.process_figures import scores
from streams.stages.staleness import Staleness

if TYPE_CHECKING:
    from streams.kafka.worker import Worker

EVENTS = {"predicted": "predicted", "duplicate": "event_duplicate", "dead_letter": "event_dead"}
"""Outcome → the ledger's word."""
LABELS = {word: word for word in ("joined", "duplicate", "correction", "late", "orphan")} | {
    "dead_letter": "label_dead"
}
EXAMPLES = ("learnt", "duplicate", "correction", "failed")
CLASSES_MAX = 50
"""Series of predicted classes; the rest are one."""


def worker_figures(worker: Worker, figures: Figures) -> None:
    """Add all that only a worker knows."""
    task, shard = worker.work["task"], worker.work["shard"]
    counts = task.counts()
    for outcome, word in EVENTS.items():
        figures.add("millrace_events_total", counts[word], outcome)
    for outcome, word in LABELS.items():
        figures.add("millrace_labels_total", counts[word], outcome)
    figures.add("millrace_predictions_expired_total", counts["expired"])
    figures.add("millrace_features_missing_total", counts["feature_missing"])
    figures.add("millrace_features_unknown_total", counts["feature_unknown"])
    ready = [owned.task for owned in worker.tasks.values() if owned.ready]
    figures.add("millrace_predictions_pending", sum(len(each.pending) for each in ready))
    figures.add("millrace_labels_waiting", sum(each.waiting.count for each in ready))
    figures.histogram("millrace_event_to_prediction_seconds", task.latency)
    _classes(worker, figures)
    for (topic, reason), letters in worker.letters.items():
        figures.add("millrace_dead_letters_total", letters, topic, reason)
    learnt = shard.counts()
    for word in EXAMPLES:
        figures.add("millrace_examples_total", learnt[word], word)
    figures.add("millrace_candidate_failures_total", learnt["candidate_failed"])
    figures.histogram("millrace_label_to_learning_seconds", shard.latency)
    _models(worker, figures)


def _classes(worker: Worker, figures: Figures) -> None:
    if worker.config.target.task == "regression":
        figures.add("millrace_predictions_total", worker.work["task"].counts()["predicted"], "*")
        return
    said = worker.work["class"].counts()
    others = 0
    for place, label in enumerate(worker.config.target.labels):
        made = said.pop(label, 0)
        if place < CLASSES_MAX:
            figures.add("millrace_predictions_total", made, class_name(label))
        else:
            others += made
    if others:
        figures.add("millrace_predictions_total", others, "others")
    if said[None]:
        figures.add("millrace_predictions_total", said[None], "none")


def class_name(label: Label) -> str:
    """A label as JSON has it, without its quotes.

    >>> class_name(True), class_name(1), class_name("yes")
    ('true', '1', 'yes')
    """
    return str(label).lower() if isinstance(label, bool) else str(label)


def _models(worker: Worker, figures: Figures) -> None:
    for shard, owned in worker.shards.items():
        if not owned.ready:
            continue
        figures.add("millrace_model_version", owned.version, str(shard), "live")
        _staleness(shard, worker.staleness(shard, max(owned.read, worker.ends.get(owned.tp, 0))), figures)
        for candidate, role, name, value in scores(worker.config, owned.scores):
            figures.add("millrace_score", value, str(shard), candidate, role, name)
    for shard, followed in worker.followed.items():
        if shard not in worker.shards:
            figures.add("millrace_model_version", followed.version, str(shard), "followed")
            _staleness(shard, worker.staleness(shard), figures)


def _staleness(shard: int, stale: Staleness, figures: Figures) -> None:
    figures.add("millrace_model_staleness_examples", stale.examples, str(shard))
    figures.add("millrace_model_staleness_seconds", stale.ms / 1000, str(shard))
