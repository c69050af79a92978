"""`--help` of every command says what was written, in one form."""

from __future__ import annotations

import importlib

import pytest
from typer.main import get_command

from streams.cli.main import COMMANDS, run


def called():
    """Words and typer's command of everything that can be called."""
    for name, entry in COMMANDS.items():
        command = get_command(importlib.import_module(entry.module).app)
        yield pytest.param((name,), command, id=name)
        for sub, each in getattr(command, "commands", {}).items():
            yield pytest.param((name, sub), each, id=f"{name} {sub}")


@pytest.mark.parametrize(("words", "command"), list(called()))
def test_no_word_is_taken_for_markup_and_a_paragraph_is_one(words, command, capsys, monkeypatch):
    """Neither a table of the config in brackets nor a label between colons vanishes; lines run on to the edge."""
    monkeypatch.setenv("COLUMNS", "3000")
    assert run([*words, "--help"]) == 0
    out = capsys.readouterr().out

    for paragraph in (command.help or "").split("\n\n"):
        assert " ".join(paragraph.split()) in out
    for option in command.params:
        if "completion" not in option.name:
            assert (option.help or "") in out


DOES = [each for each in called() if each.values[1].epilog or not getattr(each.values[1], "commands", {})]


@pytest.mark.parametrize(("words", "command"), DOES)
def test_whatever_does_something_shows_how_it_is_called(words, command, capsys, monkeypatch):
    """Examples to copy, each with the command it is about."""
    monkeypatch.setenv("COLUMNS", "3000")
    assert run([*words, "--help"]) == 0

    assert command.epilog in capsys.readouterr().out
    examples = command.epilog.removeprefix("Examples:  ").split("   |   ")
    assert all(f"millrace {words[0]}" in example for example in examples)
    assert len(examples) > 1 or len(words) > 1
