"""A reference that is held: one episode for one change, its end, and a loss that falls or has not settled."""

import msgspec
import numpy as np
import pytest
from budget_streams import budget_of, errors, feed, gaussian, reference_of, rows_of, watched

from drift.budget import Alarm, Over, Repeat


def test_a_reference_that_is_held_makes_one_episode():
    """The shift comes again and again, under one number, until it goes; the next one is another alarm."""
    rng = np.random.default_rng(5)
    columns, losses = gaussian(rng, 9_000, 4), errors(rng, 9_000)
    columns["g1"][2_000:4_000] += 1
    columns["g1"][7_000:] += 1

    _, found = watched(columns, losses, 1_000, allowance="1 per 20000 events", after_alarm="hold")

    alarms = [each for each in found if isinstance(each, Alarm)]
    repeats = [each for each in found if isinstance(each, Repeat)]
    assert [(alarm.number, alarm.event // 1_000) for alarm in alarms] == [(1, 1), (2, 6)]
    assert [each.repeats for each in repeats if each.number == 1] == list(
        range(1, 1 + sum(r.number == 1 for r in repeats))
    )
    assert len(repeats) > 20
    assert {each.blame.subject.name for each in repeats} == {"g1"}
    (over,) = [each for each in found if isinstance(each, Over)]
    assert (over.number, over.reason) == (1, "quiet")
    assert 3_900 < over.event <= 4_050  # a thousand events after the last repeat


def test_a_change_that_took_long_to_see_is_not_over_for_a_short_silence():
    """A quarter of a standard deviation shows every few hundred events: one episode until it goes, 5 seeds."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        columns, losses = gaussian(rng, 12_000, 4), errors(rng, 12_000)
        columns["g1"][3_000:9_000] += 0.25
        _, found = watched(columns, losses, 2_000, allowance="1 per 100000 events", after_alarm="hold")
        alarms = [each.event for each in found if isinstance(each, Alarm)]
        overs = [each.event for each in found if isinstance(each, Over)]
        assert len(alarms) == 1, f"seed {seed}"
        assert 1_000 < alarms[0] < 7_000, f"seed {seed}"
        assert all(over > 7_000 for over in overs), f"seed {seed}"


def test_a_change_that_lasts_is_the_new_normal():
    """After so many events the episode ends, a new reference is collected, and the same level raises nothing more."""
    rng = np.random.default_rng(5)
    columns, losses = gaussian(rng, 9_000, 4), errors(rng, 9_000)
    columns["g1"][2_000:] += 1

    budget, found = watched(
        columns, losses, 1_000, allowance="1 per 20000 events", after_alarm="hold", rebase_after_events=2_000
    )

    (alarm,) = [each for each in found if isinstance(each, Alarm)]
    (over,) = [each for each in found if isinstance(each, Over)]
    assert (over.reason, over.event) == ("rebased", alarm.event + 2_000)
    assert found[-1] is over
    assert {standing.promise for standing in budget.standings()} == {"holds"}


def test_a_loss_is_not_over_while_no_labels_come():
    """Silence is no recovery: events alone do not end an episode about the loss, examples at the old level do."""
    rng = np.random.default_rng(6)
    columns, losses = gaussian(rng, 12_000, 2), errors(rng, 12_000)
    losses[2_000:3_000] = errors(rng, 1_000, 0.6)
    budget = budget_of(columns, "1 per 20000 events", loss="indicator", after_alarm="hold", quiet_events=300)
    budget.rebase(reference_of(columns, slice(1_000)), losses[:1_000])
    rows = rows_of(columns)

    found = feed(budget, rows[1_000:3_000], losses[1_000:3_000].tolist())
    for row in rows[3_000:9_000]:
        budget.event(row)
    found += budget.evaluate()

    assert [str(each.blame.subject) for each in found if isinstance(each, Alarm)] == ["loss"]
    assert not any(isinstance(each, Over) for each in found)
    assert any(isinstance(each, Over) for each in feed(budget, rows[9_000:], losses[9_000:].tolist()))


def test_a_loss_that_falls_is_no_alarm_and_a_rise_from_there_is():
    """A model that learns: from a third wrong to a tenth nobody is told, back to a third it is an alarm."""
    rng = np.random.default_rng(8)
    columns, losses = gaussian(rng, 9_000, 2), errors(rng, 9_000, 0.33)
    losses[3_000:6_000] = errors(rng, 3_000, 0.1)

    _, found = watched(columns, losses, 1_000, allowance="1 per 20000 events", after_alarm="hold")

    alarm = found[0]
    assert isinstance(alarm, Alarm)
    assert str(alarm.blame.subject) == "loss"
    assert 5_000 < alarm.example < 5_100


def test_a_loss_that_was_never_anything_but_right_is_watched():
    """No errors at all in the reference: the first rise is seen."""
    rng = np.random.default_rng(10)
    columns, losses = gaussian(rng, 2_000, 2), np.zeros(2_000)
    losses[1_500:] = errors(rng, 500)

    _, found = watched(columns, losses, 1_000, allowance="1 per 20000 events")

    assert str(found[0].blame.subject) == "loss"
    assert 500 < found[0].example < 620


def test_the_loss_of_a_model_that_has_not_settled_is_tried_again():
    """A reference in which the loss falls is dropped for the next; features of such a kind are only observed."""
    rng = np.random.default_rng(9)
    columns, rates = gaussian(rng, 6_000, 2), np.concatenate([np.linspace(0.5, 0.1, 1_000), np.full(5_000, 0.1)])
    losses = (rng.random(6_000) < rates).astype(float)
    budget = budget_of(columns, "1 per 20000 events", loss="indicator", reference_rows=1_000)

    promises = []
    for start in range(0, 6_000, 500):
        feed(budget, rows_of(columns)[start : start + 500], losses[start : start + 500].tolist())
        promises += [standing.promise for standing in budget.standings() if standing.column == "(loss)"]

    assert promises[1:3] == ["not_stable", "not_stable"]
    assert promises[3:] == ["holds"] * 9


@pytest.mark.parametrize("value", [1e9, -1e9, np.nan])
def test_the_most_extreme_change_overflows_nothing(value):
    """Every column and the loss at its worst, for the longest listing there may be: finite evidence, all are listed."""
    rng = np.random.default_rng(0)
    columns, losses = gaussian(rng, 3_000, 3), errors(rng, 3_000)
    for column in columns.values():
        column[2_000:] = value
    losses[2_000:] = 1.0

    _, found = watched(columns, losses, 1_000, allowance="1 per 1000000 events", after_alarm="hold", listing_events=150)

    assert len(found[1].blames) == 4
    assert all(30 < blame.strength < 300 for blame in found[1].blames)


def test_how_long_an_episode_must_be_quiet_outlives_a_restart():
    """It follows from how long the change took to be seen; restored anywhere in it, the end is at the same event."""
    rng = np.random.default_rng(2)
    columns = gaussian(rng, 6_000, 4)
    columns["g1"][2_000:3_000] += 0.3
    rows = rows_of(columns)
    settings = {"allowance": "1 per 10000 events", "reference_rows": 1_000, "after_alarm": "hold", "quiet_events": 20}
    whole = budget_of(columns, **settings)
    for row in rows:
        whole.event(row)
    expected = whole.evaluate()
    alarm, over = expected[0], next(each for each in expected if isinstance(each, Over))
    assert over.event - alarm.event > 3 * (20 + 120)

    first, second = budget_of(columns, **settings), budget_of(columns, **settings)
    for row in rows[: alarm.event + 30]:
        first.event(row)
    found = list(first.evaluate())
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot())))
    for row in rows[alarm.event + 30 :]:
        second.event(row)

    assert found + list(second.evaluate()) == list(expected)
