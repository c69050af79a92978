"""References that move with the stream: the rows before the window, a sample of all rows, rows of the same phase.

Each takes in the rows that have left the window, and says what a window is to be compared with. What the false-alarm
budget watches from is another matter: see `docs/drift.md`.
"""

from drift.references.past import Past
from drift.references.reservoir import Reservoir
from drift.references.seasonal import PHASES, Seasonal
from drift.references.sliding import Sliding

__all__ = ["PHASES", "Past", "Reservoir", "Seasonal", "Sliding"]
