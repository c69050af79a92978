"""What every test of reports starts from: rows of a small shop, and a job about them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from drift.evidence import Subject
from drift.phases import IncidentSubject
from drift.report_job import ReportJob, ReportTarget


def _frame(rows, shift=0.0, **columns):
    rng = np.random.default_rng(rows)
    fixed = {"amount": rng.normal(shift, 1, rows), "city": rng.choice(["a", "b"], rows)}
    labels = {"(label)": rng.choice(["yes", "no"], rows), "(prediction)": rng.choice(["yes", "no"], rows)}
    return pd.DataFrame({**fixed, **labels, **columns})


def _job(**fields):
    subject = IncidentSubject(
        subject=Subject(kind="feature", name="amount"),
        aspect="value",
        bet="mean +1 sd",
        evidence=6.0,
        source="psi",
        value=0.3,
        threshold=0.1,
        since_ms=1_700_000_000_000,
        strength=3.0,
        detail={"ks": 0.01},
    )
    defaults = {
        "title": "1 feature has changed: amount",
        "pipeline": "shop",
        "window": 7,
        "cut": "shop.predictions/0:400",
        "from_ms": 1_700_000_000_000,
        "to_ms": 1_700_000_060_000,
        "columns": {"amount": "numeric", "city": "categorical"},
        "reference": _frame(300),
        "current": _frame(200, 1.0),
        "target": ReportTarget(kind="binary", positive="yes"),
        "incident": "9f3a0c11d2e4b5a6",
        "severity": "warning",
        "subjects": (subject,),
        "recompute": "millrace report --incident 9f3a0c11d2e4b5a6",
    }
    return ReportJob(**{**defaults, **fields})


@pytest.fixture(scope="session")
def frame():
    """`frame(rows, shift, **columns)`: amounts, cities, labels and predictions; columns replace or add."""
    return _frame


@pytest.fixture(scope="session")
def job():
    """`job(**fields)`: a report job that lacks nothing; fields replace."""
    return _job
