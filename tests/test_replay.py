"""Replays of recorded rows: the same alerts as were told, and those that other settings or changes would have made."""

from __future__ import annotations

import copy
import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_logs import REFERENCE, Live, began, config, ends, kept, rows, starts

from drift.scorecard.injections import Injection
from streams.cuts import key_of
from streams.errors import ConfigError, StateError
from streams.messages import Beginning, Cut
from streams.replay import Barrier, Found, barriers_of, replay
from streams.replay_compared import Difference, differences, incidents, nearest, side_by_side
from streams.replay_injection import InjectedLogs
from streams.replay_start import beginning_of, beginnings, require_held

COUNT, SHIFT = 1500, 900


@cache
def shifted():
    logs = rows(COUNT, shift=SHIFT)
    return logs, Live(logs)


def barriers(live):
    told = [(each.id, each.cut) for each in live.windows] + [(each.said.id, each.said.cut) for each in live.sent]
    return [barrier for name, cut in told for barrier in barriers_of(name, cut)]


def run(logs, live, settings=None, **others):
    return replay(settings or config(), kept(logs), began(logs), barriers(live), ends(logs), **others)


@pytest.mark.parametrize("seed", range(4))
def test_a_replay_tells_what_was_told(seed):
    """Every field of every alert, however the rows came when it was live: seeds are of how they came."""
    logs, _ = shifted()
    live = Live(logs, seed=seed)

    replayed = run(logs, live)

    assert live.alerts
    assert any(each.cut.setbacks for each in live.windows)
    assert [found.alert for found in replayed.alerts] == live.alerts
    assert replayed.references == [live.watch.reference.digest]
    assert (replayed.predictions, replayed.examples, replayed.windows) == (COUNT, COUNT, len(live.windows))


def test_without_a_change_in_the_log_nothing_is_told_again():
    """A replay invents no alert."""
    logs = rows(COUNT)

    assert run(logs, Live(logs)).alerts == []


def test_rows_are_taken_up_to_each_recorded_cut_before_any_behind_it():
    """Cuts rule, not record times: partition 1 was read far behind, so its rows come last although they are older."""
    logs = rows(700)
    cut = starts(logs) | {"shop.predictions/0": 350}
    amid = cut | {"shop.predictions/1": 120, "shop.examples/0": 40}
    behind = [Barrier(name="behind", offsets=cut), Barrier(name="amid", offsets=amid)]

    replayed = replay(config(), kept(logs), began(logs), behind, ends(logs))
    in_order = replay(config(), kept(logs), began(logs), [], ends(logs))

    last_ms = logs["shop.predictions", 0][-1].timestamp
    assert replayed.passed == {"behind": last_ms, "amid": last_ms}
    assert replayed.references != in_order.references
    assert replayed.predictions == in_order.predictions == 700


def test_no_row_behind_a_cut_is_taken_before_it():
    """The stream has come exactly as far as the newest row below the cut."""
    logs = rows(400)
    cut = starts(logs) | {"shop.predictions/0": 100, "shop.predictions/1": 80, "shop.examples/0": 60}

    replayed = replay(config(), kept(logs), began(logs), [Barrier(name="cut", offsets=cut)], ends(logs))

    assert replayed.passed == {"cut": logs["shop.predictions", 0][99].timestamp}


def test_a_cut_from_before_an_input_was_heard_still_holds():
    """It says nothing of that input: what it has is taken later, the rest up to the cut."""
    logs = rows(400)
    old = {"shop.predictions/0": 100, "shop.predictions/1": 80}

    replayed = replay(config(), kept(logs), began(logs), [Barrier(name="old", offsets=old)], ends(logs))

    assert replayed.passed == {"old": logs["shop.predictions", 0][99].timestamp}
    assert replayed.examples == 400


def test_a_cut_that_does_not_fit_is_passed_over():
    """Of another pipeline, from before the start, or going back: none of them may hold rows up or lose them."""
    logs = rows(400)
    odd = [
        Barrier(name="other", offsets={"other.predictions/0": 3}),
        Barrier(name="beyond", offsets={key: end + 1 for key, end in ends(logs).items()}),
        Barrier(name="forth", offsets={**starts(logs), "shop.predictions/0": 100}),
        Barrier(name="back", offsets={**starts(logs), "shop.predictions/1": 101}),
    ]

    replayed = replay(config(), kept(logs), began(logs), odd, ends(logs))

    assert set(replayed.passed) == {"forth"}
    assert replayed.predictions == 400


def test_other_settings_tell_other_alerts():
    """A longer reference than there are rows before the change: nothing is told of it."""
    logs, live = shifted()

    assert run(logs, live, config(reference={"rows": 1400})).alerts == []
    assert run(logs, live, config(alert_on=["loss"])).alerts == []


@pytest.mark.parametrize("kind", ["sliding", "reservoir", "retrain", "promotion"])
def test_a_reference_of_another_kind_is_replayed_as_it_would_have_been_live(kind):
    """What `--set drift.reference.kind=...` tells of a life with the first rows is what a life with it tells."""
    logs, live = shifted()
    settings = config(reference={"kind": kind, "rows": REFERENCE})
    other = Live(logs, settings)

    replayed = run(logs, live, settings)

    assert replayed.alerts
    assert [found.alert for found in run(logs, other, settings).alerts] == other.alerts
    assert [found.alert["subjects"][0]["subject"] for found in replayed.alerts][:1] == ["feature:x"]
    assert len(replayed.references) == (3 if kind == "sliding" else 1)
    assert run(logs, live, settings).references == replayed.references


def second_life(logs):
    """A monitor that was rebuilt: it began at the ends of the logs as they were."""
    start = starts(logs) | {"shop.predictions/0": 201, "shop.predictions/1": 200, "shop.examples/0": 392}
    known = {"shop.features/0": 203, "shop.features/1": 200, "shop.labels/0": 390}
    return Beginning(offsets=start, known=known), Live(logs, start=start, known=known)


def earlier(live):
    """What the one before it had told."""
    return [window for window in live.windows if window.cut.offsets["shop.predictions/0"] <= 200]


def test_each_life_began_where_its_first_window_says():
    """Windows that were told twice, after a crash, are one; each life is numbered from 1."""
    logs, live = shifted()
    start, again = second_life(logs)
    told = [*earlier(live), *earlier(live)[-1:], *again.windows]

    assert beginnings(live.windows) == [began(logs)]
    assert beginnings(told) == [began(logs), start]
    assert beginnings(told[1:]) == [None, start]
    assert beginnings([]) == []


def test_a_later_life_is_replayed_from_where_it_began_with_what_was_known_then():
    """Rows that speak of events from before it are no news to it, nor to its replay."""
    logs, _ = shifted()
    start, again = second_life(logs)

    replayed = replay(config(), kept(logs), start, barriers(again), ends(logs))
    without = replay(config(), kept(logs), Beginning(offsets=start.offsets), barriers(again), ends(logs))

    assert [found.alert for found in replayed.alerts] == again.alerts != []
    assert replayed.predictions == COUNT - 203 - 200
    assert without.predictions == COUNT - 201 - 200


def test_an_alert_belongs_to_the_life_it_was_told_in():
    """Also one after the last window of its life, or before the first of it: a life has begun, or it has not."""
    logs, live = shifted()
    start, again = second_life(logs)
    lives = beginnings([*earlier(live), *again.windows])

    def held(offsets, **more):
        return beginning_of(Cut(id="", offsets=dict(offsets), **more), lives)

    assert held(again.sent[-1].said.cut.offsets) == start
    assert held(earlier(live)[-1].cut.offsets) == began(logs)
    assert held(start.offsets) == began(logs)
    assert held(start.offsets | {"shop.predictions/0": 204}) == start
    assert held(start.offsets | {"shop.predictions/0": 200}) == began(logs)
    assert held({"shop.predictions/0": 1}, began=start) == start
    with pytest.raises(StateError, match="metrics hold none"):
        beginning_of(Cut(id="", offsets={}), [])
    with pytest.raises(StateError, match="its first window fell off the retention of metrics"):
        beginning_of(live.sent[0].said.cut, [None])


def test_what_fell_off_retention_is_said():
    """Rows that the monitor had read, of any input; not those that it had not come to, nor those from before it."""
    logs, _ = shifted()
    start, _ = second_life(logs)
    cut_off = kept(logs, {("shop.predictions", 0): 240})

    require_held(start, ends(logs), kept(logs, {("shop.predictions", 0): 201}))
    require_held(start, start.offsets, cut_off)
    with pytest.raises(
        StateError, match=r"shop.predictions/0 begins at offset 240, but the monitor had read it from 201 on: .* fell"
    ):
        require_held(start, ends(logs), cut_off)


# -- comparing -----------------------------------------------------------------------------------------------------

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(TREES)
def test_a_tree_does_not_differ_from_itself(tree):
    """Nor from its copy through JSON."""
    assert list(differences(tree, json.loads(json.dumps(tree)))) == []


EXACT = st.recursive(
    st.booleans() | st.integers(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=5,
)


@given(EXACT, EXACT)
def test_trees_without_fractions_do_not_differ_exactly_where_they_are_equal(one, other):
    """As JSON: true is not 1. Null and absent are the same."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (not list(differences(one, other))) == same


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("$.title", lambda alert: alert.update(title="another")),
        ("$.cut.offsets.shop.predictions/0", lambda alert: alert["cut"]["offsets"].update({"shop.predictions/0": 1})),
        ("$.subjects[0].since_ms", lambda alert: alert["subjects"][0].update(since_ms=1)),
        ("$.report", lambda alert: alert.pop("report")),
        ("$.new", lambda alert: alert.update(new=1)),
        ("$.version", lambda alert: alert.update(version=alert["version"] + 1)),
    ],
)
def test_any_field_that_was_changed_is_named(path, change):
    """At the top and below, changed, gone or new."""
    _, live = shifted()
    forged = copy.deepcopy(live.alerts[0])
    change(forged)

    assert [each.path for each in differences(live.alerts[0], forged)] == [path]


def test_last_digits_do_not_count_and_digits_before_them_do():
    """Statistics over texts depend on the process in their last bit."""
    assert list(differences(0.1, 0.1 + 1e-12)) == []
    assert list(differences(0.1, 0.1 + 1e-7)) == [Difference(path="$", sent=0.1, replayed=0.1 + 1e-7)]
    assert list(differences(10**15, 10**15 + 1)) != []  # whole numbers are exact


def test_the_alert_of_the_same_id_is_the_one_to_compare_with_else_the_nearest():
    """By rows, of the same phase."""
    _, live = shifted()
    sent = live.sent[0]
    found = [Found(alert=each, at_ms=0) for each in live.alerts]

    assert nearest(sent, found) is found[0]
    moved = [Found(alert=each.alert | {"id": "other"}, at_ms=0) for each in found]
    assert nearest(sent, moved) is moved[0]
    assert nearest(sent, []) is None


def told(incident, phase, at_ms):
    return Found(alert={"id": f"{incident}/{phase}", "incident": incident, "phase": phase}, at_ms=at_ms)


def test_incidents_that_overlap_stand_side_by_side():
    """One that is open lasts for ever; one without a partner stands alone; the order is that of time."""
    sent = incidents([told("a", "started", 10), told("a", "recovered", 20), told("a", "recovered", 20),
                      told("b", "started", 50)])  # fmt: skip
    now = incidents([told("x", "started", 30), told("x", "recovered", 40), told("y", "started", 60)])

    pairs = side_by_side(sent, now)

    names = [tuple(one.alerts[0].alert["incident"] if one else None for one in pair) for pair in pairs]
    assert names == [("a", None), (None, "x"), ("b", "y")]
    assert len(sent[0].alerts) == 2


# -- injecting -----------------------------------------------------------------------------------------------------


def injected(text, logs=None, after=600):
    logs = logs or rows(COUNT)
    return InjectedLogs(config(), kept(logs), Injection.parse(text), starts(logs), ends(logs), after)


def test_an_injected_change_is_told_and_began_where_it_was_put():
    """A shift of three spreads in rows that were stable: one alert, about that feature, since about that row."""
    logs = rows(COUNT)
    changed = injected("shift:x:3")

    replayed = replay(config(), changed, began(logs), barriers(Live(logs)), ends(logs))

    assert changed.begins_ms == 1_000 + 10 * 600
    assert replayed.alerts[0].alert["phase"] == "started"
    assert [each["subject"] for each in replayed.alerts[0].alert["subjects"]] == ["feature:x"]
    assert changed.begins_ms < replayed.alerts[0].at_ms


@pytest.mark.parametrize(
    ("text", "role"),
    [("shift:x:1", "predictions"), ("shift:n:1", "predictions"), ("missing:city:0.3", "predictions"),
     ("birth:city:0.3", "predictions"), ("death:city:0.3", "predictions"), ("correlation:x+n:0.9", "predictions"),
     ("swap:label:0.4", "examples")],
)  # fmt: skip
def test_only_rows_behind_the_beginning_change_and_only_in_their_topic(text, role):
    """Bytes before it and in other topics are as recorded; behind it some are not, and all can still be read."""
    logs = rows(COUNT)
    changed = injected(text, logs)

    for place, recorded in logs.items():
        found = list(changed.read(place, 0, len(recorded)))
        assert [row.offset for row in found] == [row.offset for row in recorded]
        differs = [row.timestamp for row, before in zip(found, recorded, strict=True) if row.value != before.value]
        if place[0] != f"shop.{role}":
            assert not differs
            continue
        assert min(differs) >= changed.begins_ms
        assert len(differs) > 50
    live = Live({place: list(changed.read(place, 0, len(log))) for place, log in logs.items()})
    assert live.watch.delays.counts == {"predictions": COUNT, "examples": COUNT, "corrections": 0}


def test_whole_numbers_stay_whole_on_the_wire_also_beside_missing_ones():
    """A feature of kind integer that were no integer any more would not be read."""
    logs = rows(COUNT)
    place = ("shop.predictions", 0)
    bare = json.loads(logs[place][3].value)
    del bare["features"]["n"]
    logs[place][3] = logs[place][3]._replace(value=json.dumps(bare).encode())

    features = [json.loads(row.value)["features"] for row in injected("shift:n:0.3", logs).read(place, 0, 750)]

    assert all(isinstance(each["n"], int) for number, each in enumerate(features) if number != 3)
    assert "n" not in features[3]


def test_a_change_read_in_parts_is_the_change_read_whole():
    """Where a replay begins to read, and in which pieces, moves no draw."""
    logs, place = rows(COUNT), ("shop.predictions", 1)
    changed = injected("missing:x:0.3", logs)

    whole = [row.value for row in changed.read(place, 0, 750)]

    assert whole == [row.value for part in ((0, 333), (333, 340), (340, 750)) for row in changed.read(place, *part)]


@pytest.mark.parametrize(
    ("text", "after", "says"),
    [
        ("shift:city:1", 600, "--inject shift must name a column that is integer or numeric, got city"),
        ("birth:x:0.1", 600, "--inject birth must name a column that is categorical"),
        ("shift:q:1", 600, "--inject shift must name one of x, n, city"),
        ("shift:x:1", 1500, "--inject-after must be less than the predictions there are, 1,500, got 1,500"),
    ],
)
def test_a_change_that_cannot_happen_is_refused(text, after, says):
    """In the words of the option."""
    with pytest.raises(ConfigError, match=says):
        injected(text, after=after)


def test_keys_of_cuts_are_places():
    """As everywhere on the wire."""
    assert key_of(("shop.predictions", 3)) == "shop.predictions/3"
    assert REFERENCE < SHIFT < COUNT
