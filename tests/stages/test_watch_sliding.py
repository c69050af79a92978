"""Windows against the rows right before them: the very rows, as Evidently counts them, and what it does to alerts."""

import random

import msgspec
from evidently_oracle import bits, evidently
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
from watch_stream import REFERENCE, SLIDE, WINDOW, stream, watched

from drift.reference import Reference
from streams.stages.watch_settings import watched_columns


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
