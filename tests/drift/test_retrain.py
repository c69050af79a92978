"""Which examples a model should be fitted on, asked for once."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.evidence import Signal, Subject
from drift.example_index import ExampleIndex, Span
from drift.incidents import Incidents, IncidentsConfig
from drift.retrain import RetrainConfig, RetrainPolicy

CONFIG = RetrainConfig(examples_min=10, examples_max=60)
ROWS = st.lists(st.tuples(st.sampled_from(["t/0", "t/1"]), st.integers(0, 200)), max_size=120)
LOSS = Signal(subject=Subject(kind="loss"), source="adwin", value=1.0, threshold=1.0, since_ms=500)


def feature(name):
    return Signal(subject=Subject(kind="feature", name=name), source="psi", value=0.3, threshold=0.1, since_ms=500)


def index_of(rows=100):
    """One partition, an example every 10 ms."""
    index = ExampleIndex()
    for row in range(rows):
        index.observe("shop.examples/0", offset=row, event_ms=row * 10)
    return index


def phases(*windows):
    incidents = Incidents(IncidentsConfig(pipeline="shop", windows_quiet=1))
    return [
        phase
        for number, signals in enumerate(windows, 1)
        for phase in incidents.update(signals, cut=f"cut{number}", window=number, event_ms=1_000)
    ]


def requests(policy, told, index):
    return [policy.request(phase, index, model="champion", version=77) for phase in told]


def test_a_request_names_the_examples_since_the_change():
    """The change began at 500 ms: offsets 50 to 100 of the only partition."""
    (started,) = phases([LOSS, feature("a")])

    (request,) = requests(RetrainPolicy(CONFIG), [started], index_of())

    assert (request.id, request.incident) == (f"{started.incident}/retrain", started.incident)
    assert (request.model, request.version, request.cut) == ("champion", 77, "cut1")
    assert (request.basis, request.ranges, request.examples) == ("since_change", {"shop.examples/0": (50, 100)}, 50)
    assert (request.reason, request.severity, request.since_ms) == (started.title, "critical", 500)
    assert request.evidence == started.subjects


@pytest.mark.parametrize(("rows", "expected"), [(55, (45, 55)), (59, (49, 59)), (60, (50, 60)), (111, (51, 111))])
def test_too_few_or_too_many_examples_since_the_change_mean_the_latest(rows, expected):
    """Ten at least, even from before the change; sixty at most."""
    (request,) = requests(RetrainPolicy(CONFIG), phases([LOSS]), index_of(rows))

    assert request.ranges == {"shop.examples/0": expected}
    assert request.basis == ("since_change" if rows == 60 else "latest")


def test_one_incident_asks_once():
    """However often it escalates; the next incident asks again."""
    told = phases([LOSS], [feature("a")], [feature(name) for name in "bcdef"], [], [LOSS])

    asked = requests(RetrainPolicy(CONFIG), told, index_of())

    assert [phase.phase for phase in told] == ["started", "escalated", "escalated", "recovered", "started"]
    assert [request is not None for request in asked] == [True, False, False, False, True]
    assert asked[0].id != asked[4].id


def test_a_slight_change_asks_only_when_it_grows_severe():
    """One feature is news and no reason to retrain; a loss that joins is."""
    asked = requests(RetrainPolicy(CONFIG), phases([feature("a")], [LOSS]), index_of())

    assert [request and request.severity for request in asked] == [None, "critical"]
    assert requests(RetrainPolicy(RetrainConfig(severity_min="info")), phases([feature("a")]), index_of())[0]


def test_a_recovery_asks_for_nothing():
    """Even if nothing was asked before."""
    told = phases([LOSS], [])

    assert requests(RetrainPolicy(CONFIG), told[1:], index_of()) == [None]


def test_without_examples_the_request_waits_for_the_next_phase():
    """A request without ranges would be a promise nobody can keep."""
    policy = RetrainPolicy(CONFIG)
    started, escalated = phases([LOSS], [feature("a")])

    assert requests(policy, [started], ExampleIndex()) == [None]
    assert requests(policy, [escalated], index_of())[0] is not None


def test_evidence_is_the_strongest_ten():
    """A request stays small whatever the number of features."""
    (request,) = requests(RetrainPolicy(CONFIG), phases([LOSS, *(feature(f"f{n}") for n in range(40))]), index_of())

    assert len(request.evidence) == 10


def test_a_restart_does_not_ask_again():
    """What was asked is part of the state."""
    told = phases([LOSS], [feature("a")])
    before, after = RetrainPolicy(CONFIG), RetrainPolicy(CONFIG)
    requests(before, told[:1], index_of())

    after.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(before.snapshot())))

    assert requests(after, told[1:], index_of()) == [None]


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
    ],
)
def test_a_wrong_setting_is_refused(fields, message):
    """At the moment it is built, with its name."""
    with pytest.raises(ValueError, match=message):
        RetrainConfig(**{"examples_min": 10, "examples_max": 60, **fields})
