"""Jobs of reports: they survive their folder, and bad columns are cleaned or named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.report_columns import CATEGORIES_MAX, labelled, presentable
from drift.report_job import ReportJob, ReportTarget, read_job, text, write_job

WITHOUT_LABELS = pytest.mark.parametrize(
    "unlabelled",
    [lambda rows: rows.drop(columns="(label)"), lambda rows: rows.assign(**{"(label)": None})],
    ids=["no column", "no value"],
)


def test_a_job_survives_its_folder(tmp_path, job):
    """What is read is what was written, frames to the value."""
    before = job(target=ReportTarget(kind="multiclass", probabilities={"yes": "p"}), cleaned={"x": "y"})
    write_job(tmp_path / "job", before)

    after = read_job(tmp_path / "job")

    for name in set(ReportJob.__slots__) - {"reference", "current"}:
        assert getattr(after, name) == getattr(before, name), name
    pd.testing.assert_frame_equal(after.reference, before.reference, check_dtype=False)
    pd.testing.assert_frame_equal(after.current, before.current, check_dtype=False)


def test_columns_of_mixed_types_survive_too(tmp_path, frame, job):
    """Parquet takes one type per column: numbers stay, what is none is counted, categories become text."""
    mixed = frame(4, amount=[1.0, "x", None, 4], city=[1, 1.0, True, None])
    write_job(tmp_path, job(reference=mixed))

    after = read_job(tmp_path)

    assert after.reference["amount"].isna().tolist() == [False, True, True, False]
    assert after.reference["city"].tolist() == ["1", "1", "true", None]
    assert after.cleaned == {"amount": "1 values of the reference rows are no numbers and were ignored"}


@given(st.one_of(st.booleans(), st.integers(), st.floats(), st.text()))
def test_a_label_has_one_text_whatever_type_it_came_as(value):
    """1 and 1.0 are one class; every text can be encoded."""
    assert text(value) == text(text(value)).encode().decode()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        assert text(value) == text(float(value))


def test_a_folder_without_a_job_is_refused(tmp_path):
    """`job.json` is written last, so half a job has none."""
    with pytest.raises(ValueError, match=r"must be a report job's folder, got one without job.json"):
        read_job(tmp_path)
    (tmp_path / "job.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="must be of format 1"):
        read_job(tmp_path)


def test_a_target_that_is_also_a_feature_is_refused(frame, job):
    """The quality of a feature called `label` would be nonsense."""
    with pytest.raises(ValueError, match="target must name columns that are no features, got 'amount'"):
        job(target=ReportTarget(kind="multiclass", label="amount"))
    with pytest.raises(ValueError, match=r"target.positive must be the positive label's text"):
        ReportTarget(kind="binary")
    with pytest.raises(ValueError, match="reference must have every column once, got 'amount' twice"):
        job(reference=pd.concat([frame(3), frame(3)], axis=1))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([np.nan] * 200, "no usable value in the current rows"),
        ([np.inf] * 200, "no usable value in the current rows; 200 values of the current rows are no finite numbers"),
        (["bad"] * 200, "no usable value in the current rows; 200 values"),
        (None, "not in the current rows"),
    ],
)
def test_a_column_evidently_cannot_take_is_left_out_and_named(values, reason, frame, job):
    """One such column would cost the whole report."""
    current = frame(200).drop(columns="amount") if values is None else frame(200, amount=values)

    shown = presentable(job(current=current))

    assert shown.features == ["city"]
    assert shown.left_out["amount"].startswith(reason)


def test_a_few_bad_values_cost_only_themselves(frame, job):
    """An infinity and a 1e300 among 200 are ignored and told; missing values are no news."""
    values = np.arange(200.0)
    values[:4] = [np.inf, -np.inf, 1e300, np.nan]

    shown = presentable(job(current=frame(200, amount=values)))

    assert shown.cleaned == {"amount": "3 values of the current rows are no finite numbers and were ignored"}
    assert shown.current["amount"].notna().sum() == 196


def test_a_thousand_categories_are_shown_as_a_hundred(frame, job):
    """The frequent ones by name, on both sides the same."""
    current = frame(1_000, city=[f"c{row % 500}" for row in range(1_000)])

    shown = presentable(job(current=current))

    assert len(set(shown.reference["city"]) | set(shown.current["city"])) == CATEGORIES_MAX
    assert "rare categories are shown as (other)" in shown.cleaned["city"]


def test_an_endless_category_is_cut(frame, job):
    """A category may be as long as an event."""
    shown = presentable(job(current=frame(200, city="x" * 100_000)))

    assert shown.current["city"].str.len().max() == 80
    assert shown.cleaned == {"city": "categories were cut to 80 characters"}


def test_only_labelled_rows_judge_the_model(frame, job):
    """Labels come late: rows without one are no mistakes. A probability nobody gave costs no rows."""
    current = frame(200, p=np.nan)
    current.loc[:49, "(label)"] = None
    target = ReportTarget(kind="binary", positive="yes", probabilities={"yes": "p"})
    asked = job(current=current, reference=frame(300, p=0.5), target=target)

    reference, found = labelled(asked, presentable(asked))

    assert (len(reference), len(found)) == (300, 150)
    assert list(found.columns) == ["(label)", "(prediction)", "yes"]


@WITHOUT_LABELS
def test_without_labels_in_the_window_there_is_a_reason_instead_of_a_quality(unlabelled, frame, job):
    """The rest of the page stays."""
    asked = job(current=unlabelled(frame(200)))

    assert labelled(asked, presentable(asked)) == "fewer than 2 labelled rows in the window"


@WITHOUT_LABELS
def test_a_reference_without_labels_leaves_the_window_to_be_judged_alone(unlabelled, frame, job):
    """The first rows of a stream are often older than its first label."""
    asked = job(reference=unlabelled(frame(300)))

    against, current = labelled(asked, presentable(asked))

    assert against is None
    assert len(current) == 200
