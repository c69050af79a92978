"""What `millrace incidents` and `millrace drift` share: whom the monitor is asked by, why, and of which pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import note
from streams.cli.wording import one_line

if TYPE_CHECKING:
    from streams.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The options of every command that asks something of the monitor."""

    config: ConfigOption = CONFIG
    override: SetOption = None
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who asks; your login name by default.")] = None
    why: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for others to read.")] = ""

    def load(self) -> Config:
        """The pipeline's settings; raises ConfigError."""
        return load_config(self.config, self.override)

    def ask(self, config: Config, action: Any, **fields: Any) -> None:  # noqa: ANN401 - the message's
        """Put it on `control`, and say so.

        Raises:
            BrokerError: no broker, or no topic.
        """
        from streams.kafka.asking import ask

        said = ask(config, action, self.by, self.why, **fields)
        note(f"asked as {one_line(said.by)}; the monitor does it as soon as it reads {config.topic('control')}")
