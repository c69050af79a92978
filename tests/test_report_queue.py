"""Reports are rendered beside the monitor; what keeps one from being made is said and costs nothing else."""

from __future__ import annotations

import asyncio
import json

import pandas as pd
from structlog.testing import capture_logs

from drift.report_job import JOB_FILE, ReportJob
from streams.kafka.report_queue import ReportQueue


def job(title="x"):
    return ReportJob(
        title=title,
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


class Titles(ReportQueue):
    """Renders nothing, and orders another report of the same name while the first is in the making."""

    def __init__(self, folder):
        super().__init__(folder, 1_000, 5)
        self.rendered = []

    def _unfinished(self):
        return []

    async def _render(self, place):
        if not self.rendered:
            await self.order(place.name, job("again"))
        self.rendered.append(json.loads((place / JOB_FILE).read_text())["title"])


def test_a_report_that_is_made_again_leaves_the_one_in_the_making_alone(tmp_path):
    """Its rows are written when its turn has come, then it takes the other's place."""
    queue = Titles(tmp_path)

    async def rendered():
        await queue.order("one", job("first"))
        running = asyncio.create_task(queue.run())
        await queue.queue.join()
        running.cancel()

    asyncio.run(rendered())
    assert queue.rendered == ["first", "again"]
