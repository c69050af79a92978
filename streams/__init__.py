"""millrace's moving parts: messages, configuration, stages, durable state, the Kafka edge and the command line.

For notebooks, `streams.read("alerts")` is a topic as a pandas frame, and `streams.load_model()` a published model.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.kafka.frames import read
    from streams.kafka.published_models import load_model

__all__ = ["load_model", "read"]
_MODULES = {"load_model": "streams.kafka.published_models", "read": "streams.kafka.frames"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - either of the two
    """The readers, imported when they are asked for: whoever imports one module pays for no client."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
