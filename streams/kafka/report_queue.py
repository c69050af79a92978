"""Rendering reports one after the other, each in a process of its own that may fail or be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

import structlog

from drift.report_job import JOB_FILE, ReportJob, write_job

log = structlog.get_logger()

PAGE_FILE, RESULT_FILE = "report.html", "result.json"


class ReportQueue:
    """Jobs are written at once and rendered in turn; those an earlier process left are rendered first."""

    def __init__(self, folder: Path, timeout_ms: int, keep: int) -> None:
        self.folder, self.timeout_s, self.keep = folder, timeout_ms / 1000, keep
        self.queue: asyncio.Queue[tuple[Path, ReportJob | None]] = asyncio.Queue()

    async def order(self, name: str, job: ReportJob) -> None:
        """Make the job durable, to be rendered in its turn. A disk that refuses costs a page, never the monitor.

        One that takes the place of an earlier job, which may be in the making, is written when its turn has come.
        """
        place = self.folder / name
        if (place / JOB_FILE).exists():
            self.queue.put_nowait((place, job))
        elif await self._written(place, job):
            self.queue.put_nowait((place, None))

    async def _written(self, place: Path, job: ReportJob) -> bool:
        try:
            await asyncio.to_thread(write_job, place, job)
        except (OSError, ValueError, TypeError) as error:  # the latter two are pyarrow's, for values it cannot hold
            log.warning("report_not_rendered", report=place.name, reason=str(error)[:500])
            return False
        return True

    async def run(self) -> None:
        """Render for ever."""
        for left in await asyncio.to_thread(self._unfinished):
            self.queue.put_nowait((left, None))
        while True:
            place, job = await self.queue.get()
            if job is None or await self._written(place, job):
                await self._render(place)
            await asyncio.to_thread(self._prune)
            self.queue.task_done()

    async def _render(self, place: Path) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "drift.report_process",
                str(place),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "DO_NOT_TRACK": "1"},
            )
        except OSError as error:
            log.warning("report_not_rendered", report=place.name, reason=str(error)[:500])
            return
        try:
            _, errors = await asyncio.wait_for(process.communicate(), self.timeout_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            log.warning("report_not_rendered", report=place.name, reason=f"took longer than {self.timeout_s:g} s")
            return
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        result = place / RESULT_FILE
        if process.returncode or not result.exists():
            reason = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no result"]
            log.warning("report_not_rendered", report=place.name, reason=reason[0][:500])
            return
        told = json.loads(result.read_text(encoding="utf-8"))
        log.info(
            "report_rendered", page=str(place / PAGE_FILE), left_out=sorted(told["left_out"]), seconds=told["seconds"]
        )

    def _jobs(self) -> list[Path]:
        """Folders of jobs, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [place for place in self.folder.iterdir() if (place / JOB_FILE).is_file()]
        return sorted(found, key=lambda place: (place / JOB_FILE).stat().st_mtime)

    def _unfinished(self) -> list[Path]:
        return [place for place in self._jobs() if not (place / RESULT_FILE).exists()]

    def _prune(self) -> None:
        for place in self._jobs()[: -self.keep]:
            shutil.rmtree(place, ignore_errors=True)
