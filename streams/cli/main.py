"""The `millrace` command: finds the sub-command, and turns errors into one line and an exit code.

Exit codes: 0 done, 1 could not do it (one line `error: …` on stderr), 2 asked wrongly, 70 an error of millrace's own,
75 Kafka or the store could not be reached or was lost for too long, or nothing moved any more (another try may
succeed), 130 interrupted.
Sub-commands are imported when they are called, so that `--help` answers at once.
"""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from inspect import cleandoc
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from streams.cli.terminal import complain
from streams.errors import MillraceError, UnreachableError

USAGE_ERROR = 2
INTERNAL = 70
"""An error of our own: a supervisor may start the process again, its state is in the checkpoints."""
BROKER_LOST = 75
"""Kafka or the store is not there, or no more: worth another try."""
INTERRUPTED = 130


class Command(NamedTuple):
    """One line of the table: where the `typer.Typer` called `app` is."""

    module: str
    group: str
    help: str


BEGIN, KAFKA, RUN, LOOK = "Begin", "Kafka", "Run", "Look"

COMMANDS = {
    "demo": Command("streams.cli.demo", BEGIN, "Real data through a real Kafka: learning, drift, alerts, a report."),
    "init": Command(
        "streams.cli.init", BEGIN, "Write a commented millrace.toml, its features read from a file or topic."
    ),
    "check-config": Command("streams.cli.check_config", BEGIN, "Check millrace.toml and print every setting."),
    "models": Command("streams.cli.models", BEGIN, "List the models there are."),
    "broker": Command("streams.cli.broker", KAFKA, "Start, stop or look at the real Kafka on this machine."),
    "topics": Command("streams.cli.topics", KAFKA, "Create the pipeline's topics, check or describe them."),
    "produce": Command("streams.cli.produce", KAFKA, "Send a file's rows as events, labels or both."),
    "up": Command("streams.cli.up", RUN, "Everything one millrace.toml needs, in one terminal."),
    "worker": Command("streams.cli.worker", RUN, "Predict, join labels, learn."),
    "monitor": Command("streams.cli.monitor", RUN, "Watch for drift, raise alerts, ask for retraining."),
    "webhook": Command("streams.cli.webhook", RUN, "Post alerts by HTTP: JSON, Slack, PagerDuty."),
    "rebuild": Command("streams.cli.rebuild", RUN, "Fold the logs anew, or go on where part of one is gone."),
    "drift": Command("streams.cli.drift", RUN, "Take what is there now as the new normal."),
    "status": Command("streams.cli.status", LOOK, "How the pipeline stands: lag, scores, ledger, drift."),
    "verify": Command(
        "streams.cli.verify", LOOK, "Whether every promise holds, recomputed from topics and checkpoints."
    ),
    "dashboard": Command("streams.cli.dashboard", LOOK, "The live page: scores, incidents, drift, the ledger."),
    "alerts": Command("streams.cli.alerts", LOOK, "Show alerts, or follow them."),
    "incidents": Command(
        "streams.cli.incidents", LOOK, "What is open and who looks after it; acknowledge, close, silence."
    ),
    "report": Command("streams.cli.report", LOOK, "An HTML page: the last window, or an incident's."),
    "scorecard": Command(
        "streams.cli.scorecard", LOOK, "Drift settings judged on your own data, with known changes injected."
    ),
    "replay": Command(
        "streams.cli.replay", LOOK, "An alert computed again from the log; the alerts of other settings."
    ),
    "retrain-requests": Command("streams.cli.retrain_requests", LOOK, "Show requests to fit a model anew."),
}
"""Every sub-command: name → where it is, in which group of `--help`, and its line there."""


class _Late(TyperCommand):
    """A sub-command that is imported when it is called."""

    def __init__(self, name: str, command: Command) -> None:
        super().__init__(name=name, help=command.help, rich_help_panel=command.group)
        self._module = command.module

    def make_context(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - typer's own
        app = import_module(self._module).app
        app._add_completion = False  # noqa: SLF001 - or every sub-command offers to install completion
        command = typer.main.get_command(app)
        command.name = self.name or ""
        _unmarked(command)
        return command.make_context(*args, **extra)


def _unmarked(command: Any) -> None:  # noqa: ANN401 - typer's own
    """Docstrings are prose: their lines run on to the terminal's edge, and a bracket in them is a bracket."""
    paragraphs = cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(each.split()) for each in paragraphs).replace("[", "\\[")
    for each in getattr(command, "commands", {}).values():
        _unmarked(each)


class _Commands(TyperGroup):
    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**settings | {"commands": {name: _Late(name, command) for name, command in COMMANDS.items()}})


EXAMPLES = """\
Examples:

`millrace init --from events.csv --label fraud` and `millrace check-config`

`millrace broker start` and `millrace topics create`

`millrace produce events events.csv --label fraud --label-delay "500 rows"`
"""

app = typer.Typer(
    name="millrace",
    cls=_Commands,
    help="Online machine learning on Kafka, with drift watched.",
    epilog=EXAMPLES,
    rich_markup_mode="markdown",
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"millrace {version('millrace')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from (or set MILLRACE_DEBUG).")
    ] = False,
) -> None:
    del show_version
    if debug:
        os.environ["MILLRACE_DEBUG"] = "1"  # for the processes that a command starts, too


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit."""
    code = run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # or Python complains once more at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; gives its exit code."""
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name="millrace", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        return _asked_wrongly(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        return 1
    except MillraceError as error:
        if _debugging():
            raise
        complain(str(error))
        return BROKER_LOST if isinstance(error, UnreachableError) else 1
    except Exception as error:
        if _debugging():
            raise
        complain(
            f"{type(error).__name__}: {error}\nThis is not meant to happen; `millrace --debug …` shows where it did."
        )
        return INTERNAL
    return code if isinstance(code, int) else 0


def stop_on_sigterm() -> None:
    """For commands that own processes: a supervisor's SIGTERM stops them in order, as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)  # also where a shell started us with SIGINT ignored


def _asked_wrongly(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # typer has printed the help
        return USAGE_ERROR
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        print(f"Try `{context.command_path} --help`.", file=sys.stderr)
    complain(error.format_message())
    return error.exit_code


def _debugging() -> bool:
    return os.environ.get("MILLRACE_DEBUG", "") not in {"", "0"}
