"""The whole budget: what it tells does not depend on when it is asked, on restarts, or on the columns' order."""

import math

import msgspec
import numpy as np
import pytest
from budget_streams import budget_of, errors, feed, gaussian, kind_of, mixed, reference_of, rows_of, watched
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from drift.budget import (
    Alarm,
    AlarmBudget,
    AlarmBudgetConfig,
    Allowance,
    Listing,
    Over,
    Period,
    Repeat,
    WatchedColumn,
)
from drift.evidence import Subject


def shifting(seed, rows=2400):
    """Six columns and a loss: three changes, missing values, a new category, losses that come late and in heaps."""
    rng = np.random.default_rng(seed)
    columns = {
        name: column for name, column in mixed(rng, rows).items() if name in {"g0", "g1", "t0", "p0", "c0", "d0"}
    }
    columns["g0"][900:] += 1
    columns["g1"] = np.where(rng.random(rows) < 0.05, np.nan, np.convolve(columns["g1"], [1, 0.6], "same"))
    columns["c0"][1700:1800] = "brand new"
    losses = errors(rng, rows)
    losses[1300:] = errors(rng, rows - 1300, 0.7)
    events, late = rows_of(columns), []
    items = []
    for at, (row, loss) in enumerate(zip(events, losses.tolist(), strict=True)):
        items.append((row, None))
        late.append(loss)
        if at % 37 == 0 or rng.random() < 0.3:
            items += [(None, each) for each in late]
            late = []
    return items


SETTINGS = {
    "allowance": "1 per 1000 events",
    "loss": "indicator",
    "reference_rows": 400,
    "fresh_rows": 200,
    "listing_events": 60,
    "quiet_events": 150,
    "rebase_after_events": 500,
    "period": Period(rows=24),
    "joint": True,
}
NAMES = ("g0", "g1", "t0", "p0", "c0", "d0")


def play(budget, items, asked=()):
    """All items, asking for findings before those numbered; everything found."""
    found, asked = [], set(asked)
    for at, (row, loss) in enumerate(items):
        if at in asked:
            found += budget.evaluate()
        if row is None:
            budget.example(loss)
        else:
            budget.event(row, event_ms=at * 100)
    return found + list(budget.evaluate())


@pytest.fixture(scope="module")
def story():
    """Items, and what is found by asking once at the end."""
    items = shifting(3)
    return items, {
        after: play(budget_of(NAMES, **SETTINGS, after_alarm=after), items) for after in ("rebase", "hold", "reset")
    }


def test_the_story_has_what_it_is_for(story):
    """Alarms and listings in every mode, repeats where the reference is held; features and loss are blamed."""
    _, found = story
    for after, findings in found.items():
        assert {type(each) for each in findings} >= {Alarm, Listing}, after
        assert any(each.blame.subject.kind == "feature" for each in findings if isinstance(each, Alarm)), after
    assert {each.blame.clock for each in found["rebase"] if isinstance(each, Alarm)} == {"events", "examples"}
    assert any(isinstance(each, Repeat) for each in found["hold"])
    assert {each.reason for each in found["hold"] if isinstance(each, Over)} == {"quiet", "rebased"}


@settings(max_examples=6, deadline=None)
@given(data=st.data(), after=st.sampled_from(["rebase", "hold", "reset"]))
def test_no_split_of_the_batches_changes_what_is_found(story, data, after):
    """Asked after every event, now and then, or once: the same alarms, listings and repeats, to the last bit."""
    items, expected = story
    asked = data.draw(st.lists(st.integers(0, len(items)), max_size=60))
    budget = budget_of(NAMES, **SETTINGS, after_alarm=after)

    assert play(budget, items, asked) == expected[after]


def test_asking_after_every_item_changes_nothing(story):
    """The finest split there is; the states are equal as well."""
    items, expected = story
    finest, whole = (budget_of(NAMES, **SETTINGS) for _ in range(2))

    assert play(finest, items, range(len(items))) == play(whole, items) == expected["rebase"]
    assert finest.snapshot() == whole.snapshot()


@settings(max_examples=6, deadline=None)
@given(data=st.data(), after=st.sampled_from(["rebase", "hold", "reset"]))
def test_a_restart_anywhere_changes_nothing(story, data, after):
    """Restored from bytes between any two items, another process tells what the first would have."""
    items, expected = story
    cut = data.draw(st.integers(0, len(items)))
    first, second = (budget_of(NAMES, **SETTINGS, after_alarm=after) for _ in range(2))

    early = play(first, items[:cut])
    state = msgspec.msgpack.encode(first.snapshot())
    play(first, items[cut:])  # a copy: what the first does later is its own affair
    second.restore(msgspec.msgpack.decode(state))
    rest = [(row, None) if row is not None else (None, loss) for row, loss in items[cut:]]
    for at, (row, loss) in enumerate(rest, cut):
        second.example(loss) if row is None else second.event(row, event_ms=at * 100)

    assert early + list(second.evaluate()) == expected[after]


def test_findings_not_asked_for_survive_a_restart():
    """An alarm found just before a checkpoint is told after it."""
    items = shifting(3)
    first, second = budget_of(NAMES, **SETTINGS), budget_of(NAMES, **SETTINGS)
    for at, (row, loss) in enumerate(items):
        first.example(loss) if row is None else first.event(row, event_ms=at * 100)

    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot())))

    assert second.evaluate() == first.evaluate()


def test_the_order_of_the_columns_is_of_no_account():
    """Draws belong to a column's name, not to its place."""
    rng = np.random.default_rng(1)
    columns, losses = gaussian(rng, 3_000, 5), errors(rng, 3_000)
    columns["g3"][2_000:] += 1
    turned = dict(reversed(columns.items()))

    (first,) = [
        each for each in watched(columns, losses, 1_000, allowance="1 per 20000 events")[1] if isinstance(each, Alarm)
    ][:1]
    (second,) = [
        each for each in watched(turned, losses, 1_000, allowance="1 per 20000 events")[1] if isinstance(each, Alarm)
    ][:1]

    assert first == second
    assert first.blame.subject == Subject(kind="feature", name="g3")


@pytest.mark.parametrize(
    ("name", "change", "aspect", "bet"),
    [
        ("g0", lambda c, _: c + 1, "value", "mean +"),
        ("g0", lambda c, _: c - 1, "value", "mean -"),
        ("g0", lambda c, _: c * 2, "value", "spread x1.6"),
        ("g0", lambda c, _: c / 2, "value", "spread x0.7"),
        ("g0", lambda c, rng: np.where(rng.random(c.size) < 0.2, np.nan, c), "missing", "odds x"),
        ("g0", lambda c, rng: np.where(rng.random(c.size) < 0.2, np.inf, c), "missing", "odds x"),
        ("c0", lambda c, rng: np.where(rng.random(c.size) < 0.2, "new", c), "new category", "odds x"),
        ("c0", lambda c, rng: np.where(rng.random(c.size) < 0.4, "k7", c), "category k7", "odds x"),
        ("c0", lambda c, rng: np.where(rng.random(c.size) < 0.2, None, c), "missing", "odds x"),
        ("d0", lambda c, rng: np.where(rng.random(c.size) < 0.5, "k40", c), "other", "odds x"),
    ],
)
def test_each_kind_of_change_is_seen_where_it_is(name, change, aspect, bet):
    """The right column, stream and bet, soon after it, dated within 100 events of it; nothing before."""
    rng = np.random.default_rng(12)
    columns, losses = mixed(rng, 2_500), errors(rng, 2_500)
    columns[name][1_500:] = change(columns[name][1_500:], rng)

    _, found = watched(columns, losses, 1_000, allowance="1 per 20000 events")

    alarm = found[0]
    assert isinstance(alarm, Alarm)
    assert (alarm.blame.subject.name, alarm.blame.aspect) == (name, aspect)
    assert alarm.blame.bet.startswith(bet)
    assert 500 < alarm.event <= 800
    assert alarm.blame.since == pytest.approx(500, abs=100)
    assert alarm.blame.strength > 3


def test_a_loss_of_any_number_is_watched_as_a_number():
    """A regression's loss rises by one standard deviation."""
    rng = np.random.default_rng(2)
    columns, losses = gaussian(rng, 3_000, 3), rng.exponential(size=3_000)
    losses[2_000:] += 1
    budget = budget_of(columns, "1 per 20000 events", loss="numeric")
    budget.rebase(reference_of(columns, slice(1_000)), losses[:1_000])

    alarm = feed(budget, rows_of(columns, 1_000), losses[1_000:].tolist())[0]

    assert (alarm.blame.subject, alarm.blame.clock) == (Subject(kind="loss"), "examples")
    assert 1_000 < alarm.example < 1_060
    assert alarm.blame.since == pytest.approx(1_000, abs=10)


def test_several_changed_columns_are_listed_once_the_lanes_ran_on():
    """At the alarm the top one; 120 events later all five, and no other."""
    rng = np.random.default_rng(4)
    columns, losses = gaussian(rng, 4_000), errors(rng, 4_000)
    for name in ("g2", "g5", "g7", "g11", "g13"):
        columns[name][3_000:] += 0.7

    _, found = watched(columns, losses, 2_000, allowance="1 per 100000 events")

    alarm, listing = found[:2]
    assert (listing.number, listing.event) == (alarm.number, alarm.event + 120)
    assert listing.blames[0].subject == alarm.blame.subject
    assert {blame.subject.name for blame in listing.blames} == {"g2", "g5", "g7", "g11", "g13"}


def test_after_a_rebase_the_new_level_is_normal():
    """One lasting shift is one alarm; the next shift is another."""
    rng = np.random.default_rng(5)
    columns, losses = gaussian(rng, 6_000, 4), errors(rng, 6_000)
    columns["g1"][2_000:] += 1
    columns["g1"][4_000:] += 1

    budget, found = watched(columns, losses, 1_000, allowance="1 per 20000 events")

    alarms = [each for each in found if isinstance(each, Alarm)]
    assert [(alarm.blame.subject.name, alarm.event // 1_000) for alarm in alarms] == [("g1", 1), ("g1", 3)]
    assert budget.alarms == 2


def test_a_column_that_cries_wolf_is_only_observed():
    """Five alarms of one column within the events of one false alarm, and it is silent; the others are not."""
    rng = np.random.default_rng(7)
    columns, losses = gaussian(rng, 12_000, 4), errors(rng, 12_000)
    columns["g1"] += 1.5 * (np.arange(12_000) // 600 % 2)
    columns["g2"][11_000:] += 1

    budget, found = watched(columns, losses, 600, allowance="1 per 100000 events")

    blamed = [each.blame.subject.name for each in found if isinstance(each, Alarm)]
    assert blamed == ["g1"] * 5 + ["g2"]
    assert next(s.words for s in budget.standings() if s.column == "g1").startswith("observe only: keeps alarming")


def test_a_tolerated_shift_never_adds_up():
    """A tenth of a standard deviation for 20,000 events: an alarm, and with a tolerance none on any of 5 seeds."""

    def alarms(tolerance, seed):
        columns = gaussian(np.random.default_rng(seed), 25_000, 1)
        columns["g0"][5_000:] += 0.1
        column = WatchedColumn(kind="numeric", subject=Subject(kind="feature", name="g0"), tolerance_sd=tolerance)
        config = AlarmBudgetConfig(
            columns={"g0": column}, allowance=Allowance.parse("1 per 1000000 events"), after_alarm="reset"
        )
        budget = AlarmBudget(config)
        budget.rebase(reference_of(columns, slice(5_000)))
        for row in rows_of(columns, 5_000):
            budget.event(row)
        budget.evaluate()
        return budget.alarms

    assert alarms(0.0, seed=8) >= 1
    assert [alarms(0.1, seed) for seed in range(8, 13)] == [0] * 5


def test_it_says_what_would_have_been_seen():
    """At first not enough data; then a shift that shrinks with the rows; a share for what has no numbers."""
    rng = np.random.default_rng(9)
    columns, losses = mixed(rng, 4_000), errors(rng, 4_000)
    small, large = (watched({"g0": columns["g0"], "c0": columns["c0"]}, losses, rows)[0] for rows in (100, 2_000))
    few = budget_of(["g0", "c0"], loss="indicator")
    few.rebase(reference_of({n: columns[n] for n in ("g0", "c0")}, slice(100)), losses[:100])
    feed(few, rows_of({n: columns[n][100:150] for n in ("g0", "c0")}), losses[100:150].tolist())

    assert few.sensitivities()["g0"].words.startswith("not_enough_data (needs ")
    assert few.sensitivities()["g0"].words.endswith(" rows for 0.5 sd)")
    assert large.sensitivities()["g0"].words.startswith("stable (no shift above 0.")
    assert large.sensitivities()["c0"].words.startswith("stable (no share moved by more than 0.")
    assert large.sensitivities()["g0"].verdict == small.sensitivities()["g0"].verdict == "stable"
    assert {*large.sensitivities()} == {"g0", "c0", "(loss)"}


def test_a_budget_in_time_follows_the_measured_rate():
    """One event per second and one alarm per day are 86,400 events, once the rate is measured."""
    rng = np.random.default_rng(1)
    budget = budget_of(["g0"], "1 per day")
    assert budget.threshold == math.inf

    for at, row in enumerate(rows_of(gaussian(rng, 2_000, 1))):
        budget.event(row, event_ms=at * 1000)
    budget.evaluate()

    assert budget.threshold == pytest.approx(86_400)


def test_a_dependent_column_is_waited_for_while_the_others_are_watched():
    """AR(.9) with 1,000 rows is not enough; with what comes it is, and joins them."""
    rng = np.random.default_rng(3)
    columns = gaussian(rng, 9_000, 2)
    columns["g1"] = lfilter([1], [1, -0.9], columns["g1"])
    budget = budget_of(columns, "1 per 100000 events")

    promises = []
    for at, row in enumerate(rows_of(columns), 1):
        budget.event(row)
        if at % 1_000 == 0:
            budget.evaluate()
            promises.append([standing.promise for standing in budget.standings()])

    assert promises[0] == ["holds", "dependent"]
    assert promises[-1] == ["holds", "holds"]
    assert {"g0", "g1"} == set(budget.sensitivities())


@pytest.mark.parametrize("bad", [{"format": "other/1"}, {}])
def test_a_foreign_snapshot_is_refused(bad):
    """It names what it expects."""
    with pytest.raises(ValueError, match="snapshot must be alarm_budget/1, got"):
        budget_of(["g0"]).restore(bad)


def test_a_reference_without_a_column_is_refused():
    """By the column's name."""
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="got none for g1"):
        budget_of(["g0", "g1"]).rebase(reference_of({"g0": rng.normal(size=50)}))


def test_rows_of_anything_are_taken():
    """Absent columns, None, text among numbers, booleans and numbers as categories: missing, or their text."""
    rng = np.random.default_rng(3)
    columns = {"g0": rng.normal(size=300), "c0": rng.choice(np.array(["1", "True", "b"], dtype=object), size=300)}
    budget = budget_of(columns, reference_rows=300)
    for row in rows_of(columns):
        budget.event(row)

    for row in [{}, {"g0": None}, {"g0": "x", "c0": 1}, {"g0": True, "c0": True}, {"g0": 10**400}, {"more": 1}]:
        budget.event(row)

    assert budget.evaluate() == ()
    assert budget.events == 306
    assert kind_of("c0") == "categorical"
