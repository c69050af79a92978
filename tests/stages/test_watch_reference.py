"""What windows are compared with, of every kind but the sliding one, and what it does to alerts; restarts of all."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_kinds import (
    FEATURES,
    changed,
    columns_of,
    first_seen,
    number_of,
    of_kind,
    predictions,
    taken_below,
    x_of,
)
from watch_stream import CHANGED, COARSE, DRIFT, REFERENCE, SLIDE, WINDOW, Told, config, feed, stream, watched

from drift.reference import Reference
from streams.stages.watch import Watch
from streams.stages.watch_settings import watched_columns
from streams.stages.watch_state import WatchState, load_watch, pack_watch
from streams.state.outbox import Outbox

MOVING = ("sliding", "reservoir", "seasonal")


# -- reservoir -----------------------------------------------------------------------------------------------------


def test_a_reservoir_is_a_sample_of_all_rows_before_the_window():
    """Of every row with the same chance: the later windows' references reach from the first rows to the latest."""
    logs = changed(
        stream(1_400),
        lambda said: msgspec.structs.replace(said, features=said.features | {"y": float(number_of(said))}),
    )
    told = watched(logs, of_kind("reservoir", alert_on=["loss"]))
    last = told.report

    rows = sorted(last.reference.columns["feature:y"].tolist())
    assert len(rows) == REFERENCE
    assert rows[0] < 100
    assert 1_400 - WINDOW - 100 < rows[-1] < 1_400 - WINDOW
    assert len({window["reference"] for window in told.read("metrics")}) > 40


def test_a_reservoir_holds_still_in_an_incident_and_alarms_as_the_first_rows_do():
    """What the budget watches from is the same pool of all rows, so the alerts come at the same rows."""
    sampled, first = (watched(stream(1_000, shift=500), of_kind(kind)) for kind in ("reservoir", "first"))
    within = [window["reference"] for window in sampled.read("metrics") if window["incident"]]

    assert len(within) > 3
    assert len(set(within)) == 1
    assert [alert["cut"] for alert in sampled.read("alerts")] == [alert["cut"] for alert in first.read("alerts")]
    assert sampled.read("alerts")[0]["subjects"][0]["value"] > 0.5


def test_a_reservoir_depends_on_the_pipeline_s_name_alone():
    """The same logs and name keep the same rows, another name others."""
    one, again = (watched(stream(700), of_kind("reservoir")).metrics for _ in range(2))
    other = of_kind("reservoir").model_copy(update={"name": "shop2", "topics": of_kind("reservoir").topics})
    another = watched(stream(700), other).read("metrics")[-1]["reference"]

    assert one == again
    assert msgspec.json.decode(one[-1])["reference"] != another


# -- seasonal ------------------------------------------------------------------------------------------------------


def seasonal(shift=10**9):
    """One feature goes up and down by three within 240 rows, and is two higher from a row on."""

    def change(said):
        number = number_of(said)
        season = 3.0 if number % 240 < 120 else -3.0
        x = said.features["x"] + season + (2 if number >= shift else 0)
        return msgspec.structs.replace(said, features=said.features | {"x": x})

    return change


def test_a_window_is_compared_with_rows_of_its_own_phase():
    """Day with day and night with night: no effect, where the first rows, day and night, make one of every window."""
    logs = changed(stream(1_900), seasonal())
    windows = {
        kind: [x_of(window) for window in watched(logs, settings).read("metrics")[20:]]
        for kind, settings in (
            ("seasonal", of_kind("seasonal", window_rows=50)),
            ("first", of_kind("first", rows=240, window_rows=50)),
        )
    }

    far = {kind: [each["statistics"]["ks_distance"] for each in found] for kind, found in windows.items()}
    assert sum(distance > 0.4 for distance in far["first"]) > 0.6 * len(far["first"])
    assert sum(distance > 0.4 for distance in far["seasonal"]) < 0.1 * len(far["seasonal"])


def test_a_change_of_a_season_is_seen_in_its_own_phase():
    """Two deviations more, hidden in the season for whoever looks at all rows."""
    told = watched(changed(stream(1_900), seasonal(1_500)), of_kind("seasonal", window_rows=50))
    before, after = ([], [])
    for window in told.read("metrics")[10:]:
        (before if taken_below(window) <= 1_500 else after).append(x_of(window)["statistics"]["ks_distance"])

    assert max(after[2:8]) > 0.5
    assert sorted(after[2:8])[3] > 2 * sorted(before)[len(before) // 2]


def test_a_phase_that_has_not_been_seen_is_not_judged():
    """The first rows are half a period: the other half has nothing to be compared with, and nothing is made up."""
    settings = config(
        reference={"kind": "seasonal", "rows": 240}, period="480 rows", rows_min=10, window_rows=50, slide_rows=25
    )
    windows = watched(stream(1_100), settings).read("metrics")
    unseen = [window for window in windows if 240 + 50 <= taken_below(window) <= 480]
    known = [window for window in windows if 480 + 50 <= taken_below(window) <= 700]

    assert unseen
    for window in unseen:
        assert {column["verdict"] for column in window["columns"] if "budget" not in column} == {"not_enough_data"}
        assert x_of(window)["reference_rows"] == 0
    assert all(x_of(window)["reference_rows"] >= 10 for window in known)


# -- after a retrain request, after a promotion -------------------------------------------------------------------


def test_a_retrain_request_begins_a_reference():
    """At the first window after it: the incident is over, and the next rows are what is normal."""
    logs, settings = stream(1_400, shift=500), of_kind("retrain", rebase_after_rows=0)
    told, first = watched(logs, settings), watched(logs, of_kind("first", rebase_after_rows=0))
    [request] = told.read("requests")
    started, recovered = told.read("alerts")
    at, over = taken_below(request), taken_below(recovered)
    references = list(dict.fromkeys(window["reference"] for window in told.read("metrics")))

    assert (started["phase"], recovered["phase"], recovered["reason"]) == ("started", "recovered", "rebased")
    assert at <= over <= at + SLIDE
    assert len(references) == len(told.objects) == 2
    kinds = watched_columns(FEATURES, "binary").kinds
    fresh = predictions(logs)[over : over + REFERENCE]
    assert references[1] == Reference.from_rows(kinds, map(columns_of, fresh)).digest
    assert [alert["phase"] for alert in first.read("alerts")] == ["started"]


def test_requests_on_schedule_begin_references_too():
    """One that comes while rows are collected begins the collection anew."""
    settings = of_kind("retrain").model_copy(
        update={"retrain": config().retrain.model_copy(update={"every_examples": 150})}
    )
    told = watched(stream(1_000), settings)

    assert len(told.requests) > 3
    assert told.metrics == []


def promoting(row):
    """Another model serves from a row on; on partition 1 a hundred rows later."""

    def change(said):
        served = number_of(said) >= row + 100 * (number_of(said) % 2)
        return msgspec.structs.replace(said, model="challenger" if served else "champion")

    return change


def test_a_promotion_begins_a_reference_at_its_row():
    """The first prediction by another model is the first row; that other partitions follow later is no news."""
    logs = changed(stream(900), promoting(500))
    told = watched(logs, of_kind("promotion"))
    windows = told.read("metrics")
    kinds = watched_columns(FEATURES, "binary").kinds
    expected = [
        Reference.from_rows(kinds, map(columns_of, predictions(logs)[start : start + REFERENCE])).digest
        for start in (0, 500)
    ]

    assert list(dict.fromkeys(window["reference"] for window in windows)) == expected
    assert first_seen(told)[expected[1]] == 500 + REFERENCE + SLIDE
    assert told.alerts == []


def test_a_promotion_while_rows_are_collected_begins_anew():
    """No row of the model before is in the reference."""
    logs = changed(stream(500), promoting(100))
    told = watched(logs, of_kind("promotion"))
    first = predictions(logs)[100 : 100 + REFERENCE]

    [path] = told.objects
    assert path.endswith(
        Reference.from_rows(watched_columns(FEATURES, "binary").kinds, map(columns_of, first)).digest + ".obj"
    )


def test_a_promotion_is_none_of_other_kinds_affairs():
    """Who compares with the first rows goes on comparing with them."""
    told = watched(changed(stream(900), promoting(500)), of_kind("first"))

    assert len(told.objects) == 1
    assert len(told.metrics) == (900 - REFERENCE) // SLIDE


# -- all of them ---------------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.sampled_from((1, 3, 40, 150, 700)), st.booleans()), min_size=1, max_size=25)
SETTINGS = {
    kind: COARSE.model_copy(
        update={"drift": of_kind(kind, slide_rows=50, rebase_after_rows=150).drift},
    )
    for kind in (*MOVING, "retrain", "promotion")
}
LOGS = dict.fromkeys(SETTINGS, CHANGED) | {"promotion": changed(stream(1_000, shift=400), promoting(650))}
WHOLE = {kind: watched(LOGS[kind], settings) for kind, settings in SETTINGS.items()}


@pytest.mark.parametrize("kind", SETTINGS)
@settings(deadline=None, max_examples=8)
@given(STEPS)
def test_steps_and_restarts_anywhere_change_no_word(kind, steps):
    """Dump and load at any point, steps of any size: the same windows, alerts, requests, references and report."""
    told, whole = watched(LOGS[kind], SETTINGS[kind], steps), WHOLE[kind]

    assert whole.metrics
    assert whole.alerts
    assert told.words() == whole.words()
    assert list(told.objects) == list(whole.objects)
    assert told.report.reference.digest == whole.report.reference.digest


@pytest.mark.parametrize("kind", SETTINGS)
def test_restarts_all_along_the_way_change_no_word(kind):
    """After every second step that took rows, from the first row to the last; what is owed then is begun anew."""
    settings, logs, whole = SETTINGS[kind], LOGS[kind], WHOLE[kind]
    watch, told, steps = feed(Watch(settings), logs), Told(), 0
    while (seen := watch.step(20)) is not None:
        told.take(seen)
        steps += seen.rows > 0
        if seen.rows and steps % 2:
            watch = feed(load_watch(settings, told, pack_watch(WatchState(watch, Outbox(), {}), 1)).watch, logs)

    assert steps > 40
    assert told.words() == whole.words()
    assert list(told.objects) == list(whole.objects)


def test_each_kind_says_what_windows_are_compared_with():
    """In words, on every window."""
    words = {kind: told.read("metrics")[0]["budget"]["reference"] for kind, told in WHOLE.items()}

    assert len(set(words.values())) == len(words)
    assert words["retrain"] == f"the {REFERENCE:,} events after the last retrain request"
    assert DRIFT["reference"]["rows"] == REFERENCE
