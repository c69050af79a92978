"""Online learners: the model catalog, candidates and baselines, prequential scores, snapshots.

For notebooks, `learners.load_model(file, key)` is a published model as River's.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learners.published import load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - it is one function
    """Imported when it is asked for: whoever imports one module pays for no other."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from learners.published import load_model  # noqa: PLC0415 - see above

    return load_model
