"""Lists of options that several commands share, written once: a dataclass is the list, its instance what was given.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Wanted:
        follow: Annotated[bool, typer.Option("--follow", help="Go on with new ones.")] = False

    @app.command()
    @spread
    def alerts(wanted: Wanted, config: ConfigOption = CONFIG) -> None: ...

is a command with the options `--follow` and `--config`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the fields of each dataclass among its parameters as options, where that parameter stands.

    >>> from dataclasses import dataclass
    >>> @dataclass(kw_only=True)
    ... class Size:
    ...     width: int = 3
    ...     height: int = 4
    >>> @spread
    ... def draw(size: Size, label: str = "") -> None:
    ...     print(size, label)
    >>> list(inspect.signature(draw).parameters)
    ['width', 'height', 'label']
    >>> draw(width=5, height=4, label="x")
    Size(width=5, height=4) x
    """
    lists: dict[str, Any] = {}
    options: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        kind = parameter.annotation
        if not is_dataclass(kind):
            options.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        lists[parameter.name] = kind
        hints = get_type_hints(kind, include_extras=True)
        options += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
            )
            for field in fields(kind)
        ]

    @functools.wraps(command)
    def with_lists(**given: Any) -> None:  # noqa: ANN401 - as typer read them
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in lists.items()
        }
        command(**made, **given)

    with_lists.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]  # what typer reads
    return with_lists
