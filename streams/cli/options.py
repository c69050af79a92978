"""Options that several commands share."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.config import Config
    from streams.config_file import ConfigSource

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="MILLRACE_CONFIG", metavar="FILE", help="The pipeline's millrace.toml."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting: --set kafka.bootstrap=host:9092. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
CONFIG = Path("millrace.toml")
"""The default of every `--config`."""


def load_config(path: Path, overrides: list[str] | None = None) -> "Config":
    """The configuration that a command works on; raises ConfigError."""
    return read_config(path, overrides).config


def read_config(path: Path, overrides: list[str] | None = None) -> "ConfigSource":
    """As `load_config`, with where its values came from."""
    from streams.config_file import read

    parts = [override.partition("=") for override in overrides or []]
    for key, equals, _ in parts:
        if not (key.strip() and equals):
            raise ConfigError("", f"--set must be KEY=VALUE, got {key!r}")
    source = read(path, {key.strip(): value.strip() for key, _, value in parts})
    if any(":" in candidate.model for candidate in source.config.models.candidates.values()):
        sys.path.insert(0, str(source.config.root.resolve()))  # module:factory may stand beside the file
    return source


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Of every command that runs until it is stopped."""

    config: ConfigOption = CONFIG
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port",
            metavar="PORT",
            min=0,
            max=65_535,
            help="Serve /metrics, /healthz and /readyz here; 0: any that is free. Instead of metrics.port.",
        ),
    ] = None
    override: SetOption = None
    log_json: Annotated[bool, typer.Option("--log-json", help="Log lines as JSON.")] = False
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")] = "info"

    def begin(self) -> "Config":
        """Log from here on, as asked; gives the configuration, or raises ConfigError."""
        from streams.cli.logs import set_up_logs

        set_up_logs(as_json=self.log_json, level=self.log_level)
        return load_config(self.config, self.override)
