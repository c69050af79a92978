"""Reports are rendered beside the monitor; what keeps one from being made is said and costs nothing else."""

from __future__ import annotations

import asyncio

import pandas as pd
from structlog.testing import capture_logs

from drift.report_job import JOB_FILE, ReportJob
from streams.kafka.report_queue import ReportQueue


def job():
    return ReportJob(
        title="x",
        pipeline="shop",
        window=1,
        cut="c",
        from_ms=0,
        to_ms=1,
        columns={"amount": "numeric"},
        reference=pd.DataFrame({"amount": [1.0]}),
        current=pd.DataFrame({"amount": [2.0]}),
        target=None,
        incident="i",
        severity="info",
        subjects=(),
        recompute="",
    )


def ordered(queue, name="one"):
    """What is waiting then, and what was said."""

    async def order():
        await queue.order(name, job())
        return queue.queue.qsize()

    with capture_logs() as logs:
        return asyncio.run(order()), [(entry["event"], entry["report"]) for entry in logs]


def test_an_ordered_report_is_durable_before_it_waits(tmp_path):
    """A process that ends now leaves it to the next one."""
    assert ordered(ReportQueue(tmp_path, 1_000, 5)) == (1, [])
    assert (tmp_path / "one" / JOB_FILE).is_file()


def test_a_folder_that_cannot_be_written_costs_the_page_alone(tmp_path):
    """A full disk under `reports/` must not end the monitor, which has people to tell."""
    (tmp_path / "reports").write_text("a file where a folder should be")

    assert ordered(ReportQueue(tmp_path / "reports", 1_000, 5)) == (0, [("report_not_rendered", "one")])
