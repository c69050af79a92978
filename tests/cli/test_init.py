"""`millrace init` and `check-config` as a newcomer meets them: files as they are, and what is wrong in a line."""

import json

import pytest

from learners.kernel import kernel_state
from streams.cli.main import run
from streams.config_drift import DriftConfig
from streams.config_file import load

NEEDED = DriftConfig().rows_to_first_verdict


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLRACE_CONFIG", raising=False)
    monkeypatch.delenv("MILLRACE_DEBUG", raising=False)
    rows = "".join(f"o{n},{n}.5,{n % 7},{'NL' if n % 3 else 'DE'},{int(n % 9 == 0)}\n" for n in range(100))
    (tmp_path / "events.csv").write_text("order id,amount,hour of day,country,fraud\n" + rows)
    return tmp_path


def test_a_file_becomes_a_valid_config_and_the_next_commands(folder, capsys):
    """The commands it prints name the columns that `produce` needs."""
    assert run(["init", "--from", "events.csv", "--label", "fraud"]) == 0
    told = capsys.readouterr()
    config = load(folder / "millrace.toml")

    assert config.name == "events"
    assert config.features == {"amount": "numeric", "hour_of_day": "integer", "country": "categorical"}
    assert (config.target.labels, config.target.positive) == ((0, 1), 1)
    assert "left out, 'order id'" in (folder / "millrace.toml").read_text()
    assert "millrace produce events events.csv --label fraud --id 'order id'" in told.err
    assert run(["check-config"]) == 0


def test_the_short_way_is_told_first(folder, capsys):
    """`up` does what the four commands do that are named behind it; all of them take the config that was written."""
    assert run(["init", "--from", "events.csv", "--label", "fraud", "-c", "other.toml"]) == 0
    told = capsys.readouterr().err
    commands = ("check-config", "up", "produce events", "broker start", "topics create", "worker", "monitor")
    places = [told.index(f"millrace {command}") for command in commands]

    assert places == sorted(places)
    assert told.count("-c other.toml") == len(commands)
    assert run(["init", "--bootstrap", "kafka:9092", "--force"]) == 0
    assert "broker start" not in capsys.readouterr().err
    assert (folder / "millrace.toml").exists()


@pytest.mark.parametrize(
    ("rows", "words", "warned"),
    [(NEEDED - 1, [], True), (NEEDED, [], False), (NEEDED, ["--rows", "50"], False)],
)
def test_a_file_too_short_for_any_verdict_is_told(folder, capsys, rows, words, warned):
    """Not when only some of its rows were looked at: there may be enough."""
    (folder / "events.csv").write_text("amount,fraud\n" + "".join(f"{n}.5,{n % 2}\n" for n in range(rows)))

    assert run(["init", "--from", "events.csv", "--label", "fraud", *words]) == 0
    assert ("[drift.reference]" in capsys.readouterr().err) == warned


def test_an_existing_file_is_kept_unless_forced(folder, capsys):
    """A day's tuning is not lost to a habit."""
    (folder / "millrace.toml").write_text("mine")

    assert run(["init"]) == 1
    assert "--force" in capsys.readouterr().err
    assert (folder / "millrace.toml").read_text() == "mine"
    assert run(["init", "--force"]) == 0
    assert load(folder / "millrace.toml").name


def test_a_run_that_fails_leaves_nothing_behind(folder):
    """No half file, no draft."""
    before = sorted(path.name for path in folder.iterdir())

    assert run(["init", "--from", "events.csv", "--label", "nope"]) == 1
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "nope.csv"], "no such file"),
        (["--from", "events.csv"], "--label must name the column to predict"),
        (["--from", "events.csv", "--label", "frod"], "--label must be one of the columns order id"),
        (["--from", "events.csv", "--label", "country", "--task", "regression"], "must hold numbers"),
        (["--from", "events.csv", "--label", "fraud", "--task", "clustering"], "--task must be binary"),
        (["--from", "events.csv", "--format", "excel"], "--format must be csv"),
        (["--from", "some-topic"], "could not reach the local Kafka"),
        (["--from", "some-topic", "--bootstrap", "127.0.0.1:9"], "could not reach Kafka at 127.0.0.1:9"),
        (["--from", "-"], "--format"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_inferred_is_one_line(capsys, words, said):
    """And says what to do; where Kafka does not answer, that another try may help."""
    assert run(["init", *words]) == (75 if "could not reach" in said else 1)
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_the_name_is_made_fit_for_topics(folder):
    """A folder or file may be called anything."""
    (folder / "events.csv").rename(folder / "my events (1).csv")

    assert run(["init", "--from", "my events (1).csv", "--label", "fraud"]) == 0
    assert load(folder / "millrace.toml").name == "my-events-1"


@pytest.mark.usefixtures("folder")
def test_check_config_tells_values_where_they_are_from_and_their_effect(capsys, monkeypatch):
    """Every setting once; secrets masked, also one that came by `--set` or in a URL."""
    monkeypatch.setenv("MILLRACE_TEST_KEY", "hunter2" * 6)
    run(["init", "--from", "events.csv", "--label", "fraud"])
    capsys.readouterr()
    words = ["--set", "state.key=env:MILLRACE_TEST_KEY", "--set", "state.store=sftp://me:hunter2@host/x", "--json"]

    assert run(["check-config", *words]) == 0
    out = capsys.readouterr().out
    settings = json.loads(out)["settings"]

    assert "hunter2" not in out
    assert settings["state.key"] == {"value": "********", "from": "env:MILLRACE_TEST_KEY", "effect": "harmless"}
    assert settings["state.store"]["value"] == "sftp://me:********@host/x"
    assert settings["state.store"]["from"] == "--set"
    assert settings["features.amount"] == {"value": "numeric", "from": "file", "effect": "refuse"}
    assert settings["labels.wait"] == {"value": "1d", "from": "default", "effect": "rebuild"}
    assert settings["models.candidates.champion.params"]["from"] == "default"


def test_check_config_builds_the_models_and_knows_the_statistics(folder, capsys):
    """All of them at once: what a worker or monitor would refuse at its start."""
    run(["init", "--from", "events.csv", "--label", "fraud"])
    text = (folder / "millrace.toml").read_text()
    (folder / "millrace.toml").write_text(text.replace('"logistic_regression"', '"logistic_regresion"'))
    capsys.readouterr()

    words = ["--set", "drift.numeric_statistic=jensen", "--set", 'drift.loss_detectors=["adwni"]']

    assert run(["check-config", *words]) == 1
    err = capsys.readouterr().err
    assert "3 problems" in err
    assert "models.candidates.champion must be one of logistic_regression" in err
    assert "drift.numeric_statistic must be one of" in err
    assert "did you mean 'adwin'?" in err


@pytest.mark.usefixtures("folder")
def test_check_config_says_whose_arithmetic_it_is(capsys):
    """The compiled kernel's where there is one and it is not switched off, else River's and why."""
    run(["init", "--from", "events.csv", "--label", "fraud"])
    built = kernel_state() == "compiled"
    for words, models in ([], ["champion"] if built else []), (["--set", "models.kernels=false"], []):
        capsys.readouterr()
        assert run(["check-config", *words]) == 0
        assert ("compiled kernel does the arithmetic of champion" in capsys.readouterr().err) is bool(models)
        assert run(["check-config", *words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kernel"] == {"state": kernel_state(), "models": models}


@pytest.mark.parametrize("override", ["novalue", "=x", "kafka.boostrap=x"])
@pytest.mark.usefixtures("folder")
def test_an_override_that_is_none_is_told(capsys, override):
    """Never ignored."""
    run(["init", "--from", "events.csv", "--label", "fraud"])
    assert run(["check-config", "--set", override]) == 1
    assert capsys.readouterr().err
