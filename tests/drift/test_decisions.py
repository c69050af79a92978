"""When verdicts and alarms become signals."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.decisions import PersistentThreshold, PersistentThresholdConfig
from drift.evidence import ColumnEvidence, DetectorAlarm, LossRise, Quality, Subject, WindowEvidence

AMOUNT = Subject(kind="feature", name="amount")
LOSS = Subject(kind="loss")
VERDICTS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(["stable", "drift", "not_enough_data"]) for name in ("a", "b")}),
    max_size=20,
)


def column(verdict="stable", subject=AMOUNT, value=0.3, quality=None):
    return ColumnEvidence(
        subject=subject,
        column="numeric",
        reference_rows=5_000,
        current_rows=1_000,
        statistics={} if verdict == "not_enough_data" else {"psi": value, "ks": 0.02},
        statistic="psi",
        threshold=0.1,
        verdict=verdict,
        quality=quality,
    )


def window(number, *columns, alarms=(), rows=1_000):
    """Windows start every 100 ms, counted from 0."""
    return WindowEvidence(rows=rows, from_ms=100 * number, to_ms=100 * number + 500, columns=columns, alarms=alarms)


def alarm(subject=LOSS, row=7, event_ms=70, detector="adwin"):
    return DetectorAlarm(subject=subject, detector=detector, row=row, event_ms=event_ms)


def decided(decider, verdicts):
    return [decider.decide(window(number, column(verdict))) for number, verdict in enumerate(verdicts)]


def test_a_change_is_signalled_from_the_kth_window_on_and_dated_to_the_first():
    """Three windows in a row make a signal, which stays as long as the verdict does."""
    signals = decided(PersistentThreshold(), ["stable", "drift", "drift", "drift", "drift", "stable"])

    assert [len(found) for found in signals] == [0, 0, 0, 1, 1, 0]
    assert [(s.subject, s.source, s.value, s.threshold, s.since_ms, s.detail) for s in signals[3]] == [
        (AMOUNT, "psi", 0.3, 0.1, 100, {"ks": 0.02})
    ]
    assert signals[4][0].since_ms == 100


def test_a_stable_window_breaks_a_streak():
    """Two and two is not four in a row."""
    assert decided(PersistentThreshold(), ["drift", "drift", "stable", "drift", "drift"]) == [()] * 5


def test_too_little_data_neither_extends_a_streak_nor_breaks_it():
    """Nothing is judged below the minimum, in either direction."""
    verdicts = ["drift", "not_enough_data", "drift", "not_enough_data", "drift", "not_enough_data", "stable"]

    signals = decided(PersistentThreshold(), verdicts)

    assert [len(found) for found in signals] == [0, 0, 0, 0, 1, 1, 0]
    assert signals[5] == signals[4]
    assert signals[4][0].since_ms == 0


def test_a_column_that_is_gone_is_forgotten():
    """A feature taken out of the config cannot hold an incident open."""
    decider = PersistentThreshold()
    decided(decider, ["drift"] * 3)

    assert decider.decide(window(3)) == ()
    assert decided(decider, ["drift"] * 2) == [(), ()]


def test_an_alarm_of_a_loss_detector_counts_at_once():
    """It is dated to the row of its first firing, and one window brings one signal per detector."""
    alarms = (alarm(row=9, event_ms=90), alarm(row=7, event_ms=70), alarm(detector="ddm", row=8, event_ms=80))

    signals = PersistentThreshold().decide(window(0, alarms=alarms))

    assert [(s.source, s.value, s.threshold, s.since_ms, s.detail) for s in signals] == [
        ("adwin", 1.0, 1.0, 70, {"row": 7.0, "fired": 2.0}),
        ("ddm", 1.0, 1.0, 80, {"row": 8.0, "fired": 1.0}),
    ]


@pytest.mark.parametrize(("enabled", "subjects"), [(False, ["loss"]), (True, ["feature:amount", "loss"])])
def test_detectors_on_features_count_only_when_asked_for(enabled, subjects):
    """They are outside any budget of false alarms."""
    decider = PersistentThreshold(PersistentThresholdConfig(feature_detectors=enabled))

    signals = decider.decide(window(0, alarms=(alarm(), alarm(subject=AMOUNT))))

    assert [str(signal.subject) for signal in signals] == subjects


@pytest.mark.parametrize(
    ("quality", "source"),
    [
        (Quality(missing_share=0.16, reference_missing_share=0.1), "missing_share"),
        (Quality(missing_share=0.0, new_category_share=0.06), "new_category_share"),
        (Quality(missing_share=0.0, out_of_range_share=0.06), "out_of_range_share"),
    ],
)
def test_data_quality_that_stays_bad_is_a_signal_of_its_own(quality, source):
    """Missing values count as a rise over the reference, the other two have none in it."""
    decider = PersistentThreshold()

    signals = [decider.decide(window(number, column("not_enough_data", quality=quality))) for number in range(3)]

    assert [len(found) for found in signals] == [0, 0, 1]
    assert (str(signals[2][0].subject), signals[2][0].source, signals[2][0].threshold) == (
        "quality:amount",
        source,
        0.05,
    )
    assert math.isclose(signals[2][0].value, 0.06)


def test_a_feature_that_was_always_sparse_is_no_news():
    """Half missing as in the reference is stable."""
    quality = Quality(missing_share=0.54, reference_missing_share=0.5)
    decider = PersistentThreshold(PersistentThresholdConfig(windows_min=1))

    assert decider.decide(window(0, column(quality=quality))) == ()


def test_quality_of_a_handful_of_rows_is_not_judged():
    """199 rows say nothing, 200 do."""
    decider = PersistentThreshold(PersistentThresholdConfig(windows_min=1))
    bad = column(quality=Quality(missing_share=1.0))

    assert decider.decide(window(0, bad, rows=199)) == ()
    assert len(decider.decide(window(1, bad, rows=200))) == 1


def test_after_a_rebase_streaks_begin_anew():
    """What differed from the old reference says nothing about the new one."""
    decider = PersistentThreshold()
    decided(decider, ["drift"] * 3)

    decider.rebase()

    assert [len(found) for found in decided(decider, ["drift"] * 3)] == [0, 0, 1]


@given(VERDICTS, VERDICTS)
def test_resumes_from_a_snapshot_as_if_never_stopped(before, after):
    """A restart between any two windows, through msgpack, changes no later signal; a snapshot is a copy."""
    whole, first_half, second_half = PersistentThreshold(), PersistentThreshold(), PersistentThreshold()

    def run(decider, verdicts, start=0):
        return [
            decider.decide(
                window(start + number, *(column(v, Subject(kind="feature", name=name)) for name, v in row.items()))
            )
            for number, row in enumerate(verdicts)
        ]

    run(whole, before)
    run(first_half, before)
    snapshot = first_half.snapshot()
    packed = msgspec.msgpack.encode(snapshot)
    run(first_half, after, len(before))
    assert msgspec.msgpack.encode(snapshot) == packed

    second_half.restore(msgspec.msgpack.decode(packed))

    assert run(second_half, after, len(before)) == run(whole, after, len(before))
    assert second_half.snapshot() == whole.snapshot()


@given(st.permutations(["a", "b", "c"]))
def test_the_order_of_columns_does_not_matter(names):
    """Signals come sorted."""
    decider = PersistentThreshold(PersistentThresholdConfig(windows_min=1))

    signals = decider.decide(window(0, *(column("drift", Subject(kind="feature", name=name)) for name in names)))

    assert [signal.subject.name for signal in signals] == ["a", "b", "c"]


def test_a_snapshot_of_another_decider_is_refused():
    """The budget's state means nothing here."""
    with pytest.raises(ValueError, match="decider must be persistent_threshold, got 'budget'"):
        PersistentThreshold().restore({"decider": "budget"})


@pytest.mark.parametrize(
    ("setting", "bad"),
    [("windows_min", 0), ("rows_min", 0), ("missing_share_rise", math.nan), ("new_category_share_rise", 1.1)],
)
def test_a_wrong_setting_is_refused(setting, bad):
    """At the moment it is built, with its name."""
    with pytest.raises(ValueError, match=f"{setting} must be .*, got {bad}"):
        PersistentThresholdConfig(**{setting: bad})


def test_a_loss_alarm_that_the_level_does_not_confirm_is_no_signal():
    """With `confirm_loss` a detector's word alone raises nothing; with the level beside it both are told."""
    decider = PersistentThreshold(PersistentThresholdConfig(confirm_loss=True))
    alarm = DetectorAlarm(subject=Subject(kind="loss"), detector="adwin", row=5, event_ms=50)
    rise = LossRise(before=0.1, now=0.3, bound=0.15, since_ms=50)
    alone = WindowEvidence(rows=100, from_ms=0, to_ms=60, columns=(), alarms=(alarm,))
    confirmed = WindowEvidence(rows=100, from_ms=0, to_ms=60, columns=(), alarms=(alarm,), loss=rise)
    lasting = WindowEvidence(rows=100, from_ms=0, to_ms=60, columns=(), loss=rise)

    assert decider.decide(alone) == ()
    assert [(signal.source, signal.since_ms) for signal in decider.decide(confirmed)] == [
        ("adwin", 50),
        ("loss_level", 50),
    ]
    assert [signal.value for signal in decider.decide(lasting)] == [0.3]
