"""The millrace.toml that `init` writes: complete, valid, and every commented default the one that holds."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.catalog import CATALOG
from streams.config import Config
from streams.config_file import load
from streams.template import Beginning, write_config

BEGINNING = Beginning(
    name="shop", features={"amount": "numeric", "a.b": "integer"}, task="binary", labels=(0, 1), positive=1
)


def test_the_file_loads_and_says_what_was_asked(tmp_path):
    """What is written is what will be used."""
    path = tmp_path / "millrace.toml"
    path.write_text(write_config(BEGINNING))
    config = load(path)

    assert config.name == "shop"
    assert config.features == {"amount": "numeric", "a.b": "integer"}
    assert config.target.positive == 1


def test_every_commented_setting_is_its_default(tmp_path, monkeypatch):
    """Taking away all the `#` changes nothing but the tables that are not there by default."""
    monkeypatch.setenv("KAFKA_PASSWORD", "p")
    monkeypatch.setenv("MILLRACE_WEBHOOK_URL", "https://example.org/hook")
    text = write_config(BEGINNING)
    bare = re.sub(r"(?m)^#(?! |$)", "", text)
    (tmp_path / "text.toml").write_text(text)
    (tmp_path / "bare.toml").write_text(bare)
    assert bare != text

    before, after = load(tmp_path / "text.toml"), load(tmp_path / "bare.toml")

    assert after.kafka.tls is not None
    assert after.kafka.sasl is not None
    assert after.alerts.webhook is not None
    kafka = after.kafka.model_copy(update={"tls": None, "sasl": None})
    assert after.model_copy(update={"kafka": kafka, "alerts": before.alerts}) == before


def test_every_setting_is_in_the_file():
    """A new field appears by itself: the template knows no names."""
    text = write_config(BEGINNING)

    def keys(section):
        for name, info in section.model_fields.items():
            if not info.exclude:
                yield info.alias or name

    for section in (
        Config,
        *(field.annotation for field in Config.model_fields.values() if hasattr(field.annotation, "model_fields")),
    ):
        for key in keys(section):
            assert re.search(rf"(?m)^#?\[?\b{key}\b|^# {key}:|\.{key}[.\]]", text), key


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_models_it_names_are_in_the_catalog_and_fit_the_task(task):
    """A newcomer's first worker starts."""
    labels = {"binary": (0, 1), "multiclass": ("a", "b", "c"), "regression": ()}[task]
    text = write_config(
        Beginning(
            name="x", features={"a": "numeric"}, task=task, labels=labels, positive=1 if task == "binary" else None
        )
    )
    candidates = tomllib.loads(text)["models"]["candidates"]

    assert set(candidates) == {"champion", "challenger"}
    for candidate in candidates.values():
        assert CATALOG[candidate["model"]].fits(task)


@given(st.lists(st.text(), max_size=3), st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_no_text_of_anybody_s_file_breaks_out_of_a_comment_or_a_value(notes, labels):
    """Column names and labels are other people's: line ends and quotes in them stay where they are put."""
    beginning = Beginning(
        name="x",
        features={"a": "numeric"},
        task="binary",
        labels=tuple(labels),
        positive=labels[0],
        notes={"features": tuple(notes), "": tuple(notes)},
    )
    tree = tomllib.loads(write_config(beginning))

    assert tree["target"] == {"task": "binary", "labels": labels, "positive": labels[0]}
    assert tree["features"] == {"a": "numeric"}
    assert set(tree) <= set(Config.model_fields)


def test_a_mapping_with_a_path_for_each_feature_is_a_table_of_its_own(tmp_path):
    """What `init --from TOPIC` writes for a foreign shape."""
    beginning = Beginning(
        name="x",
        features={"amount": "numeric"},
        task="regression",
        topics={"features": "orders", "partitions": 12},
        mapping={"features": {"id": "order.id", "time": "", "features": {"amount": "order.total"}}},
    )
    path = tmp_path / "millrace.toml"
    path.write_text(write_config(beginning))
    config = load(path)

    assert config.mapping.features.features == {"amount": "order.total"}
    assert config.mapping.features.id == "order.id"
    assert config.mapping.labels.id == "id"
    assert config.topics.partitions == 12
    assert config.topic("features") == "orders"
