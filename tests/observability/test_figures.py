"""What is told of a worker, a window and a page: bounded in its series, and right where the numbers are odd."""

import asyncio
import time

import msgspec
import page_records
import pytest
from offline_worker import CONFIG, OfflineWorker, events

from streams.config import Config
from streams.kafka.member_figures import member_figures
from streams.kafka.webhook import Webhook
from streams.kafka.worker_figures import CLASSES_MAX
from streams.messages import ColumnStanding
from streams.observability.families import FAMILIES, Figures
from streams.observability.found import PHASES, SEVERITIES, Found
from streams.observability.process_figures import scores
from streams.observability.view_figures import view_condition, view_figures
from streams.status import KafkaFacts
from streams.web.view import STALE_MS, View


def samples(figures):
    """(Name, label values but the pipeline's) → value."""
    found = {}
    for family in figures.families():
        for sample in family.samples:
            key = (sample.name, *(value for name, value in sample.labels.items() if name != "pipeline"))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def config(**tables):
    return Config.model_validate(CONFIG.model_dump(by_alias=True, exclude={"root"}) | tables)


def told(settings, work=lambda _worker: None, name="figures"):
    """Of a worker in which `work` has happened."""

    async def run():
        worker = OfflineWorker(f"{name}-{id(settings)}", settings)
        await asyncio.wait_for(asyncio.ensure_future(_done(work, worker)), 20)
        return samples(member_figures(worker))

    return asyncio.run(run())


async def _done(work, worker):
    result = work(worker)
    if result is not None:
        await result


async def predict(worker, count=100):
    owned = worker.own(0)
    owned.worked.follow(owned.name, owned.ledger)  # as after its restore
    owned.feed(events(owned, 0, count, 1))
    while await owned.advance():
        pass
    return owned


def test_a_worker_that_has_done_nothing_tells_noughts():
    """Series that are there from the start: a rate over the first event is right."""
    found = told(CONFIG)

    for outcome in ("predicted", "duplicate", "dead_letter"):
        assert found["millrace_events_total", outcome] == 0
    assert found["millrace_predictions_total", "yes"] == found["millrace_predictions_total", "no"] == 0
    assert found["millrace_ready",] == 0


def test_predictions_are_counted_by_class():
    """All that were made, each once."""
    found = told(CONFIG, predict)

    assert found["millrace_predictions_total", "yes"] + found["millrace_predictions_total", "no"] == 100
    assert found["millrace_events_total", "predicted"] == 100
    assert found["millrace_event_to_prediction_seconds_count",] == 100
    assert found["millrace_step_rows_sum", "task"] == 100
    assert found["millrace_stages", "task"] == 1


def test_classes_beyond_fifty_are_one_series():
    """A target of ten thousand product numbers must not make as many series."""
    labels = [f"c{number}" for number in range(CLASSES_MAX + 30)]
    many = config(target={"task": "multiclass", "labels": labels})

    def work(worker):
        worker.work["class"].follow("task-0", ledger := worker.letters.__class__())
        ledger.update(dict.fromkeys(labels, 2))
        ledger[None] += 1

    found = told(many, work)
    series = {key[1]: value for key, value in found.items() if key[0] == "millrace_predictions_total"}

    assert len(series) == CLASSES_MAX + 2
    assert series["others"] == 60
    assert series["none"] == 1
    assert sum(series.values()) == 2 * len(labels) + 1


def test_numbers_are_no_classes():
    """Each prediction of a regression is another number: one series for all."""
    regression = config(
        target={"task": "regression"}, models={"candidates": {"champion": {"model": "linear_regression"}}}
    )
    found = told(regression, predict)

    assert {key: value for key, value in found.items() if key[0] == "millrace_predictions_total"} == {
        ("millrace_predictions_total", "*"): 100
    }


def test_a_followed_model_is_behind_since_it_learnt_last_and_as_far_as_the_log():
    """Another worker learns: what this one knows of the log are its own examples, acknowledged or on their way."""

    def work(worker):
        followed = worker.followed[0]
        followed.version, followed.learnt_at = 40, time.monotonic() - 5
        worker.examples_ends[0] = 90
        acknowledged = worker.examples_emitted(worker.own(0), 25)
        acknowledged(90, 10)
        acknowledged(-1, 10)  # a retried batch, answered without its offset: it lies behind the first one

    found = told(CONFIG, work)

    assert found["millrace_model_version", "0", "followed"] == 40
    assert found["millrace_model_staleness_examples", "0"] == 75
    assert 5.0 <= found["millrace_model_staleness_seconds", "0"] < 60.0


def column(subject, value, verdict="stable", statistic="ks_distance", threshold=0.1):
    return page_records.column(
        subject, verdict=verdict, statistic=statistic, threshold=threshold, statistics={statistic: value}
    )


def window(*columns, **changed):
    """With one undefined score and one delay that is not known."""
    quality = {"champion": {"accuracy": 0.75, "auc": None, "examples": 9}, "prior": {"accuracy": 0.5}}
    labels = {"coverage": 0.5, "delay_ms": {"p50": 250.0, "p99": None}}
    base = {"columns": list(columns), "quality": quality, "labels": labels, "to_ms": 9_000, "verdict": "drift"}
    return page_records.window(**base | changed)


def shown(found, settings=CONFIG):
    figures = Figures("shop")
    found.counted(figures)
    found.shown(settings, figures)
    return samples(figures)


def test_a_window_is_told_with_its_scores_by_role():
    """A score without its baseline says nothing; what is not defined is left out."""
    found = Found()
    found.take([window(column("feature:x", 0.3))], [], [])
    told = shown(found)

    assert told["millrace_window_score", "champion", "champion", "accuracy"] == 0.75
    assert told["millrace_window_score", "prior", "baseline", "accuracy"] == 0.5
    assert not any(key[-1] in {"auc", "examples"} for key in told)
    assert told["millrace_label_delay_seconds", "50"] == 0.25
    assert ("millrace_label_delay_seconds", "99") not in told
    assert told["millrace_window_end_timestamp_seconds",] == 9.0


def test_features_beyond_the_bound_are_counted_and_the_strongest_is_told_whoever_it_is():
    """Ten thousand features make two series at `metrics.features_max` of 2; drift in the last one still shows."""
    features = {f"f{number}": "numeric" for number in range(100)}
    few = config(features=features, metrics={"features_max": 2})
    columns = [column(f"feature:{name}", 0.05) for name in list(features)[:-1]]
    columns += [
        column("feature:f99", 0.4, "drift"),
        column("prediction", 0.02),
        column("feature:f98", 9.0, "not_enough_data"),
    ]
    found = Found()
    found.take([window(*columns)], [], [])
    told = shown(found, few)

    subjects = {key[1] for key in told if key[0] == "millrace_drift_statistic"}
    assert subjects == {"feature:f0", "feature:f1", "prediction"}
    assert told["millrace_drift_strength_max",] == pytest.approx(4.0)
    assert told["millrace_drift_columns", "drift"] == 1
    assert told["millrace_drift_columns", "stable"] == 100
    assert told["millrace_drift_columns", "not_enough_data"] == 1


def test_columns_that_can_raise_an_alarm_are_told_apart_from_those_that_cannot():
    """A reference that wanders promises nothing: what is only shown is not counted at all."""
    holds, not_ = ColumnStanding("budget holds", holds=True), ColumnStanding("observe only", holds=False)
    columns = [page_records.column(f"feature:{number}", budget=holds) for number in range(3)]
    columns += [page_records.column("feature:w", budget=not_), page_records.column("prediction")]
    base = page_records.window()
    found = Found()
    found.take([window(*columns, budget=msgspec.structs.replace(base.budget, loss=not_))], [], [])
    told = shown(found)

    assert told["millrace_drift_watched_columns", "true"] == 3
    assert told["millrace_drift_watched_columns", "false"] == 2


def test_a_p_value_is_strong_when_it_is_small():
    """Value over threshold would call the clearest drift the weakest."""
    found = Found()
    found.take([window(column("feature:x", 0.001, "drift", "ks", 0.05))], [], [])

    assert shown(found)["millrace_drift_strength_max",] == pytest.approx(50.0)


def test_alerts_are_counted_by_phase_and_severity_from_nought():
    """Every pair is there before the first alert, or its rate would miss it."""
    found = Found()
    before = shown(found)
    alert = page_records.alert(phase="started", severity="critical")
    found.take([], [alert], [])

    assert sum(key[0] == "millrace_alerts_total" for key in before) == len(PHASES) * len(SEVERITIES)
    assert shown(found)["millrace_alerts_total", "started", "critical"] == 1


def test_scores_that_are_no_numbers_are_left_out():
    """Undefined ones, tables by class, counts."""
    report = {"champion": {"window": {"accuracy": 1, "f1": None, "auc": float("nan"), "by_class": {}, "examples": 4}}}

    assert list(scores(CONFIG, report)) == [("champion", "champion", "accuracy", 1.0)]


def test_a_page_that_has_read_nothing_is_not_ready_and_tells_what_it_knows():
    """No Kafka yet: no lag of nought, no members of nought, nothing invented."""
    view = View(CONFIG)
    told = samples(view_figures(view, 1_000, 3))

    assert told["millrace_kafka_answers",] == told["millrace_ready",] == 0
    assert told["millrace_pages_open",] == 3
    assert not any(key[0] in {"millrace_group_lag_records", "millrace_group_members"} for key in told)


def test_a_page_is_ready_while_kafka_answers():
    """Loaded and fresh; then Kafka falls silent, or says that it is lost."""
    view = View(CONFIG)
    view.loaded = True
    view.heard(KafkaFacts(), 10_000)
    fresh = view_condition(view, 10_000 + STALE_MS).ready
    stale = view_condition(view, 10_001 + STALE_MS).ready
    view.lost("gone")

    assert (fresh, stale, view_condition(view, 10_000).ready) == (True, False, False)


def test_a_webhook_tells_all_that_the_table_says_it_does():
    """From the start, at nought; unready until the group has said whose turn it is."""
    settings = config(alerts={"webhook": {"url": "http://127.0.0.1:9/"}})
    found = samples(Webhook(settings).figures())

    assert {key[0] for key in found} == {name for name, family in FAMILIES.items() if "webhook" in family.said_by}
    assert found["millrace_webhook_alerts_total", "dead_letter"] == found["millrace_ready",] == 0
