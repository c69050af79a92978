"""`millrace replay`: an alert computed again from the log, or the alerts that other settings would have sent."""

from __future__ import annotations

import typer

from streams.cli.option_lists import spread
from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, load_config
from streams.cli.replay_asked import Asked
from streams.cli.terminal import progress

app = typer.Typer(no_args_is_help=False)


@app.command(
    epilog="Examples:  millrace replay --alert 2b0a   |   millrace replay --from 2026-11-01T00:00:00Z "
    "--set 'drift.false_alarms=1 per week'   |   millrace replay --inject shift:amount:0.5"
)
@spread
def replay(
    asked: Asked,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
    override: SetOption = None,
) -> None:
    """Run the monitor's own code over the recorded topics; nothing is sent and nothing is kept.

    With --alert: compute an alert again from the log, from where the monitor's history began, and compare every field.
    Exit code 0 when all are the same, 1 when one is not, with what differs.

    Without: what these settings would have sent beside what was sent. --set tries other settings, --inject a change
    that never happened: KIND is shift or scale (of a number, in robust standard deviations or as a factor), missing,
    birth, death (shares), correlation (of two features, a+b) or swap (of labels); :gradual or :recurring may follow.
    """
    from streams.cli.replay_again import compute_again
    from streams.cli.replay_beside import show_beside
    from streams.kafka.replaying import recorded

    loaded = load_config(config, override)
    injection = asked.injection(loaded)
    with progress("reading") as update, recorded(loaded, lambda records: update(None, f"{records:,} records")) as held:
        if asked.alert is not None:
            same = compute_again(loaded, held, asked.alert, update, as_json=as_json)
            raise typer.Exit(0 if same else 1)
        show_beside(loaded, held, asked, injection, override or [], update, as_json=as_json)
