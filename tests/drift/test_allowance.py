"""What people can bear, as text, and in events."""

import math

import pytest

from drift.allowance import Allowance, Rate
from drift.period import Period
from drift.tolerance import parse_tolerance

GOOD = {
    "1 per 100000 events": 100_000,
    "1 per 100_000 events": 100_000,
    "2 per 1,000 events": 500,
    "1 per week": 604_800,
    "1 per 2 days": 172_800,
    "3 per hour": 1_200,
}


@pytest.mark.parametrize("text", GOOD)
def test_an_allowance_is_read(text):
    """In events, or in time at one event per second."""
    assert Allowance.parse(text).events_per_alarm(events_per_ms=0.001) == GOOD[text]


@pytest.mark.parametrize("text", ["", "0 per day", "1 per 0 days", "1 event", "often", "1 per 99 events", "-1 per day"])
def test_what_is_no_allowance_is_refused_by_name(text):
    """The message says where, what was expected and what was got."""
    with pytest.raises(ValueError, match=r"^drift\.false_alarms must be .*, got "):
        Allowance.parse(text, "drift.false_alarms")


def test_a_budget_in_time_tells_nothing_before_its_rate_is_known():
    """Without a rate any number of events would be a guess."""
    assert Allowance.parse("1 per week").events_per_alarm() == math.inf


def test_the_rate_is_measured_and_follows():
    """One event per 10 ms, then ten times as many; a clock that goes back or stands still measures nothing."""
    rate = Rate()
    for step in range(100):
        rate.measure(step * Rate.STEP_EVENTS * 10)
    slow = rate.events_per_ms
    for step in range(1000):
        rate.measure(100 * Rate.STEP_EVENTS * 10 + step * Rate.STEP_EVENTS)
    fast = rate.events_per_ms
    rate.measure(0)
    rate.measure(0)

    assert slow == pytest.approx(0.1)
    assert fast == pytest.approx(1, rel=0.01)
    assert rate.events_per_ms == fast


@pytest.mark.parametrize(("text", "expected"), [("0.1 sd", 0.1), (".25sd", 0.25), ("0.5 sd", 0.5)])
def test_a_tolerance_is_read(text, expected):
    """In standard deviations."""
    assert parse_tolerance(text) == expected


@pytest.mark.parametrize("text", ["0.1", "1.1 sd", "-0.1 sd", "sd", "1e-1 sd"])
def test_what_is_no_tolerance_is_refused(text):
    """Nor more than the boldest bet is on."""
    with pytest.raises(ValueError, match="tolerance must be like"):
        parse_tolerance(text)


@pytest.mark.parametrize("text", ["", "24", "0h", "day", "h"])
def test_what_is_no_period_is_refused(text):
    """In rows or in time."""
    with pytest.raises(ValueError, match='period must be like "24h" or "48 rows"'):
        Period.parse(text)
