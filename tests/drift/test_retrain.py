"""Which examples a model should be fitted on, asked for once."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.evidence import Subject
from drift.example_index import ExampleIndex, Span
from drift.harm import UNKNOWN, Harm
from drift.phases import IncidentPhase, IncidentSubject
from drift.retrain import RetrainConfig, RetrainPolicy

CONFIG = RetrainConfig(examples_min=10, examples_max=60)
ROWS = st.lists(st.tuples(st.sampled_from(["t/0", "t/1"]), st.integers(0, 200)), max_size=120)
SERVED = ("champion", 77)
WORSE = Harm(verdict="worse", examples_before=500, examples_since=90, before=0.1, since=0.4, low=0.1, high=0.5)


def subject(kind="feature", name="a"):
    return IncidentSubject(
        subject=Subject(kind=kind, name=name), aspect="value", bet="mean +1 sd", evidence=6.0, since_ms=500
    )


FEATURE = subject()


def phase(name="started", *, incident="i1", severity="warning", subjects=(FEATURE,), harm=UNKNOWN, reason=""):
    return IncidentPhase(
        id=f"{incident}/{name}/1",
        incident=incident,
        phase=name,
        reason=reason,
        severity=severity,
        title="1 feature has changed: a",
        subjects=tuple(subjects),
        since_ms=500,
        started_ms=900,
        event_ms=1_000,
        cut="cut1",
        events=0,
        repeats=0,
        harm=harm,
    )


def index_of(rows=100):
    """One partition, an example every 10 ms."""
    index = ExampleIndex()
    for row in range(rows):
        index.observe("shop.examples/0", offset=row, event_ms=row * 10)
    return index


def asked(policy, told, index):
    """The request that this phase makes due, if any."""
    policy.told(told, index)
    return policy.request(told, index, served=SERVED) if policy.due else None


def grown(policy, index, told, rows):
    """Examples from offset 50 on until a request is due; how many there were."""
    policy.told(told, index)
    for row in range(rows):
        if policy.due:
            return row
        index.observe("shop.examples/0", offset=50 + row, event_ms=500 + 10 * row)
        policy.example(500 + 10 * row)
    return None


def test_a_request_names_the_examples_since_the_change():
    """The change began at 500 ms: offsets 50 to 100 of the only partition."""
    started = phase(severity="critical", subjects=[subject("loss", ""), subject()])

    request = asked(RetrainPolicy(CONFIG), started, index_of())

    assert (request.id, request.incident, request.cause) == ("i1/retrain", "i1", "hurt")
    assert (request.model, request.version, request.cut) == ("champion", 77, "cut1")
    assert (request.basis, request.ranges, request.examples) == ("since_change", {"shop.examples/0": (50, 100)}, 50)
    assert (request.reason, request.severity, request.since_ms) == (started.title, "critical", 500)
    assert request.evidence == started.subjects


def test_it_waits_until_there_are_examples_to_learn_from():
    """At the alarm there are none since the change: the request comes with the tenth."""
    policy, index = RetrainPolicy(CONFIG), index_of(50)

    assert grown(policy, index, phase(), 40) == 10
    assert policy.request(phase(), index, served=SERVED).ranges == {"shop.examples/0": (50, 60)}


def test_labels_of_events_before_the_change_are_not_waited_for():
    """They come late, and say nothing about what is new."""
    policy, index = RetrainPolicy(CONFIG), index_of(50)
    policy.told(phase(), index)
    for _ in range(30):
        policy.example(400)

    assert not policy.due


def test_too_many_examples_since_the_change_mean_the_latest():
    """Sixty at most."""
    request = asked(RetrainPolicy(CONFIG), phase(), index_of(111))

    assert (request.basis, request.ranges) == ("latest", {"shop.examples/0": (51, 111)})


def test_an_incident_that_goes_away_by_itself_asks_for_nothing():
    """Before there were examples enough; what was asked before stays asked."""
    policy, index = RetrainPolicy(CONFIG), index_of(52)
    policy.told(phase(), index)

    assert asked(policy, phase("recovered", reason="quiet"), index) is None
    assert not policy.due


def test_what_has_become_normal_asks_for_what_there_is():
    """Two examples since the change, and those before them make ten."""
    policy, index = RetrainPolicy(CONFIG), index_of(52)
    policy.told(phase(), index)

    request = asked(policy, phase("recovered", reason="rebased"), index)

    assert (request.basis, request.ranges) == ("latest", {"shop.examples/0": (42, 52)})


def test_one_incident_asks_once():
    """However often it escalates; the next incident asks again."""
    policy, index = RetrainPolicy(CONFIG), index_of()
    story = [phase(), phase("escalated", severity="critical", harm=WORSE), phase("recovered", reason="rebased")]

    found = [asked(policy, told, index) for told in [*story, phase(incident="i2")]]

    assert [request and request.id for request in found] == ["i1/retrain", None, None, "i2/retrain"]


@pytest.mark.parametrize(
    ("on", "told", "cause"),
    [
        (("hurt", "size"), phase(severity="info"), None),
        (("hurt", "size"), phase(), "size"),
        (("hurt", "size"), phase(severity="critical", harm=WORSE), "hurt"),
        (("hurt", "size"), phase(severity="critical", subjects=[subject("loss", "")]), "hurt"),
        (("hurt",), phase(), None),
        (("hurt",), phase(severity="critical", harm=WORSE), "hurt"),
        (("size",), phase(severity="critical", harm=WORSE), "size"),
        ((), phase(severity="critical", harm=WORSE), None),
    ],
)
def test_the_policy_says_what_is_a_reason(on, told, cause):
    """That it hurts, that it is large, both, or neither."""
    request = asked(RetrainPolicy(RetrainConfig(on=on, examples_min=10)), told, index_of())

    assert (request and request.cause) == cause


def test_a_schedule_asks_whatever_happens():
    """Every 40 examples, on those 40; beside what incidents ask for."""
    policy, index, found = RetrainPolicy(RetrainConfig(examples_min=10, every_examples=40)), ExampleIndex(), []
    for row in range(100):
        index.observe("shop.examples/0", offset=row, event_ms=row)
        policy.example(row)
        if policy.take_schedule():
            found.append(policy.on_schedule(index, cut="c", event_ms=row, served=SERVED))

    assert [(request.id, request.cause, request.incident) for request in found] == [
        ("schedule/40", "schedule", ""),
        ("schedule/80", "schedule", ""),
    ]
    assert found[1].ranges == {"shop.examples/0": (40, 80)}


def test_without_examples_there_is_no_request():
    """One without ranges would be a promise nobody can keep."""
    policy = RetrainPolicy(CONFIG)
    policy.told(phase(), ExampleIndex())

    assert asked(policy, phase("recovered", reason="rebased"), ExampleIndex()) is None


def test_evidence_is_the_first_ten():
    """A request stays small whatever the number of features."""
    request = asked(RetrainPolicy(CONFIG), phase(subjects=[subject(name=f"f{n}") for n in range(40)]), index_of())

    assert len(request.evidence) == 10


def test_a_restart_neither_asks_again_nor_forgets_to():
    """What was asked, and what is waited for, is part of the state."""
    before, after, index = RetrainPolicy(CONFIG), RetrainPolicy(CONFIG), index_of(50)
    before.told(phase(), index)
    before.example(500)

    after.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(before.snapshot())))
    for _ in range(9):
        assert not after.due
        after.example(500)

    assert after.request(phase(), index, served=SERVED) is not None
    before.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(after.snapshot())))
    assert asked(before, phase("escalated"), index_of()) is None


def observed(rows, marks_max):
    """Offsets count up by 2 in each partition, as if markers lay between."""
    index, log = ExampleIndex(marks_max=marks_max), []
    for number, (partition, event_ms) in enumerate(rows):
        index.observe(partition, offset=2 * number, event_ms=event_ms)
        log.append((partition, 2 * number, event_ms))
    return index, log


@given(ROWS, st.integers(0, 220), st.sampled_from([2, 3, 8, 1_000]))
def test_a_range_since_a_moment_misses_no_example_of_it(rows, event_ms, marks_max):
    """Whatever was recorded at or after the moment is inside, and the count is the count."""
    index, log = observed(rows, marks_max)

    spans = index.since(event_ms)

    for partition, offset, time_ms in log:
        if time_ms >= event_ms:
            assert spans[partition].start <= offset < spans[partition].end
    for partition, span in spans.items():
        assert span.rows == sum(p == partition and span.start <= offset < span.end for p, offset, _ in log)
        assert span.end == 1 + max(offset for p, offset, _ in log if p == partition)


@given(ROWS, st.integers(1, 150), st.sampled_from([2, 8, 1_000]))
def test_the_latest_examples_are_as_many_as_asked_for_if_there_are_so_many(rows, wanted, marks_max):
    """Over all partitions together, by time."""
    index, log = observed(rows, marks_max)

    found = sum(span.rows for span in index.trailing(wanted).values())

    assert min(wanted, len(log)) <= found <= len(log)


def test_the_latest_examples_are_few_more_than_asked_for():
    """With all marks kept exactly as many, when no two are of the same moment."""
    assert index_of(100).trailing(7) == {"shop.examples/0": Span(start=93, end=100, rows=7)}
    assert ExampleIndex().trailing(7) == {}


def test_the_index_does_not_grow_and_stays_close():
    """10,000 examples in 64 marks: the start is at most one stride of 256 early."""
    index = ExampleIndex(marks_max=64)
    for row in range(10_000):
        index.observe("t/0", offset=row, event_ms=row)

    assert all(len(marks["offsets"]) <= 64 for marks in index.snapshot().values())
    assert 5_000 - 2 * 256 <= index.since(5_000)["t/0"].start <= 5_000


@given(ROWS, ROWS)
def test_the_index_resumes_as_if_never_stopped(before, after):
    """Through msgpack, and rows seen twice count once."""
    whole, first_half, second_half = (ExampleIndex(marks_max=8) for _ in range(3))
    rows = list(enumerate([*before, *after]))
    for number, (partition, event_ms) in rows:
        whole.observe(partition, offset=number, event_ms=event_ms)
    for number, (partition, event_ms) in rows[: len(before)]:
        first_half.observe(partition, offset=number, event_ms=event_ms)

    second_half.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first_half.snapshot())))
    for number, (partition, event_ms) in rows[max(len(before) - 5, 0) :]:
        second_half.observe(partition, offset=number, event_ms=event_ms)

    assert second_half.snapshot() == whole.snapshot()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"examples_min": 0}, "examples_min must be at least 1, got 0"),
        ({"examples_max": 9}, "examples_max must be at least examples_min, got 9"),
        ({"severity_min": "fatal"}, "severity_min must be one of info, warning, critical, got 'fatal'"),
        ({"every_examples": -1}, "every_examples must be at least 0, got -1"),
    ],
)
def test_a_wrong_setting_is_refused(fields, message):
    """At the moment it is built, with its name."""
    with pytest.raises(ValueError, match=message):
        RetrainConfig(**{"examples_min": 10, "examples_max": 60, **fields})
