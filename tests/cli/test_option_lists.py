"""Options that commands share: written once, so they cannot come apart."""

import pytest
from typer.main import get_command

from streams.cli import alerts, produce, retrain_requests


def options(app, name=None):
    """Every parameter of a command: its names, and what its help says."""
    command = get_command(app) if name is None else get_command(app).commands[name]
    return {tuple(parameter.opts): parameter.help for parameter in command.params if parameter.name != "help"}


def test_both_subscriptions_take_the_same_options():
    """Who can ask for alerts can ask for retrain requests."""
    assert options(alerts.app) == options(retrain_requests.app)
    assert {("--follow", "-f"), ("--since",), ("--last", "-n"), ("--json",), ("--config", "-c")} <= set(
        options(alerts.app)
    )


@pytest.mark.parametrize(("name", "more"), [("labels", {("--label",)}), ("events", {("--label",), ("--label-delay",)})])
def test_labels_and_events_are_produced_as_features_are(name, more):
    """Each side adds what only it needs."""
    features, other = options(produce.app, "features"), options(produce.app, name)

    assert ("--rate",) in features
    assert set(other) - set(features) == more
    assert {names: other[names] for names in features} == features
