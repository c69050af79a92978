"""What the monitor told, folded again from the recorded logs and cuts: no broker, no clock, no crash."""

from __future__ import annotations

import msgspec

from streams.config_file import load
from streams.messages import Cut
from streams.stages.setbacks import setbacks_of
from streams.stages.watch import Watch


def told_again(pipeline, evidence):
    """(cut ids of the windows, alert ids, request ids), each in order, as an undisturbed monitor would have told."""
    config = load(pipeline.config)
    logs = {
        pipeline.topic(role): [[r for r in side if r.partition == p] for p in range(pipeline.partitions)]
        for role, side in (("predictions", evidence.predictions), ("examples", evidence.examples))
    }
    watch = Watch(config, {"next": {}, "high_ms": {}})
    cuts, alerts, requests = [], [], []
    told = [
        msgspec.convert(record.json["cut"], Cut)
        for side in (evidence.metrics, evidence.alerts, evidence.retrain)
        for record in side
    ]
    passed = [offsets for cut in told for offsets in (*setbacks_of(cut), cut.offsets)]
    for ends in sorted(passed, key=lambda offsets: sum(offsets.values())):
        for side in watch.merge.inputs:
            end = ends[f"{side.topic}/{side.partition}"]
            rows = [row for row in logs.get(side.topic, [[]])[side.partition] if side.read <= row.offset < end]
            assert side.feed(side.read, end, rows)
            side.end = end
        while (seen := watch.step(1_000)) is not None:
            cuts += [metrics.id for metrics in seen.metrics]
            alerts += [alert.id for alert in seen.alerts]
            requests += [request.id for request in seen.requests]
    return cuts, alerts, requests
