"""What the installed Evidently says of two samples: the oracle of every statistic."""

from __future__ import annotations

import math
import struct
import warnings

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

ORACLES = {
    "psi": stattests.psi_stat_test,
    "jensenshannon": stattests.jensenshannon_stat_test,
    "kl_div": stattests.kl_div_stat_test,
    "ks": stattests.ks_stat_test,
    "wasserstein": stattests.wasserstein_stat_test,
    "chisquare": stattests.chi_stat_test,
    "z": stattests.z_stat_test,
}


def bits(value):
    """A float as text that differs where a bit does."""
    return "nan" if math.isnan(value) else struct.pack("<d", value).hex()


def evidently(name, kind, reference, current):
    """Evidently's score on what pandas makes of the values, cleaned as its drift calculation does."""
    column_type = ColumnType.Categorical if kind == "categorical" else ColumnType.Numerical
    dtype = object if kind == "categorical" else None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        series = [
            pd.Series(values, dtype=dtype).replace([-np.inf, np.inf], np.nan).dropna()
            for values in (reference, current)
        ]
        try:
            return float(ORACLES[name](*series, column_type, None).drift_score)
        except ValueError:  # numpy: "Too many bins for data range", "autodetected range is not finite"
            return math.nan
