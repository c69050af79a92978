"""How long a rise of the loss lasts, and how large it is."""

import random

from hypothesis import given
from hypothesis import strategies as st

from drift.loss_level import LossLevel, LossLevelConfig

CONFIG = LossLevelConfig(rows=100)


def errors(rate, rows, seed):
    chance = random.Random(seed)
    return [float(chance.random() < rate) for _ in range(rows)]


def fed(losses, level=None):
    level = level or LossLevel(CONFIG)
    for loss in losses:
        level.update(loss)
    return level


def test_a_rise_stays_open_until_the_loss_is_back():
    """An error that stays at 40 % keeps the alarm of a model that was at 10 %, and one back at 10 % ends it."""
    level = fed(errors(0.1, 300, seed=1) + errors(0.4, 60, seed=2))
    level.alarmed(event_ms=7)
    fed(errors(0.4, 1_000, seed=3), level)
    rise = level.rise()
    assert rise.since_ms == 7
    assert 0.05 < rise.before < 0.2 < rise.bound < 0.3 < rise.now < 0.5
    fed(errors(0.1, 150, seed=4), level)
    assert level.rise() is None


def test_a_second_alarm_does_not_move_the_level_to_come_back_to():
    """While the rise is open the level before stays what it was, or a lasting fault would become the norm."""
    level = fed(errors(0.1, 300, seed=1) + errors(0.4, 60, seed=2))
    level.alarmed(event_ms=7)
    before = level.rise().before
    fed(errors(0.4, 500, seed=3), level)
    level.alarmed(event_ms=9)
    assert (level.rise().before, level.rise().since_ms) == (before, 7)


def test_a_false_alarm_is_not_held():
    """A detector that fires on a stable loss opens no rise: over 50 seeds at most two look risen by chance."""
    held = 0
    for seed in range(50):
        level = fed(errors(0.2, 400, seed))
        level.alarmed(event_ms=1)
        held += level.rise() is not None
    assert held <= 2, "seeds 0 to 49"


def test_a_detector_that_fires_early_is_confirmed_a_little_later():
    """Twenty bad examples among a hundred do not show yet; sixty do, and the rise is dated to the alarm."""
    level = fed(errors(0.1, 300, seed=1) + errors(0.5, 5, seed=2))
    level.alarmed(event_ms=7)
    assert level.rise() is None
    fed(errors(0.5, 60, seed=3), level)
    assert level.rise().since_ms == 7


def test_an_alarm_that_the_level_never_confirms_is_dropped():
    """After as many examples as make a level, a later rise belongs to a later alarm."""
    level = fed(errors(0.1, 300, seed=1))
    level.alarmed(event_ms=7)
    fed(errors(0.1, 120, seed=2), level)
    assert level.rise() is None
    fed(errors(0.6, 100, seed=3), level)
    assert level.rise() is None
    level.alarmed(event_ms=9)


def test_without_enough_examples_nothing_is_held():
    """A level of a few examples is no level."""
    level = fed([0.0] * 150)
    level.alarmed(event_ms=1)
    assert level.rise() is None


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=200, max_size=400), st.integers(0, 400))
def test_a_restart_changes_nothing(losses, cut):
    """Restored from a snapshot between any two examples it answers the same."""
    whole = fed(losses)
    resumed = LossLevel(CONFIG)
    resumed.restore(fed(losses[:cut]).snapshot())
    fed(losses[cut:], resumed)
    for level in (whole, resumed):
        level.alarmed(event_ms=3)
    assert whole.rise() == resumed.rise()
    assert whole.snapshot() == resumed.snapshot()
