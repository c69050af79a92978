"""One false-alarm budget for a whole model: detectors that keep a promised number of events per false alarm.

`AlarmBudget` is the whole. Below it, one idea each: ranks in pools that grow, bets on them, the Shiryaev-Roberts bank
that gathers evidence, and the qualification of references.
"""

from drift.allowance import Allowance
from drift.budget.alarm_budget import AlarmBudget
from drift.budget.config import AlarmBudgetConfig, WatchedColumn
from drift.budget.findings import Alarm, Blame, Finding, Listing, Over, Repeat, Sensitivity
from drift.budget.qualification import Standing, in_words
from drift.budget.references import LOSS
from drift.period import Period
from drift.tolerance import parse_tolerance

__all__ = [
    "LOSS",
    "Alarm",
    "AlarmBudget",
    "AlarmBudgetConfig",
    "Allowance",
    "Blame",
    "Finding",
    "Listing",
    "Over",
    "Period",
    "Repeat",
    "Sensitivity",
    "Standing",
    "WatchedColumn",
    "in_words",
    "parse_tolerance",
]
