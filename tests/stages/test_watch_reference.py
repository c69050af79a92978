"""What windows are compared with, of every kind: which rows, as Evidently counts them, and what it does to alarms."""

import random

import msgspec
import pytest
from evidently_oracle import bits, evidently
from hypothesis import given, settings
from hypothesis import strategies as st
from watch_stream import CHANGED, COARSE, DRIFT, REFERENCE, SLIDE, WINDOW, config, stream, watched

from drift.reference import Reference
from streams.messages import Prediction, encode
from streams.stages.watch_settings import watched_columns

MOVING = ("sliding", "reservoir", "seasonal")
FEATURES = {"x": "numeric", "y": "numeric", "city": "categorical"}


def of_kind(kind, **drift):
    """The test pipeline with that reference; a season is 240 rows long."""
    rows = drift.pop("rows", 240 if kind == "seasonal" else REFERENCE)
    seasonal = {"period": "240 rows", "rows_min": 10} if kind == "seasonal" else {}
    return config(reference={"kind": kind, "rows": rows}, **seasonal, **drift)


def predictions(logs):
    """In the merged order."""
    rows = [(row.timestamp, partition, row) for partition, log in enumerate(logs[:2]) for row in log]
    return [msgspec.json.decode(row.value, type=Prediction) for *_, row in sorted(rows, key=lambda each: each[:2])]


def changed(logs, change):
    """The logs with each prediction passed through `change`, which is told its number."""
    found = []
    for log in logs[:2]:
        said = [msgspec.json.decode(row.value, type=Prediction) for row in log]
        found.append([row._replace(value=encode(change(each))) for row, each in zip(log, said, strict=True)])
    return (*found, logs[2])


def number_of(said):
    return int(said.id[1:])


def taken_below(window):
    """Predictions below a window's cut."""
    return sum(offset for place, offset in window["cut"]["offsets"].items() if "predictions" in place)


def first_seen(told):
    """Rows below the first window that was compared with it, by reference."""
    return {window["reference"]: taken_below(window) for window in reversed(told.read("metrics"))}


def columns_of(said):
    """As the monitor takes them."""
    return {f"feature:{name}": value for name, value in said.features.items()} | {
        "prediction": said.prediction,
        "confidence": max(said.probabilities.values()),
    }


# -- sliding -------------------------------------------------------------------------------------------------------


def with_gaps(seed, share):
    """Heavy tails, few values, and missing ones."""
    chance = random.Random(seed)

    def change(said):
        values = {"x": chance.paretovariate(1), "y": float(chance.randint(0, 25)), "city": chance.choice("abcdefg")}
        features = {name: value for name, value in values.items() if chance.random() >= share}
        return msgspec.structs.replace(said, features=features)

    return change


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from((0, 0.3)),
    st.sampled_from((50, 60, 90)),
    st.sampled_from((50, 80)),
    st.sampled_from((10, 33, 50)),
)
def test_a_sliding_reference_is_the_rows_before_the_window_and_evidently_agrees(seed, share, rows, window, slide):
    """Overlapping windows and tumbling ones: every statistic equals Evidently's own on the very rows, to the bit."""
    logs = changed(stream(280), with_gaps(seed, share))
    settings = of_kind("sliding", rows=rows, window_rows=window, slide_rows=slide)
    said = predictions(logs)
    kinds = watched_columns(FEATURES, "binary").kinds

    windows = watched(logs, settings).read("metrics")

    assert len(windows) == (280 - rows) // slide
    for told in windows:
        stop = taken_below(told)
        start = max(rows, stop - window)
        before, shown = said[start - rows : start], said[start:stop]
        assert told["rows"] == len(shown)
        assert told["reference"] == Reference.from_rows(kinds, map(columns_of, before)).digest
        for column in told["columns"]:
            if not column["subject"].startswith("feature:"):
                continue
            name = column["subject"].partition(":")[2]
            sides = [[each.features.get(name) for each in side] for side in (before, shown)]
            assert column["statistics"].keys() >= {"psi", "jensenshannon", "kl_div"}
            for statistic in column["statistics"].keys() - {"ks_distance"}:
                theirs = evidently(statistic, FEATURES[name], *sides)
                assert bits(column["statistics"][statistic]) == bits(theirs), (name, statistic)


def x_of(window):
    return next(column for column in window["columns"] if column["subject"] == "feature:x")


def test_a_change_is_seen_once_and_is_then_normal():
    """The window stands far from the rows before it, then the rows before it are like it; one incident, and it ends."""
    told = watched(stream(1_400, shift=500), of_kind("sliding"))
    distance = {taken_below(window): x_of(window)["statistics"]["ks_distance"] for window in told.read("metrics")}

    assert distance[500] < 0.35
    assert distance[500 + WINDOW] > 0.8
    assert distance[max(distance)] < 0.35
    assert [(alert["phase"], alert.get("reason", "")) for alert in told.read("alerts")] == [
        ("started", ""),
        ("recovered", "rebased"),
    ]


def test_windows_slide_on_in_an_incident_and_alerts_are_measured_against_what_was_before_it():
    """Long after the change the window is like the rows before it; the incident still tells how large the change is."""
    told = watched(stream(1_400, shift=500), of_kind("sliding", rebase_after_rows=700))
    started, recovered = told.read("alerts")
    last = [window for window in told.read("metrics") if window["incident"]][-1]

    assert x_of(last)["statistics"]["ks_distance"] < 0.35
    assert recovered["events"] == 700
    assert recovered["subjects"][0]["value"] > 0.8
    assert started["subjects"][0]["value"] > 0.5


def test_the_budget_watches_from_the_rows_before_a_window_every_so_many():
    """Each base is stored once, by its digest, and is the one of the window at which it was taken."""
    told = watched(stream(1_100), of_kind("sliding"))
    windows = first_seen(told)
    digests = [path.rpartition("/")[2].removesuffix(".obj") for path in told.objects]

    assert [windows.get(digest) for digest in digests] == [
        225,
        *(REFERENCE + moves * REFERENCE for moves in (1, 2, 3, 4)),
    ]


def test_a_slow_change_is_normal_to_a_sliding_reference_and_an_alarm_to_the_first_rows():
    """A deviation in 3,000 rows: what moves on with it never sees enough, and says so in words."""

    def creeping(said):
        features = said.features | {"x": said.features["x"] + number_of(said) / 3_000}
        return msgspec.structs.replace(said, features=features)

    logs = changed(stream(3_000), creeping)
    sliding, first = (watched(logs, of_kind(kind)) for kind in ("sliding", "first"))

    assert first.read("alerts")
    assert sliding.read("alerts") == []
    assert "a change too slow to show within so many is normal" in sliding.read("metrics")[-1]["budget"]["reference"]


def test_what_was_in_an_incident_is_in_no_base():
    """300 rows of another x, and back: the next base is taken when the rows before the window are free of them."""
    short = changed(
        stream(1_800),
        lambda said: (
            msgspec.structs.replace(said, features=said.features | {"x": said.features["x"] + 3})
            if 500 <= number_of(said) < 560
            else said
        ),
    )
    told = watched(short, of_kind("sliding", rebase_after_rows=0))
    started, recovered = told.read("alerts")
    places = first_seen(told)
    taken = [places[path.rpartition("/")[2].removesuffix(".obj")] for path in told.objects]

    over = sum(offset for place, offset in recovered["cut"]["offsets"].items() if "predictions" in place)
    assert (started["phase"], recovered["phase"], recovered["reason"]) == ("started", "recovered", "quiet")
    assert not any(500 < place < over + REFERENCE + WINDOW - SLIDE for place in taken)
    assert any(place >= over + REFERENCE for place in taken)


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


def test_each_kind_says_what_windows_are_compared_with():
    """In words, on every window."""
    words = {kind: told.read("metrics")[0]["budget"]["reference"] for kind, told in WHOLE.items()}

    assert len(set(words.values())) == len(words)
    assert words["retrain"] == f"the {REFERENCE:,} events after the last retrain request"
    assert DRIFT["reference"]["rows"] == REFERENCE
