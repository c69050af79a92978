"""`millrace models`: what can stand in `[models.candidates.<name>] model = …`."""

from typing import Annotated, Any

import typer

from learners.target import TargetKind
from streams.cli.options import JsonOption
from streams.cli.terminal import json_out, note, say, table
from streams.errors import ConfigError

app = typer.Typer(no_args_is_help=False)
_TASKS: tuple[TargetKind, ...] = ("binary", "multiclass", "regression")


@app.command(
    epilog="Examples:  millrace models   |   millrace models --task regression   |   millrace models hoeffding_tree"
)
def models(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Show this one's params.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Only those for binary, multiclass or regression.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models there are, or the params of one."""
    from learners.catalog import CATALOG

    if task is not None and task not in _TASKS:
        raise ConfigError("--task", f"must be binary, multiclass or regression, got {task!r}")
    if name is not None and name not in CATALOG:
        raise ConfigError("", f"the model must be one of {', '.join(CATALOG)}, got {name!r}")
    found: dict[str, dict[str, Any]] = {
        model: {
            "tasks": [kind for kind in _TASKS if spec.fits(kind)],
            "description": spec.description,
            "cost_us": spec.cost_us,
            "params": spec.params("regression" if spec.classifier is None or task == "regression" else "binary"),
        }
        for model, spec in CATALOG.items()
    }
    found = {model: line for model, line in found.items() if name in {None, model} and task in {None, *line["tasks"]}}
    if as_json:
        json_out(found)
    elif name is not None:
        shown = found.get(name)
        if shown is None:
            raise ConfigError("--task", f"must be one that {name} can learn, got {task!r}")
        say(f"{name}: {shown['description']}")
        table(("param", "default"), list(shown["params"].items()))
    else:
        columns = ("model", "tasks", "us/event", "description")
        rows = [
            (model, ", ".join(line["tasks"]), line["cost_us"], line["description"]) for model, line in found.items()
        ]
        table(columns, rows)
        note('Your own: model = "package.module:factory". Params: millrace models NAME.')
