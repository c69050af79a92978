"""`millrace init`: a commented millrace.toml, its features and target inferred from a file or a topic."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import CONFIG, ConfigOption
from streams.cli.terminal import note, say, warn
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.config import Config
    from streams.template import Beginning

app = typer.Typer(no_args_is_help=False)
_TASKS = ("binary", "multiclass", "regression")
_TABLE_COLUMNS = 60


@app.command(
    epilog="Examples:  millrace init --from events.csv --label fraud   |   "
    "millrace init --from orders --labels-from chargebacks --bootstrap kafka:9092"
)
def init(
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE|TOPIC", help="Read the features from a file or a Kafka topic.")
    ] = None,
    *,
    labels_from: Annotated[
        str | None, typer.Option("--labels-from", metavar="TOPIC", help="The topic that has the labels.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The pipeline. Default: the file's or folder's name.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="What to predict.")] = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="What identifies an event.")] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="When it happened.")] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="binary, multiclass or regression. Default: inferred.")
    ] = None,
    bootstrap: Annotated[
        str, typer.Option("--bootstrap", metavar="HOST:PORT", help="Kafka. `local`: a real one on this machine.")
    ] = "local",
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl|parquet", help="Default: by the suffix.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Infer from the first so many rows.")] = 100_000,
    missing: Annotated[
        list[str] | None, typer.Option("--missing", metavar="TEXT", help='A cell that means "no value". Repeatable.')
    ] = None,
    config: ConfigOption = CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented millrace.toml.

    Features, their kinds, the target, the id and the time are guessed from `--from` and written where you can read
    and change them; nothing is guessed later. Without `--from` you fill in the features yourself.
    """
    if config.exists() and not force:
        raise ConfigError("", f"{config} exists already: --force replaces it, --config names another")
    if task is not None and task not in _TASKS:
        raise ConfigError("--task", f"must be binary, multiclass or regression, got {task!r}")
    columns = {"label": label, "id_column": id_, "time_column": time, "task": task}
    from streams.cli import init_sources

    rows_read, steps = None, ["millrace produce events FILE"]
    if source is None:
        beginning = init_sources.blank(_named(name, config), bootstrap)
    elif _is_file(source):
        guess = init_sources.from_file(source, form, rows, missing or [], columns)
        beginning = init_sources.file_beginning(guess, _named(name or _stem(source), config), bootstrap, source)
        steps = _file_steps(source, guess, missing or []) or steps
        rows_read = guess.rows if guess.rows < rows else None  # else there may be more
    else:
        named, root = _named(name or source, config), config.absolute().parent
        beginning = init_sources.from_topic(
            source, labels_from, name=named, bootstrap=bootstrap, root=root, given=columns
        )
        steps = []
    written = _write(config, beginning)
    _tell(config, beginning)
    if rows_read is not None:
        _warn_of_few(rows_read, written)
    _tell_next(config, beginning, steps)


def _is_file(source: str) -> bool:
    from streams.rows import FORMATS

    return source == "-" or Path(source).exists() or "/" in source or Path(source).suffix.lower() in {*FORMATS, ".gz"}


def _stem(source: str) -> str | None:
    return None if source == "-" else Path(source).name.split(".", 1)[0]


def _named(name: str | None, config: Path) -> str:
    wanted = name or config.absolute().parent.name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-")[:64] or "millrace"


def _file_steps(source: str, guess: Any, missing: list[str]) -> list[str]:  # noqa: ANN401 - an Inference, imported late
    if source == "-":
        return []
    words = ["millrace", "produce", "events", source]
    for option, column in (
        ("label", guess.target.column if guess.target else None),
        ("id", guess.id),
        ("time", guess.time),
    ):
        if column not in {None, option}:
            words += [f"--{option}", column]
    for text in missing:
        words += ["--missing", text]
    return [shlex.join(words)]


def _write(path: Path, beginning: "Beginning") -> "Config":
    """Write the file beside its place, read it back, and only then put it there; what was read."""
    from streams.config_file import load
    from streams.template import write_config

    draft = path.with_name(f"{path.name}.draft")
    try:
        draft.write_text(write_config(beginning), encoding="utf-8")
        written = load(draft)
        draft.replace(path)
    except OSError as error:
        raise ConfigError("", f"{path} could not be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        draft.unlink(missing_ok=True)
    return written


def _tell(path: Path, beginning: "Beginning") -> None:
    kinds = [f"{feature} ({kind})" for feature, kind in beginning.features.items()]
    shown = ", ".join(kinds[:_TABLE_COLUMNS]) + (", …" if len(kinds) > _TABLE_COLUMNS else "")
    say(
        f"wrote {path}: pipeline {beginning.name}, {len(kinds)} feature{'s' * (len(kinds) != 1)}, task {beginning.task}"
    )
    say(f"features: {shown}")
    if beginning.labels:
        positive = "" if beginning.positive is None else f"; positive: {beginning.positive!r}"
        say(f"labels: {', '.join(map(repr, beginning.labels))}{positive}")
    for table in ("", "target", "features"):
        for remark in beginning.notes.get(table, ()):
            (warn if remark.startswith("CHANGE") else say)(remark)


def _warn_of_few(rows: int, config: "Config") -> None:
    """A newcomer who sends the whole file and waits for a verdict would wait for ever."""
    drift = config.drift
    if rows >= drift.rows_to_first_verdict:
        return
    reference = drift.reference.rows
    warn(
        f"no verdict on drift can come of {rows:,} rows: the first {reference:,} are the reference, and it takes "
        f"{drift.rows_to_first_verdict - reference:,} more. Set `rows` in [drift.reference] to less, or send more"
    )


def _tell_next(path: Path, beginning: "Beginning", steps: list[str]) -> None:
    """The short way, which is all that most need, and then the same in steps."""
    option = "" if path == CONFIG else f" -c {shlex.quote(str(path))}"
    broker = ["broker start"] if beginning.bootstrap == "local" else []
    kafka, then = "Kafka, " if broker else "", "; then, in another one:" if steps else ""
    note("next:")
    note(f"  millrace check-config{option}")
    note(f"  millrace up{option}    # {kafka}topics, worker and monitor in this terminal{then}")
    for step in steps:
        note(f"  {step}{option}")
    words = ", ".join(f"`millrace {word}{option}`" for word in (*broker, "topics create", "worker", "monitor"))
    note(f"`up` is short for {words}")
