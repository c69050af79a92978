"""Does it hurt: an interval that keeps its word whenever one looks, and says so when it knows nothing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.harm import EXAMPLES_MIN, HarmMeter


def around(before, since, *, indicator=True):
    """A meter after an alarm between the two stretches of losses."""
    meter = HarmMeter(indicator=indicator)
    for at, loss in enumerate(before):
        meter.loss(loss, event_ms=at)
    meter.begin(since_ms=len(before))
    for at, loss in enumerate(since, len(before)):
        meter.loss(loss, event_ms=at)
    return meter


def ever(rng, rates, *, runs, looks=2_000, indicator=True):
    """Share of runs in which any look found a difference."""
    wrong = 0
    for _ in range(runs):
        draw = (lambda n, rate: (rng.random(n) < rate) * 1.0) if indicator else (lambda n, mean: rng.gamma(mean, 1, n))
        meter = around(draw(1_000, rates[0]), [], indicator=indicator)
        for at, loss in enumerate(draw(looks, rates[1]), 1_000):
            meter.loss(float(loss), event_ms=at)
            if at % 7 == 0 and meter.harm().verdict in {"worse", "better"}:
                wrong += 1
                break
    return wrong / runs


@pytest.mark.parametrize(("rate", "indicator"), [(0.02, True), (0.3, True), (1.0, False)])
def test_looking_all_the_time_finds_no_harm_where_there_is_none(rate, indicator):
    """200 runs of 2,000 examples that do not change: at most one in twenty ever says otherwise."""
    assert ever(np.random.default_rng(7), (rate, rate), runs=200, indicator=indicator) <= 0.05


@pytest.mark.parametrize(("before", "since"), [(0.05, 0.2), (0.2, 0.4)])
def test_harm_is_found_within_some_hundred_examples(before, since):
    """30 runs: every one, within 400."""
    assert ever(np.random.default_rng(8), (before, since), runs=30, looks=400) == 1.0


def test_a_fall_is_no_harm():
    """After a change the model may be better."""
    rng = np.random.default_rng(9)
    harm = around((rng.random(1_000) < 0.5) * 1.0, (rng.random(500) < 0.1) * 1.0).harm()

    assert (harm.verdict, harm.high < 0) == ("better", True)
    assert harm.words.startswith("the loss is lower by 0.")


def test_without_labels_it_says_so():
    """Neither no harm nor harm: unknown, and why."""
    assert around([0.0] * 100, []).harm().words == "unknown: no labels yet"
    assert around([0.0] * 100, [1.0]).harm().words == "unknown: 1 label yet"
    assert around([0.0] * 100, [1.0] * (EXAMPLES_MIN - 1)).harm().verdict == "unknown"
    assert around([0.0] * 100, [1.0] * EXAMPLES_MIN).harm().verdict == "worse"
    assert around([0.0] * 3, [1.0] * 100).harm().words == "unknown: too few labels from before it"
    assert HarmMeter(indicator=True).harm().verdict == "unknown"


def test_what_raised_the_alarm_does_not_count_against_it():
    """Losses heard before the alarm of events since the change were chosen for being bad."""
    meter = HarmMeter(indicator=True)
    for at in range(500):
        meter.loss(0.0, event_ms=at)
    for at in range(500, 600):
        meter.loss(1.0, event_ms=at)
    meter.begin(since_ms=500)

    assert meter.harm().examples_since == 0
    assert meter.recent(500) == (0.0, 1.0)


def test_a_late_label_goes_to_the_side_of_its_event():
    """By when the event was, not by when its label came."""
    meter = around([0.0] * 100, [1.0] * 40)
    for _ in range(10):
        meter.loss(0.0, event_ms=50)

    harm = meter.harm()
    assert (harm.examples_before, harm.examples_since) == (110, 40)


def test_a_loss_that_is_no_number_says_nothing():
    """NaN and infinity are left out."""
    meter = around([0.0] * 50, [0.0] * 50)
    meter.loss(float("nan"), event_ms=99)
    meter.loss(float("inf"), event_ms=99)

    assert meter.harm().examples_since == 50


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 50)), max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_resumes_as_if_never_stopped(losses, alarm, cut):
    """A restart anywhere changes no number."""

    def play(meter, part, start=0):
        for at, (loss, event_ms) in enumerate(part, start):
            if at == alarm:
                meter.begin(since_ms=25)
            meter.loss(loss, event_ms)
        return meter

    whole, first, second = (HarmMeter(indicator=False) for _ in range(3))
    play(first, losses[:cut])
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot())))

    assert play(second, losses[cut:], cut).harm() == play(whole, losses).harm()
