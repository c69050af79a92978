"""What a replay is asked for: its options, and whether they go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from streams.errors import ConfigError

if TYPE_CHECKING:
    from drift.scorecard.injections import Injection
    from streams.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which alert, or which stretch with which change."""

    alert: Annotated[
        str | None,
        typer.Option(
            "--alert", metavar="ID", help="Compute this alert again, or all of an incident; a beginning is enough."
        ),
    ] = None
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="OFFSET|TIME", help="Begin here, with a new reference. Default: where the monitor did."
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="OFFSET|TIME", help="End here. Default: the end of the topics.")
    ] = None
    inject: Annotated[
        str | None,
        typer.Option("--inject", metavar="KIND:FEATURE:SIZE", help="A known change, such as shift:amount:0.5."),
    ] = None
    inject_after: Annotated[
        int | None,
        typer.Option(
            "--inject-after", metavar="N", min=1, help="Predictions before it. Default: the reference and 1,000."
        ),
    ] = None

    def injection(self, config: Config) -> Injection | None:
        """The change, if one is asked for.

        Raises:
            ConfigError: it is none, cannot happen to these features, or options contradict each other.
        """
        if self.alert is not None and (self.start or self.until or self.inject or self.inject_after):
            raise ConfigError(
                "--alert", "must come without --from, --until and --inject: it begins where the monitor did"
            )
        if self.inject is None:
            if self.inject_after is not None:
                raise ConfigError("--inject-after", "must come with --inject")
            return None
        from drift.scorecard.injections import Injection

        try:
            injection = Injection.parse(self.inject)
            injection.check(config.features.items())
        except ValueError as error:
            raise ConfigError("--inject", str(error)) from error
        return injection
