"""Every metric that millrace has: name, kind, meaning, labels, and which process says it. Nothing else is exported.

`python -m streams.observability.families` prints the tables of docs/observability.md, which a test holds current.
Names follow Prometheus' conventions: base units, `_total` for what only rises.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from streams.observability.histogram import Histogram

WORKER, MONITOR, DASHBOARD, WEBHOOK = "worker", "monitor", "dashboard", "webhook"
BOTH = (WORKER, MONITOR)


class Family(NamedTuple):
    """One metric."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    """Besides `pipeline`, which all have."""
    said_by: tuple[str, ...] = BOTH


FAMILIES = {
    family.name: family
    for family in (
        # -- the process
        Family("millrace_info", "gauge", "Always 1.", ("version", "role"), (WORKER, MONITOR, DASHBOARD, WEBHOOK)),
        Family("millrace_ready", "gauge", "1 while `/readyz` says so.", (), (WORKER, MONITOR, DASHBOARD, WEBHOOK)),
        Family(
            "millrace_stalled_seconds",
            "gauge",
            "How long nothing has moved although more and more waits; 0 while all is well.",
        ),
        Family("millrace_stages", "gauge", "Tasks, shards and monitors that work here.", ("stage",)),
        # -- input and steps
        Family(
            "millrace_input_lag_records", "gauge", "Offsets that are there and not taken yet.", ("topic", "partition")
        ),
        Family("millrace_step_rows", "histogram", "Rows of a step.", ("stage",)),
        Family("millrace_step_cpu_seconds_total", "counter", "CPU time of all steps.", ("stage",)),
        # -- checkpoints
        Family("millrace_checkpoint_pause_seconds", "histogram", "How long a cut held everything else up.", ("stage",)),
        Family(
            "millrace_checkpoint_seconds",
            "histogram",
            "From a cut to its durable checkpoint; what it rests on is waited for.",
            ("stage",),
        ),
        Family("millrace_checkpoint_bytes", "gauge", "Size of the newest one.", ("state",)),
        Family(
            "millrace_checkpoint_timestamp_seconds",
            "gauge",
            "When the newest one became durable, by this machine's clock. An idle stage writes none.",
            ("state",),
        ),
        # -- predict and join
        Family("millrace_events_total", "counter", "Events taken, by what became of them.", ("outcome",), (WORKER,)),
        Family("millrace_labels_total", "counter", "Labels taken, by what became of them.", ("outcome",), (WORKER,)),
        Family(
            "millrace_predictions_total",
            "counter",
            "Predictions made here, by the class predicted; `*` for numbers.",
            ("class",),
            (WORKER,),
        ),
        Family("millrace_predictions_expired_total", "counter", "Those whose label never came.", (), (WORKER,)),
        Family("millrace_predictions_pending", "gauge", "Those that wait for their label.", (), (WORKER,)),
        Family("millrace_labels_waiting", "gauge", "Labels that wait for their event.", (), (WORKER,)),
        Family("millrace_features_missing_total", "counter", "Configured features that events lacked.", (), (WORKER,)),
        Family(
            "millrace_features_unknown_total", "counter", "Features in events that are not configured.", (), (WORKER,)
        ),
        Family(
            "millrace_dead_letters_total",
            "counter",
            "Records that could not be read or learnt, and alerts that nobody took, by their topic and the kind of "
            "reason.",
            ("topic", "reason"),
            (WORKER, WEBHOOK),
        ),
        Family(
            "millrace_event_to_prediction_seconds",
            "histogram",
            "From an event's record time to the broker's word that it holds the prediction; a batch counts as its "
            "oldest event.",
            (),
            (WORKER,),
        ),
        # -- learn
        Family(
            "millrace_examples_total", "counter", "Examples taken, by what became of them.", ("outcome",), (WORKER,)
        ),
        Family(
            "millrace_label_to_learning_seconds",
            "histogram",
            "From a label's record time to the moment it is learnt; a batch counts as its oldest label.",
            (),
            (WORKER,),
        ),
        Family(
            "millrace_candidate_failures_total",
            "counter",
            "Examples at which a candidate raised and was put back.",
            (),
            (WORKER,),
        ),
        Family(
            "millrace_model_version",
            "gauge",
            "Offset in `examples` that the model predicting here has learnt to.",
            ("shard", "source"),
            (WORKER,),
        ),
        Family(
            "millrace_model_staleness_examples",
            "gauge",
            "Examples that the broker holds, as far as this worker knows, and that model has not learnt.",
            ("shard",),
            (WORKER,),
        ),
        Family(
            "millrace_model_staleness_seconds",
            "gauge",
            "How long the oldest of them has been there, at most.",
            ("shard",),
            (WORKER,),
        ),
        Family(
            "millrace_score",
            "gauge",
            "Prequential scores over the last `models.score_rows` examples, as published last.",
            ("shard", "candidate", "role", "score"),
            (WORKER,),
        ),
        # -- watch
        Family("millrace_monitor_active", "gauge", "0 while it stands by.", (), (MONITOR,)),
        Family("millrace_windows_total", "counter", "Evaluated windows, by verdict.", ("verdict",), (MONITOR,)),
        Family("millrace_window_rows", "gauge", "Predictions in the last window.", (), (MONITOR,)),
        Family("millrace_window_end_timestamp_seconds", "gauge", "Record time at which it ended.", (), (MONITOR,)),
        Family(
            "millrace_window_score",
            "gauge",
            "Scores over the window's labelled examples.",
            ("candidate", "role", "score"),
            (MONITOR,),
        ),
        Family("millrace_label_coverage_ratio", "gauge", "Share of its predictions with a label.", (), (MONITOR,)),
        Family(
            "millrace_label_delay_seconds",
            "gauge",
            "From event to label, by record times.",
            ("percentile",),
            (MONITOR,),
        ),
        Family(
            "millrace_drift_columns", "gauge", "Features and own streams of the last window.", ("verdict",), (MONITOR,)
        ),
        Family(
            "millrace_drift_statistic",
            "gauge",
            "What a column's verdict rests on; of features only the first `metrics.features_max`.",
            ("subject", "statistic"),
            (MONITOR,),
        ),
        Family(
            "millrace_drift_threshold", "gauge", "The same column's threshold.", ("subject", "statistic"), (MONITOR,)
        ),
        Family(
            "millrace_drift_strength_max", "gauge", "Strongest of all columns: 1 is at its threshold.", (), (MONITOR,)
        ),
        Family(
            "millrace_drift_watched_columns",
            "gauge",
            "Columns and the loss, by whether the false-alarm budget holds for them: only those can raise an alarm.",
            ("holds",),
            (MONITOR,),
        ),
        Family("millrace_reference_rows", "gauge", "0 while the reference is collected.", (), (MONITOR,)),
        Family("millrace_incident_open", "gauge", "1 while an incident is open.", (), (MONITOR, DASHBOARD)),
        Family("millrace_alerts_total", "counter", "Alerts raised here.", ("phase", "severity"), (MONITOR,)),
        Family("millrace_retrain_requests_total", "counter", "Requests made here.", (), (MONITOR,)),
        Family("millrace_outbox_records", "gauge", "Found, and not told yet.", (), (MONITOR,)),
        Family("millrace_reports_waiting", "gauge", "Reports to be rendered.", (), (MONITOR,)),
        # -- from outside
        Family("millrace_kafka_answers", "gauge", "0 while Kafka does not.", (), (DASHBOARD,)),
        Family("millrace_group_members", "gauge", "Processes in the consumer group.", ("group",), (DASHBOARD,)),
        Family(
            "millrace_group_lag_records", "gauge", "Offsets behind its checkpoints.", ("group", "topic"), (DASHBOARD,)
        ),
        Family(
            "millrace_topic_end_offset",
            "gauge",
            "Sum over the partitions; its rate is the topic's.",
            ("topic",),
            (DASHBOARD,),
        ),
        Family("millrace_dead_letters_held", "gauge", "Offsets that the topic holds.", (), (DASHBOARD,)),
        Family("millrace_pages_open", "gauge", "Pages that are told of news.", (), (DASHBOARD,)),
        # -- webhooks
        Family("millrace_webhook_alerts_total", "counter", "Alerts, by what became of them.", ("outcome",), (WEBHOOK,)),
        Family("millrace_webhook_tries_total", "counter", "Posts that were tried.", (), (WEBHOOK,)),
        Family("millrace_webhook_lag_records", "gauge", "Alerts that wait for their turn.", (), (WEBHOOK,)),
    )
}
"""By name."""

_KINDS: dict[str, Any] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


class Figures:
    """Samples of one scrape; a name or a number of labels that the table does not have is an error.

    Gathering is a few numbers in the event loop; `families` makes prometheus-client's form of them, ten times as dear,
    in whatever thread asked.

    >>> figures = Figures("shop")
    >>> figures.add("millrace_labels_total", 3, "joined")
    >>> [(s.name, s.labels, s.value) for family in figures.families() for s in family.samples]
    [('millrace_labels_total', {'pipeline': 'shop', 'outcome': 'joined'}, 3)]
    """

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._found: dict[str, list[tuple[Any, ...]]] = {}

    def _samples(self, name: str, labels: Sequence[str]) -> list[tuple[Any, ...]]:
        wanted = FAMILIES[name].labels
        if len(labels) != len(wanted):
            raise ValueError(f"{name} must have labels {wanted}, got {tuple(labels)}")
        return self._found.setdefault(name, [])

    def add(self, name: str, value: float | None, *labels: str) -> None:
        """One sample; None, which is not known, is left out."""
        if value is not None:
            self._samples(name, labels).append(((self._pipeline, *labels), value))

    def histogram(self, name: str, histogram: Histogram, *labels: str) -> None:
        """All of a histogram, as it is now."""
        self._samples(name, labels).append(((self._pipeline, *labels), histogram.buckets(), histogram.sum))

    def families(self) -> Iterator[Any]:
        """In the table's order."""
        for name, family in FAMILIES.items():
            if name in self._found:
                made = _KINDS[family.kind](name, family.text, labels=("pipeline", *family.labels))
                for sample in self._found[name]:
                    made.add_metric(*sample)
                yield made


def table() -> str:
    """All of it, in Markdown."""
    lines = ["| metric | labels | said by | what it is |", "|---|---|---|---|"]
    for family in FAMILIES.values():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        kind = "" if family.kind != "histogram" else "Histogram. "
        lines.append(f"| `{family.name}` | {labels} | {', '.join(family.said_by)} | {kind}{family.text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
