"""What worker and monitor tell Prometheus alike: inputs, steps, checkpoints; then what each knows alone."""

from __future__ import annotations

from collections import Counter

from streams.kafka.member import Member
from streams.kafka.monitor import Monitor
from streams.kafka.worker import Worker
from streams.kafka.worker_figures import worker_figures
from streams.observability.families import Figures
from streams.observability.process_figures import process_figures
from streams.observability.server import Source

STAGES = {"worker": ("task", "shard"), "monitor": ("monitor",)}


def member_source(member: Member) -> Source:
    """What a worker or monitor can be asked."""
    return Source(lambda: member_figures(member), member.condition)


def member_figures(member: Member) -> Figures:
    """All of one scrape."""
    figures = Figures(member.config.name)
    process_figures(member.role, member.condition(), figures)
    figures.add("millrace_stalled_seconds", member.progress.stalled_s)
    works = Counter(owned.name.partition("-")[0] for owned in member.owned if owned.ready)
    for stage in STAGES[member.role]:
        work = member.work[stage]
        figures.add("millrace_stages", works[stage], stage)
        figures.histogram("millrace_step_rows", work.rows, stage)
        figures.add("millrace_step_cpu_seconds_total", work.cpu_s, stage)
        figures.histogram("millrace_checkpoint_pause_seconds", work.pauses, stage)
        figures.histogram("millrace_checkpoint_seconds", work.writes, stage)
    for tp, lag in member.lag().items():
        figures.add("millrace_input_lag_records", lag, tp.topic, str(tp.partition))
    for owned in member.owned:
        if owned.ready and owned.saved_ms:
            figures.add("millrace_checkpoint_bytes", owned.saved_bytes, owned.name)
            figures.add("millrace_checkpoint_timestamp_seconds", owned.saved_ms / 1000, owned.name)
    if isinstance(member, Worker):
        worker_figures(member, figures)
    elif isinstance(member, Monitor):
        monitor_figures(member, figures)
    return figures


def monitor_figures(monitor: Monitor, figures: Figures) -> None:
    """Add all that only a monitor knows."""
    watch = monitor.watch if monitor.watch is not None and monitor.watch.ready else None
    figures.add("millrace_monitor_active", int(watch is not None))
    figures.add("millrace_reports_waiting", monitor.reports.queue.qsize())
    monitor.found.counted(figures)
    if watch is None:
        return
    monitor.found.shown(monitor.config, figures)
    reference = watch.watch.reference
    figures.add("millrace_reference_rows", reference.rows if reference is not None else 0)
    figures.add("millrace_incident_open", int(watch.watch.incidents.open_incident is not None))
    figures.add("millrace_outbox_records", len(watch.outbox))
