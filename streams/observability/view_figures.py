"""What the dashboard tells Prometheus: the pipeline from outside, also while its processes are away."""

from __future__ import annotations

from collections import Counter

from streams.observability.families import Figures
from streams.observability.health import Condition
from streams.observability.process_figures import process_figures
from streams.web.view import View


def view_condition(view: View, now_ms: int) -> Condition:
    """Ready once all that was there has been read, and while Kafka answers; a dashboard is never unwell."""
    fresh = view.loaded and view.stale_since(now_ms) is None and not view.problem
    return Condition(state="reading", ready=fresh, waits_for="" if fresh else "kafka")


def view_figures(view: View, now_ms: int, pages: int) -> Figures:
    """All of one scrape; `pages` are open."""
    figures = Figures(view.config.name)
    process_figures("dashboard", view_condition(view, now_ms), figures)
    figures.add("millrace_kafka_answers", int(view.heard_ms is not None and view.stale_since(now_ms) is None))
    figures.add("millrace_pages_open", pages)
    figures.add("millrace_incident_open", int(bool(view.incidents.open())))
    told = view.status(now_ms)
    for role in ("worker", "monitor"):
        figures.add("millrace_group_members", told[role]["members"], told[role]["group"])
        for name, lag in told[role]["lag"].items():
            figures.add("millrace_group_lag_records", lag, told[role]["group"], view.config.topic(name))
    ends: Counter[str] = Counter()
    for (topic, _), end in view.kafka.ends.items():
        ends[topic] += end
    for topic, end in ends.items():
        figures.add("millrace_topic_end_offset", end, topic)
    figures.add("millrace_dead_letters_held", told["dead_letters"]["held"])
    return figures
