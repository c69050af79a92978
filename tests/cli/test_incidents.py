"""`millrace incidents` with its options at the wrong place; what it does is in tests/broker."""

from __future__ import annotations

import pytest

from streams.cli.main import run


@pytest.mark.parametrize("words", [["-c", "other.toml"], ["--set", "name=other"], ["--json"], ["--all"]])
@pytest.mark.parametrize("command", ["silence", "unsilence", "acknowledge", "close"])
def test_an_option_before_the_command_is_refused(words, command, capsys):
    """Passed over in silence, it would have asked the monitor of another pipeline."""
    assert run(["incidents", *words, command, "amount"]) == 1

    option = {"-c": "--config"}.get(words[0], words[0])
    assert capsys.readouterr().err == (
        f"error: {option} must not stand before `{command}`: its options come behind it\n"
    )


def test_a_config_named_by_the_environment_is_everybodys(capsys, monkeypatch, tmp_path):
    """It stands before nothing."""
    monkeypatch.setenv("MILLRACE_CONFIG", str(tmp_path / "gone.toml"))

    assert run(["incidents", "silence", "amount"]) == 1
    assert "gone.toml could not be found" in capsys.readouterr().err
