"""The `millrace` command itself: quick to answer, one line for an error, and the right exit code."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from streams.cli import main
from streams.cli.main import COMMANDS, run
from streams.errors import BrokerError, UnreachableError

HEAVY = (
    "river",
    "pandas",
    "numpy",
    "sklearn",
    "faust",
    "mode",
    "aiokafka",
    "kafka",
    "evidently",
    "pyarrow",
    "scipy",
)


def millrace(*words, **settings) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **settings)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["init", "--help"], ["produce", "--help"], ["nonsense"]])
def test_help_imports_nothing_heavy(words):
    """Seconds of imports belong to commands that work, not to those that explain."""
    code = (
        "import sys; from streams.cli.main import run; run(sys.argv[1:]);"
        f"print('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name, capsys):
    """Each module has its `app`, and its help names no option of the shell's."""
    assert isinstance(importlib.import_module(COMMANDS[name].module).app, typer.Typer)

    assert run([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"millrace {name}" in out
    assert "--install-completion" not in out


def test_help_lists_every_command_in_its_group():
    """In the order of use."""
    out = millrace("--help").stdout
    places = [out.index(f"│ {name} ") for name in COMMANDS]

    assert places == sorted(places)
    assert all(f"─ {command.group} ─" in out for command in COMMANDS.values())


def test_a_misspelled_command_is_a_usage_error_with_a_suggestion():
    """Exit code 2, as every Unix command."""
    done = millrace("prodcue")

    assert done.returncode == 2
    assert "Did you mean 'produce'" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words", [["models", "--nope"], ["produce"], ["produce", "features"], ["init", "--rows", "x"], []]
)
def test_asking_wrongly_ends_with_2(words):
    """Unknown options, missing arguments, values of the wrong type, nothing at all."""
    assert millrace(*words).returncode == 2


def test_an_error_is_one_line_on_stderr_and_exit_code_1(tmp_path):
    """No traceback, nothing on stdout for a pipe to read."""
    done = millrace(
        "check-config", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd()), "MILLRACE_DEBUG": ""}
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "error: millrace.toml could not be found: `millrace init` makes one\n"


@pytest.mark.parametrize(("words", "variable"), [(["--debug", "check-config"], ""), (["check-config"], "1")])
def test_debugging_shows_where_it_was(tmp_path, words, variable):
    """By option or by environment."""
    done = millrace(*words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd()), "MILLRACE_DEBUG": variable})

    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (BrokerError("could not find topics"), 1, "error: could not find topics\n"),
        (UnreachableError("could not reach Kafka"), 75, "error: could not reach Kafka\n"),
        (KeyError("secret"), 70, "--debug"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 1, ""),
        (typer.Exit(3), 3, ""),
        (typer.BadParameter("no"), 2, "no"),
    ],
)
def test_whatever_a_command_raises_becomes_an_exit_code(raised, code, said, monkeypatch, capsys, tmp_path):
    """Errors in a line, an interruption in silence, a bug with the way to see it."""
    module = tmp_path / "raising_command.py"
    module.write_text(
        "import typer\napp = typer.Typer()\nRAISED = None\n\n@app.command()\ndef command() -> None:\n    raise RAISED\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("MILLRACE_DEBUG", raising=False)
    monkeypatch.setitem(main.COMMANDS, "raising", main.Command("raising_command", main.LOOK, "Raises."))
    importlib.import_module("raising_command").RAISED = raised

    assert run(["raising"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    sys.modules.pop("raising_command")


def test_a_reader_that_has_seen_enough_is_no_error():
    """`millrace models | head -1`."""
    command = f"{sys.executable} -c 'from streams.cli.main import main; main()' models --json | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout == "{"
    assert done.stderr == ""


def test_models_lists_the_catalog_for_people_and_programs(capsys):
    """Plain columns in a pipe, one JSON object by `--json`; a task leaves out what cannot learn it."""
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t") == ["model", "tasks", "us/event", "description"]
    assert any(line.startswith("logistic_regression\tbinary, multiclass\t") for line in lines)

    assert run(["models", "--task", "regression"]) == 0
    assert "logistic_regression" not in capsys.readouterr().out
    assert run(["models", "nope"]) == 1
    assert run(["models", "--task", "nope"]) == 1
