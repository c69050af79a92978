"""All promises over the evidence: each log is read once, one partition after the other.

Held at a time: a few numbers for each record of the partitions of one shard, and ids as 64-bit hashes for as long as
the join itself must know them.
"""

from __future__ import annotations

from streams.config import Config
from streams.topic_logs import Logs, Place
from streams.verify.dead_letters import Letters, check_failed, check_letters, read_dead_letters
from streams.verify.evidence import NEVER, Evidence
from streams.verify.examples import Fold, check_learning, read_examples
from streams.verify.findings import Findings
from streams.verify.inputs import Inputs
from streams.verify.joins import Account, account_of, check_identities, check_joins
from streams.verify.predictions import check_complete, check_served, read_predictions
from streams.verify.spans import Reach, Span, span_of
from streams.verify.telling import check_telling
from streams.verify.timeline import Outputs, Rules, Timeline
from streams.verify.windows import check_windows, read_windows


def audit(evidence: Evidence, slack_ms_min: int = 1_000) -> Findings:
    """Judge everything, up to each checkpoint.

    Whether an id that comes again had been forgotten is left to the outputs if it was within this time, or within
    `labels.grace`: workers read partitions at different moments.
    """
    rules = rules_of(evidence.config, slack_ms_min)
    config, findings, inputs = evidence.config, Findings(), Inputs(evidence.config)
    letters = read_dead_letters(evidence, findings)
    for shard in range(config.topics.shards):
        fold = read_examples(evidence, shard, inputs)
        if shard in evidence.shards:
            check_learning(fold, evidence.shards[shard], findings)
            check_failed(letters, fold, findings)
        elif evidence.logs.ends[fold.place]:
            findings["examples"].leaves(f"shard-{shard}: it has no checkpoint yet")
        _strangers(fold, config, findings)
        for partition in range(shard, config.topics.partitions, config.topics.shards):
            _partition(evidence, partition, fold, letters, (inputs, rules), findings)
    if evidence.monitor is not None:
        told = read_windows(evidence, findings)
        check_windows(evidence, told, findings)
        check_telling(evidence, told, findings)
    else:
        _without_monitor(evidence, findings)
    return findings


def _strangers(fold: Fold, config: Config, findings: Findings) -> None:
    """Labels that cannot be of this shard."""
    shards, topic = config.topics.shards, config.topic("labels")
    for partition, met in fold.labels.items():
        if not 0 <= partition < config.topics.partitions or partition % shards != fold.place[1]:
            for offset, _ in met.met:
                findings["joins"].breaks(f"{topic}/{partition}/{offset}", f"has an example in shard {fold.place[1]}")


def _partition(
    evidence: Evidence, partition: int, fold: Fold, letters: Letters, reading: tuple[Inputs, Rules], findings: Findings
) -> None:
    """One task: its two inputs, its predictions, and its part of the examples."""
    config, logs = evidence.config, evidence.logs
    checkpoint = evidence.tasks.get(partition)
    if checkpoint is None:
        _without_task(evidence, partition, findings)
        return
    account = account_of(checkpoint)
    places = (config.topic("features"), partition), (config.topic("labels"), partition)
    met = fold.labels[partition]
    served = read_predictions(evidence, partition, findings)
    outputs = Outputs(
        served.subjects, served.first_ms if served.begin else 0, met.met, _met_ms(fold, logs), letters.outputs(*places)
    )
    for look in (False, True):
        events, labels = (
            span_of(evidence, place, checkpoint.at(place), counted, look=look)
            for place, counted in zip(places, (account.events, account.labels), strict=True)
        )
        timeline = Timeline(reading[1], reading[0], outputs, believe=bool(events.lost or labels.lost))
        timeline.run(
            logs.read(events.place, events.begin, events.stop),
            logs.read(labels.place, labels.begin, labels.stop),
            _dark(evidence, events, labels),
        )
        if _whole(account, events, labels, timeline):
            break
    check_letters(letters, events, labels, timeline, findings)
    reach = Reach(
        events=events,
        labels=labels,
        events_end=logs.ends[places[0]],
        labels_end=logs.ends[places[1]],
        examples=f"{fold.place[0]}/{fold.place[1]}",
    )
    check_identities(account, events, labels, timeline, findings)
    check_complete(served, events, reach.events_end, timeline, checkpoint, findings)
    check_joins(account, reach, timeline, met, served, findings)
    check_served(served, met, reach, timeline, findings, account.part)


def _whole(account: Account, events: Span, labels: Span, timeline: Timeline) -> bool:
    """Whether there was a record at each offset, where that was taken for granted."""
    return all(
        span.lost or span.short or timeline.counts[name] == counted
        for name, span, counted in (("events", events, account.events), ("labels", labels, account.labels))
    )


def _met_ms(fold: Fold, logs: Logs) -> int:
    """See `Outputs.met_ms`; without a record left, all may be gone."""
    return fold.first_ms or (NEVER if logs.begins[fold.place] else 0)


def rules_of(config: Config, slack_ms_min: int) -> Rules:
    """The configuration's own."""
    return Rules(
        wait_ms=config.labels.wait_ms,
        early_ms=config.labels.early_ms,
        grace_ms=config.labels.grace_ms,
        horizon_ms=config.join.dedupe_horizon_ms,
        slack_ms=max(config.labels.grace_ms, slack_ms_min),
    )


def _dark(evidence: Evidence, events: Span, labels: Span) -> tuple[int, int] | None:
    """First record times, where something may have come before the logs begin."""
    if events.thinned or labels.thinned:
        return NEVER, NEVER
    if not (events.cut or labels.cut):
        return None
    first = [
        next((row.timestamp for row in evidence.logs.read(span.place, span.begin, span.stop)), NEVER if span.cut else 0)
        for span in (events, labels)
    ]
    return first[0], first[1]


def _without_task(evidence: Evidence, partition: int, findings: Findings) -> None:
    place: Place = (evidence.config.topic("predictions"), partition)
    if evidence.logs.ends[place]:
        at = f"{place[0]}/{partition} [{evidence.logs.begins[place]:,}, {evidence.logs.ends[place]:,})"
        findings["complete"].breaks(at, f"there are predictions, and no checkpoint of task-{partition}")
    findings["labels"].leaves(f"task-{partition}: it has no checkpoint yet")


def _without_monitor(evidence: Evidence, findings: Findings) -> None:
    for role, name in (("metrics", "windows"), ("alerts", "alerts"), ("retrain", "retrain")):
        place = (evidence.config.topic(role), 0)
        if evidence.logs.ends[place]:
            findings[name].breaks(f"{place[0]}/0", "something was told, and there is no checkpoint of the monitor")
        else:
            findings[name].leaves("the monitor has no checkpoint yet")
