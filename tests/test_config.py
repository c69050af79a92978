"""The configuration tree: defaults, cross-field rules, and what a changed setting asks of old state."""

import copy

import pytest
from pydantic import ValidationError

from streams.config import Config, leaves, pinned
from streams.setting import REBUILD, REFUSE, OnChange, Section

MINIMAL = {
    "name": "shop",
    "features": {"amount": "numeric"},
    "target": {"task": "binary", "labels": [0, 1], "positive": 1},
    "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
}


def config(**changes) -> Config:
    return Config.model_validate(copy.deepcopy(MINIMAL) | changes)


def test_every_setting_says_what_its_change_asks():
    """No field is left without an effect of its own: a forgotten mark would inherit the section's in silence."""
    unmarked = []

    def walk(section):
        for name, info in type(section).model_fields.items():
            if not any(isinstance(mark, OnChange) for mark in info.metadata):
                unmarked.append(f"{type(section).__name__}.{name}")
            value = getattr(section, name)
            if isinstance(value, Section):
                walk(value)

    webhook = {"url": "https://example.org"}
    walk(config(kafka={"tls": {}, "sasl": {"username": "u", "password": "p"}}, alerts={"webhook": webhook}))

    assert unmarked == []


def test_leaves_are_the_paths_and_values_of_the_file():
    """Durations, names and tables come out as a person wrote them, by the file's keys and not the fields'."""
    found = {path: value for path, _, value in leaves(config(labels={"wait": "90s"}))}

    assert found["labels.wait"] == "90s"
    assert found["target.labels"] == [0, 1]
    assert found["features"] == {"amount": "numeric"}
    assert not any(path.endswith("_ms") or path == "root" for path in found)


def test_a_harmless_change_is_not_pinned_and_others_are():
    """What a checkpoint compares ignores the broker's address and sees the label wait and the features."""
    before = pinned(config())

    assert pinned(config(kafka={"bootstrap": "elsewhere:9092"})) == before
    assert pinned(config(labels={"wait": "1h"}))["labels.wait"] == "1h"
    assert pinned(config(features={"amount": "integer"}), REFUSE) != pinned(config(), REFUSE)
    assert pinned(config(labels={"wait": "1h"}), REFUSE) == pinned(config(), REFUSE)
    assert "labels.wait" in pinned(config(), REBUILD)


def test_a_secret_is_never_in_what_is_written_down():
    """Neither the tree's text nor its leaves hold a password."""
    secret = config(state={"key": "hunter2" * 6}, kafka={"sasl": {"username": "u", "password": "hunter2"}, "tls": {}})

    assert "hunter2" not in repr(secret)
    assert "hunter2" not in repr(list(leaves(secret)))
    assert "hunter2" not in secret.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "a b"}, "must be 1 to 64 letters"),
        ({"features": {"bad name": "numeric"}}, "features must be named by"),
        ({"features": {}}, "at least 1"),
        ({"models": {"champion": "other", "candidates": {"one": {"model": "m"}}}}, "champion must be one of"),
        ({"models": {"champion": "prior", "candidates": {"prior": {"model": "m"}}}}, "not as a baseline"),
        ({"drift": {"thresholds": {"amont": 0.1}}}, r"drift.thresholds.amont must be one of the features"),
        ({"drift": {"window_rows": 100, "slide_rows": 101}}, "slide_rows must be at most window_rows"),
        ({"kafka": {"sasl": {"username": "u", "password": "p"}}}, "must set tls with sasl"),
        ({"kafka": {"tls": {"cert": "c.pem"}}}, "both cert and key"),
        ({"target": {"task": "binary", "labels": [0, 1], "positive": 2}}, "target.positive must be one of"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, problem):
    """Each cross-field rule names the setting it is about."""
    with pytest.raises(ValidationError, match=problem):
        config(**changes)


def test_credentials_without_tls_are_allowed_by_name_only():
    """`allow_plaintext_credentials` is the one way to send a password in the clear."""
    sasl = {"username": "u", "password": "p"}

    assert config(kafka={"sasl": sasl, "allow_plaintext_credentials": True}).kafka.sasl is not None
    assert config(kafka={"sasl": sasl, "tls": {}}).kafka.tls is not None


def test_topics_are_called_after_the_pipeline_unless_they_exist_already():
    """Only features and labels may be somebody else's; the rest never changes its name."""
    named = config(topics={"features": "orders"})

    assert named.topic("features") == "orders"
    assert named.topic("labels") == "shop.labels"
    assert named.topic("partitions") == "shop.partitions"


def test_a_file_of_rows_is_a_kind_of_reference_by_itself():
    """Whoever names the file need not name the kind, too; nor may another kind leave it unread."""
    assert config(drift={"reference": {"file": "rows.csv"}}).drift.reference.kind == "file"
    assert config().drift.reference.kind == "first"
    assert "drift.reference.kind" in pinned(config(), REBUILD)
