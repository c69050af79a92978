"""structlog for long-running processes: coloured lines on a terminal, `key=value` or JSON lines elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO, cast

import structlog


class _Stderr:
    """Standard error as it is when a line is written: a logger outlives a stream that stands in for a while."""

    def write(self, text: str) -> int:
        """Like the stream's."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Like the stream's."""
        sys.stderr.flush()


def set_up_logs(*, as_json: bool = False, level: str = "info") -> None:
    """Log to stderr. Payload values are never among the fields: only names, places and kinds."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor
    if as_json:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        # The default shows the locals of each frame where rich is installed, and among them would be payloads.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=False,  # a line per change of state: nothing to gain, and a second call must count
    )
