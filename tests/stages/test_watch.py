"""Watch: windows cut by rows, and the same words however the rows come."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_world import Row
from watch_stream import CHANGED, COARSE, CONFIG, DELAY, REFERENCE, SLIDE, WINDOW, feed, stream, watched

from streams.messages import Example, encode
from streams.stages.watch import Watch

WHOLE = watched(CHANGED, COARSE)


def test_windows_are_cut_by_rows():
    """After the reference one every so many predictions, each over the last rows and named by where it was cut."""
    windows = watched(stream(600)).read("metrics")

    assert [window["window"] for window in windows] == list(range(1, (600 - REFERENCE) // SLIDE + 1))
    assert [window["rows"] for window in windows[:5]] == [25, 50, 75, 100, 100]
    for number, window in enumerate(windows, 1):
        offsets = window["cut"]["offsets"]
        assert offsets["shop.predictions/0"] + offsets["shop.predictions/1"] == REFERENCE + number * SLIDE
    assert len({window["id"] for window in windows}) == len(windows)
    assert windows[0]["verdict"] == "not_enough_data"
    assert windows[0]["columns"][0]["reference_rows"] == REFERENCE


def test_the_first_window_comes_when_the_config_says():
    """Neither a row earlier nor later: `millrace init` warns of files that are shorter."""
    window = watched(stream(600)).read("metrics")[0]
    offsets = window["cut"]["offsets"]

    assert offsets["shop.predictions/0"] + offsets["shop.predictions/1"] == CONFIG.drift.rows_to_first_verdict


def test_a_window_says_how_good_the_model_was_and_how_labels_come():
    """From the predictions as they were served, beside the baselines; delays in the time of the records."""
    window = watched(stream(600)).read("metrics")[-1]

    assert set(window["quality"]) == {"champion", "no_change", "prior"}
    assert 0.8 < window["quality"]["champion"]["accuracy"] < 1
    assert window["labels"]["delay_ms"] == {"p50": 70.0, "p90": 70.0, "p99": 70.0}
    assert window["labels"]["coverage"] == pytest.approx((WINDOW - DELAY) / WINDOW, abs=0.011)


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_stream_that_stays_as_it_is_raises_nothing(seed):
    """Not one alert in forty windows."""
    told = watched(stream(REFERENCE + 40 * SLIDE, seed))

    assert (len(told.metrics), told.alerts, told.requests) == (40, [], [])


def test_a_prediction_or_example_said_twice_counts_once():
    """After a crash the log may hold one event's prediction, or one label's example, again: the first one counts."""
    first, second, examples = stream(500, shift=300)
    log = [row for row in first for _ in range(2)]
    log = [row._replace(offset=offset) for offset, row in enumerate(log)]
    more = [row for row in examples for _ in range(3)]
    more = [row._replace(offset=offset) for offset, row in enumerate(more)]
    once, twice = watched((first, second, examples)), watched((log, second, more))

    def without_cut(told):
        return [
            {name: value for name, value in row.items() if name not in {"id", "cut", "incident", "told"}}
            for row in told.read("metrics")
        ]

    assert without_cut(twice) == without_cut(once)
    assert [alert["title"] for alert in twice.read("alerts")] == [alert["title"] for alert in once.read("alerts")]


def test_a_correction_changes_no_score():
    """It is counted beside the examples."""
    first, second, examples = stream(400)
    fields = msgspec.json.decode(examples[50].value, type=Example)
    changed = msgspec.structs.replace(fields, kind="correction", label_source=(0, 9_999), label_before=fields.label)
    row = examples[-1]._replace(offset=len(examples), value=encode(changed))
    window = watched((first, second, [*examples[:60], row._replace(offset=60, timestamp=examples[59].timestamp)]))
    plain = watched((first, second, examples[:60]))

    assert window.read("metrics")[-1]["labels"]["corrections"] == 1
    assert window.read("metrics")[-1]["quality"] == plain.read("metrics")[-1]["quality"]


def test_a_strangers_records_are_passed_over():
    """Unreadable, of other types, of a label nobody configured: the windows are the same."""
    first, second, examples = stream(400)
    last = msgspec.json.decode(examples[-1].value)
    said = msgspec.json.decode(first[-1].value)
    alien = [b"{", None, b"[]", encode({"id": "e"}), encode(said | {"features": {"x": "a"}, "source": 9_999})]

    def among(log, *strange):
        mixed = [*strange, *(row.value for row in log)]
        return [Row(n, log[max(0, n - len(strange))].timestamp, b"k", value) for n, value in enumerate(mixed)]

    strange = encode(last | {"label": "maybe", "label_source": [0, 9_998]})
    plain = watched((first, second, examples))
    mixed = watched((among(first, *alien), second, among(examples, *alien, strange)))

    for ours, theirs in zip(plain.read("metrics"), mixed.read("metrics"), strict=True):
        assert [ours[name] for name in ("rows", "columns", "quality", "labels")] == [
            theirs[name] for name in ("rows", "columns", "quality", "labels")
        ]


def test_a_step_takes_rows_or_does_a_piece_of_what_is_owed():
    """A reference is qualified and a window is shown between two rows, each in many small steps, each at its row."""
    watch, pieces = feed(Watch(CONFIG), stream(600)), {}
    while (seen := watch.step(1_000)) is not None:
        assert not (seen.metrics and seen.rows)
        taken = sum(offset for place, offset in watch.offsets().items() if "predictions" in place)
        pieces[taken] = pieces.get(taken, 0) + (seen.rows == 0)

    windows = range(REFERENCE + SLIDE, 600 + 1, SLIDE)
    assert pieces[REFERENCE] > 10
    assert [pieces[row] for row in windows[1:]] == [pieces[windows[1]]] * (len(windows) - 1)
    assert pieces[windows[1]] > 2


STEPS = st.lists(st.tuples(st.sampled_from((1, 3, 40, 150, 700)), st.booleans()), min_size=1, max_size=25)


@settings(deadline=None, max_examples=15)
@given(STEPS)
def test_steps_and_restarts_anywhere_change_no_word(steps):
    """Dump and load at any point, steps of any size: the same windows, alerts, requests and report."""
    told = watched(CHANGED, COARSE, steps)

    assert all(WHOLE.words())
    assert told.words() == WHOLE.words()
    assert (told.report.labels, told.report.cut) == (WHOLE.report.labels, WHOLE.report.cut)
