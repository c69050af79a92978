"""Options that commands share: written once, so they cannot come apart."""

import pytest
from typer.main import get_command

from streams.cli import alerts, dashboard, drift, incidents, monitor, produce, retrain_requests, webhook, worker


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


def test_whatever_runs_until_it_is_stopped_takes_the_same_options():
    """A unit file for one is a unit file for all; the dashboard adds what only it needs."""
    shared = options(worker.app)

    assert {("--config", "-c"), ("--metrics-port",), ("--set",), ("--log-json",), ("--log-level",)} == set(shared)
    assert options(monitor.app) == options(webhook.app) == shared
    assert shared.items() < options(dashboard.app).items()


def test_whoever_asks_something_of_the_monitor_says_who_and_why():
    """`--by` and `--note` stand on the alerts that follow, whatever was asked."""
    shared = {("--config", "-c"), ("--set",), ("--by",), ("--note",)}
    asks = [options(incidents.app, name) for name in ("acknowledge", "close", "silence", "unsilence")]
    asks.append(options(drift.app, "rebase"))

    assert [shared - set(each) for each in asks] == [set()] * 5
    assert all(each[names] == asks[0][names] for each in asks for names in shared)


@pytest.mark.parametrize(("name", "more"), [("labels", {("--label",)}), ("events", {("--label",), ("--label-delay",)})])
def test_labels_and_events_are_produced_as_features_are(name, more):
    """Each side adds what only it needs."""
    features, other = options(produce.app, "features"), options(produce.app, name)

    assert ("--rate",) in features
    assert set(other) - set(features) == more
    assert {names: other[names] for names in features} == features
