"""What is counted a batch at a time equals what would be counted one by one."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_poison import EVENTS, LABELS
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Official

from learners.features import FeatureGuard
from streams.config import Config
from streams.errors import MessageError
from streams.observability.histogram import LATENCY_S, PAUSE_S, ROWS, WRITE_S, Histogram
from streams.observability.reasons import CLASSES, reason_class
from streams.observability.work import Work
from streams.stages.decoding import Decoding

VALUES = st.lists(st.tuples(st.floats(0, 20_000), st.integers(1, 300)), max_size=30)


@given(VALUES)
def test_a_histogram_is_prometheus_own(batches):
    """Bucket by bucket and in its sum, with each of the bounds that are used."""
    for bounds in (ROWS, LATENCY_S, PAUSE_S, WRITE_S):
        ours, registry = Histogram(bounds), CollectorRegistry()
        theirs = Official("x", "x", registry=registry, buckets=bounds)
        for value, times in batches:
            ours.observe(value, times)
            for _ in range(times):
                theirs.observe(value)
        (family,) = registry.collect()
        told = {sample.labels["le"]: sample.value for sample in family.samples if sample.name == "x_bucket"}
        assert dict(ours.buckets()) == told
        assert ours.sum == pytest.approx(next(s.value for s in family.samples if s.name == "x_sum"), rel=1e-9, abs=1e-9)


@given(st.floats(0, 4_000), st.floats(0, 4_000), st.integers(1, 500))
def test_what_is_spread_loses_nothing_and_stays_between_its_ends(one, other, times):
    """As many values as rows, none below the newest row's delay nor above the oldest's, their sum in the middle."""
    low, high = sorted((one, other))
    whole, ends = Histogram(LATENCY_S), Histogram(LATENCY_S)
    whole.spread(low, high, times)
    ends.observe(low)
    ends.observe(high)
    used = [place for place, count in enumerate(whole.counts) if count]
    bounds = [place for place, count in enumerate(ends.counts) if count]

    assert sum(whole.counts) == times
    assert bounds[0] <= used[0]
    assert used[-1] <= bounds[-1]
    assert whole.sum == pytest.approx(times * (low + high) / 2)


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_what_this_process_did_through_any_rebalance(seed):
    """A stage that comes back with another's ledger, lower or higher, neither adds nor takes away what was not done."""
    rng = random.Random(seed)
    work, ledgers, done = Work(), {}, Counter()
    for _ in range(200):
        name = f"task-{rng.randrange(3)}"
        if name not in ledgers or rng.random() < 0.2:
            ledgers[name] = Counter({word: rng.randrange(1_000) for word in "ab" if rng.random() < 0.8})
            work.follow(name, ledgers[name])
        for word in "abc":
            steps = rng.randrange(5)
            ledgers[name][word] += steps
            done[word] += steps
        assert work.counts() == done


def test_a_clock_behind_the_broker_s_is_no_negative_delay():
    """Two machines' clocks differ by milliseconds, which is what a live pipeline takes."""
    work = Work()
    work.passed(oldest_ms=1_000, newest_ms=1_010, now_ms=1_005.0, times=4)

    assert work.latency.buckets()[0] == ("0.005", 4)
    assert 0 <= work.latency.sum <= 4 * 0.005


CONFIG = Config.model_validate(
    {
        "name": "shop",
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"x": "numeric", "y": "integer"},
        "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        "input": {"unknown_features": "refuse"},
    }
)
GOOD = msgspec.json.encode({"id": "o", "features": {"x": 1.0, "y": 1}})


@given(st.one_of(EVENTS.map(lambda value: ("event", value)), LABELS.map(lambda value: ("label", value))))
def test_whatever_cannot_be_read_has_a_reason_of_a_known_kind(bad):
    """A new text in the decoding without a class here would be told as `other`."""
    what, value = bad
    with pytest.raises(MessageError) as told:
        getattr(Decoding(CONFIG), what)(b"k", value)

    assert reason_class(str(told.value)) in set(CLASSES) - {"other"}


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("tombstone", b"k", None),
        ("too_large", b"k", b" " * (CONFIG.input.event_bytes_max + 1)),
        ("not_json", b"k", b"{"),
        ("no_key", None, GOOD),
        ("shape", b"k", b'{"id": 7, "features": {}}'),
        ("shape", b"k", b"{}"),
        ("feature", b"k", b'{"id": "o", "features": {"x": "no"}}'),
        ("feature", b"k", b'{"id": "o", "features": {"y": 1.5}}'),
        ("unknown_feature", b"k", b'{"id": "o", "features": {"z": 1}}'),
    ],
)
def test_kinds_of_reasons_are_told_apart(kind, key, value):
    """As the decoding words them, not as somebody remembers."""
    with pytest.raises(MessageError) as told:
        Decoding(CONFIG).event(key, value)

    assert reason_class(str(told.value)) == kind


def test_every_feature_s_name_is_one_a_reason_can_hold():
    """What is between the dots is whatever a feature may be called."""
    name = "A.b:c-d_9"
    FeatureGuard({name: "numeric"})

    assert reason_class(f"$.features.{name} must be a number, got a string") == "feature"
    assert reason_class("$.label must be one of the 2 configured labels, got a string") == "label"
    assert reason_class("candidate tree raised ValueError in learn_one and is suspended") == "model"
    assert reason_class("$ must be an example as millrace writes them") == "no_example"
