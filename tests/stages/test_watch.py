"""Watch: windows cut by rows, one incident for one change, and the same words however the rows come."""

import random
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_world import Row

from streams.config import Config
from streams.messages import Example, Output, Prediction, encode
from streams.stages.watch import Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch, reference_path
from streams.state.outbox import Outbox

REFERENCE, WINDOW, SLIDE, DELAY = 200, 100, 25, 7
"""Rows of the reference, of a window, between two windows, and between an event and its label."""
TURN = 1_300
"""Row at which the answers turn: the level of the loss wants a thousand examples before it."""
DRIFT = {
    "reference": {"rows": REFERENCE},
    "window_rows": WINDOW,
    "slide_rows": SLIDE,
    "rows_min": 50,
    "windows_min": 2,
    "windows_quiet": 3,
    "rebase_after_windows": 8,
    "feature_detectors": {"x": ["adwin"]},
}


def config(**drift):
    return Config.model_validate(
        {
            "name": "shop",
            "topics": {"partitions": 2},
            "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
            "features": {"x": "numeric", "y": "numeric", "city": "categorical"},
            "models": {"candidates": {"champion": {"model": "gaussian_nb"}}},
            "drift": DRIFT | drift,
            "retrain": {"examples_min": 50},
        }
    )


CONFIG = config()


def probabilities(share):
    return {"no": 1 - share, "yes": share}


def prediction(number, source, chance, *, shifted):
    x = chance.gauss(3 if shifted else 0, 1)
    share = chance.uniform(0, 1)
    return Prediction(
        id=f"e{number}",
        features={"x": x, "y": chance.gauss(0, 1), "city": chance.choice(("Bern", "Thun"))},
        prediction="yes" if share > 0.5 else "no",
        probabilities=probabilities(share),
        model="champion",
        version=number // 10,
        candidates={"no_change": Output("no"), "prior": Output("no", probabilities(0.4))},
        source=source,
        event_ms=1_000 + 10 * number,
    )


def example(said, offset, right):
    other = "no" if said.prediction == "yes" else "yes"
    return Example(
        id=said.id,
        label=said.prediction if right else other,
        label_source=(0, offset),
        closed=offset,
        label_ms=said.event_ms + 10 * DELAY,
        **{name: getattr(said, name) for name in ("features", "prediction", "probabilities", "model", "version")},
        candidates=said.candidates,
        source=said.source,
        event_ms=said.event_ms,
    )


@cache
def stream(rows, seed=1, shift=10**9, turn=10**9):
    """Logs of predictions 0, 1 and of examples: x moves by three at row `shift`, answers are wrong from `turn` on."""
    chance, logs = random.Random(seed), ([], [], [])
    made = []
    for number in range(rows + DELAY):
        ms = 1_000 + 10 * number
        if number < rows:
            log = logs[number % 2]
            made.append(prediction(number, len(log), chance, shifted=number >= shift))
            log.append(Row(len(log), ms, b"k", encode(made[-1])))
        if number >= DELAY:
            said = made[number - DELAY]
            right = chance.random() < (0.9 if number - DELAY < turn else 0.2)
            log = logs[2]
            log.append(Row(len(log), ms, b"k", encode(example(said, len(log), right))))
    return logs


def feed(watch, logs):
    for side, log in zip(watch.merge.inputs, logs, strict=True):
        side.feed(side.next, len(log), log[side.next :])
        side.end = len(log)
    return watch


class Told:
    """All that came out, as the bytes that go on the topics."""

    def __init__(self):
        self.metrics, self.alerts, self.requests, self.objects = [], [], [], {}

    def take(self, seen):
        for reference in seen.references:
            self.objects[reference_path(reference.digest)] = reference.to_bytes()
        for name in ("metrics", "alerts", "requests"):
            getattr(self, name).extend(encode(record) for record in getattr(seen, name))

    def get_object(self, path, _digest):
        return self.objects[path]

    def words(self):
        return self.metrics, self.alerts, self.requests

    def read(self, name):
        return [msgspec.json.decode(record) for record in getattr(self, name)]


def watched(logs, settings=CONFIG, steps=()):
    """What a monitor tells of these logs: by default in steps of 100, with `steps` of (limit, restart) before."""
    watch, told = feed(Watch(settings), logs), Told()
    for limit, restart in steps:
        if (seen := watch.step(limit)) is not None:
            told.take(seen)
        if restart:
            payload = pack_watch(WatchState(watch, Outbox(), {}), 1)
            watch = feed(load_watch(settings, told, payload).watch, logs)
    while (seen := watch.step(100)) is not None:
        told.take(seen)
    told.report = watch.report()
    return told


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


@pytest.mark.parametrize("rows_min", [1, 24, 25, 26, 50, 100])
def test_the_first_verdict_comes_when_the_config_says(rows_min):
    """Neither a slide earlier nor later: `millrace init` warns of files that are shorter."""
    settings = config(rows_min=rows_min)
    windows = watched(stream(600), settings).read("metrics")
    offsets = next(window["cut"]["offsets"] for window in windows if window["verdict"] != "not_enough_data")

    assert offsets["shop.predictions/0"] + offsets["shop.predictions/1"] == settings.drift.rows_to_first_verdict


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


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_covariate_shift_is_one_incident_with_the_shifted_feature_on_top(seed):
    """Told once at its start, soon after the change; over once the new data is taken as normal."""
    change = REFERENCE + 12 * SLIDE
    told = watched(stream(change + 40 * SLIDE, seed, shift=change))
    alerts = told.read("alerts")

    assert [alert["phase"] for alert in alerts if alert["phase"] != "escalated"] == ["started", "recovered"]
    assert len({alert["incident"] for alert in alerts}) == 1
    started, recovered = alerts[0], alerts[-1]
    assert {subject["subject"] for subject in started["subjects"]} <= {"feature:x", "quality:x"}
    assert any(subject["subject"] == "feature:x" for alert in alerts for subject in alert["subjects"][:2])
    assert recovered["reason"] == "rebased"
    (window,) = [w for w in told.read("metrics") if w["cut"]["id"] == started["cut"]["id"]]
    rows = sum(offset for place, offset in window["cut"]["offsets"].items() if "predictions" in place)
    assert change < rows <= change + WINDOW + 2 * SLIDE


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_concept_change_raises_the_loss_and_asks_for_a_new_model(seed):
    """The features stay as they are: only examples can tell. One request, with the examples since the change."""
    told = watched(stream(TURN + 400, seed, turn=TURN), config(rebase_after_windows=0))
    alerts, requests = told.read("alerts"), told.read("requests")

    assert [(alert["phase"], alert["severity"]) for alert in alerts[:1]] == [("started", "critical")]
    assert alerts[0]["subjects"][0]["subject"] == "loss"
    assert len(requests) == 1
    assert requests[0]["id"] == f"{alerts[0]['incident']}/retrain"
    ((place, (first, end)),) = requests[0]["ranges"].items()
    assert place == "shop.examples/0"
    assert TURN - WINDOW < first < end <= TURN + 400
    assert requests[0]["examples"] == end - first >= 50


def test_after_so_many_windows_a_change_is_the_new_normal():
    """The incident ends, a new reference is collected from then on, and the same data raises nothing any more."""
    change = REFERENCE + 4 * SLIDE
    told = watched(stream(change + 60 * SLIDE, shift=change))
    windows, (started, *_, recovered) = told.read("metrics"), told.read("alerts")
    digests = list(dict.fromkeys(window["reference"] for window in windows))

    assert len(digests) == len(told.objects) == 2
    assert recovered["windows"] == DRIFT["rebase_after_windows"]
    assert [window["incident"] for window in windows if window["reference"] == digests[0]].count(
        started["incident"]
    ) == DRIFT["rebase_after_windows"]
    assert {window["incident"] for window in windows if window["reference"] == digests[1]} == {None}
    assert [window["window"] for window in windows] == list(range(1, len(windows) + 1))


def test_zero_windows_to_rebase_means_never():
    """The reference stays what it was."""
    told = watched(stream(1_200, shift=400), config(rebase_after_windows=0))

    assert len(told.objects) == 1
    assert told.read("metrics")[-1]["incident"] == told.read("alerts")[0]["incident"]


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
            {name: value for name, value in row.items() if name not in {"id", "cut", "incident"}}
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


def replayed(log):
    """The log as crashes leave it: after every fifty records the last twenty of them again."""
    rows = []
    for number, row in enumerate(log, 1):
        rows.append(row)
        if number % 50 == 0:
            rows += [again._replace(timestamp=row.timestamp) for again in rows[-20:]]
    return [row._replace(offset=offset) for offset, row in enumerate(rows)]


CHANGED = tuple(map(replayed, stream(TURN + 300, shift=400, turn=TURN)))
COARSE = config(slide_rows=100)
WHOLE = watched(CHANGED, COARSE)
STEPS = st.lists(st.tuples(st.sampled_from((1, 3, 40, 150, 700)), st.booleans()), min_size=1, max_size=25)


@settings(deadline=None, max_examples=15)
@given(STEPS)
def test_steps_and_restarts_anywhere_change_no_word(steps):
    """Dump and load at any point, steps of any size: the same windows, alerts, requests and report."""
    told = watched(CHANGED, COARSE, steps)

    assert all(WHOLE.words())
    assert told.words() == WHOLE.words()
    assert (told.report.labels, told.report.cut) == (WHOLE.report.labels, WHOLE.report.cut)
