"""`millrace check-config`: every setting as it will be used, where it came from, and what a change would ask."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, read_config
from streams.cli.terminal import json_out, note, table
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.config_file import ConfigSource

app = typer.Typer(no_args_is_help=False)
MASK = "********"
_EFFECTS = {
    "harmless": "at any time",
    "rebuild": "with millrace rebuild",
    "refuse": "under another name only",
}
"""When a setting may change once there is state."""


@app.command(epilog="Examples:  millrace check-config   |   millrace check-config -c fraud.toml --effects")
def check_config(
    config: ConfigOption = CONFIG,
    *,
    effects: Annotated[bool, typer.Option("--effects", help="Also say which settings may change later.")] = False,
    as_json: JsonOption = False,
    override: SetOption = None,
) -> None:
    """Check a millrace.toml and print every setting; secrets are masked.

    Also builds the models it names. Exit code 1, and a line for each problem, if something is wrong. With --effects:
    `rebuild` folds the state anew from the log, `refuse` needs another pipeline name.
    """
    source = read_config(config, override)
    from learners.kernel import kernel_state
    from streams.config_checks import deep_problems
    from streams.stages.candidates import build_candidates

    problems = deep_problems(source.config)
    if problems:
        lines = "\n".join(f"  {path} {problem}".replace("   ", "  ") for path, problem in problems)
        raise ConfigError("", f"{config} has {len(problems)} problem{'s' * (len(problems) != 1)}:\n{lines}")
    settings, fast = list(effective(source)), list(build_candidates(source.config).with_kernel)
    if as_json:
        keys = ("value", "from", "effect")
        json_out(
            {
                "file": str(config),
                "settings": {path: dict(zip(keys, rest, strict=True)) for path, *rest in settings},
                "kernel": {"state": kernel_state(), "models": fast},
            }
        )
        return
    columns = ("setting", "value", "from", *(("may change",) if effects else ()))
    table(
        columns,
        [
            (path, _text(value), origin, *((f"{effect}: {_EFFECTS[effect]}",) if effects else ()))
            for path, value, origin, effect in settings
        ],
    )
    if fast:
        note(f"the compiled kernel does the arithmetic of {', '.join(fast)}")
    elif source.config.models.kernels and kernel_state() != "compiled":
        note(f"the compiled kernel is not used here ({kernel_state()}): River does all arithmetic")
    note(f"{config} is valid")


def effective(source: "ConfigSource") -> Iterator[tuple[str, Any, str, str]]:
    """(Dotted path, value as in the file, where it came from, effect of a change) of every setting; secrets masked."""
    from streams.config import leaves
    from streams.config_problems import is_secret

    for path, effect, value in leaves(source.config):
        for inner, one in _flat(path, value):
            name = source.environment.get(inner)
            origin = f"env:{name}" if name else source.given.get(inner, "default")
            secret = is_secret(path) or (name is not None and ".params." in inner)
            yield inner, MASK if secret and one is not None else _without_password(one), origin, effect.value


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - whatever stands in the file
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    else:
        yield path, value


def _without_password(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
    """A URL's password is masked, too.

    >>> _without_password("sftp://me:secret@host/path")
    'sftp://me:********@host/path'
    """
    return re.sub(r"(://[^/@:]*:)[^/@]+@", rf"\g<1>{MASK}@", value) if isinstance(value, str) else value


def _text(value: Any) -> str:  # noqa: ANN401 - whatever stands in the file
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_text(one) if not isinstance(one, str) else repr(one) for one in value) + "]"
    return str(value)
