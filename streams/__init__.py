"""millrace's moving parts: messages, configuration, stages, durable state, the Kafka edge and the command line.

For notebooks, `streams.read("alerts")` is a topic as a pandas frame, and `streams.load_model()` a published model.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.kafka.frames import load_model, read

__all__ = ["load_model", "read"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - either of the two
    """The readers, imported when they are asked for: whoever imports one module pays for no client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from streams.kafka import frames  # noqa: PLC0415 - see above

    return getattr(frames, name)
