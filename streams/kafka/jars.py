"""The local broker's jars: fetched once by Maven coordinates, kept in the user's cache, never run unverified.

`jgo` does the fetching, from Maven Central or the repositories of the user's own `jgo.conf`. It only warns about a
wrong checksum and leaves half a file behind when interrupted, and its resolver reads 100 POMs on the way; so the list
is pinned (`jar_pins`), each jar lands under a temporary name, and only the right bytes are moved into place.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.errors import BrokerError
from streams.kafka.jar_pins import PINS, JarPin

_DOWNLOADS_MAX = 4
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JarProgress:
    """How far the one-time download is."""

    jars_done: int
    jars: int
    bytes_done: int
    bytes: int


Report = Callable[[JarProgress], None]
Fetch = Callable[[JarPin, Path, Callable[[int], None]], Path]
"""(pin, scratch folder, told of every chunk's bytes) → the file it fetched, wherever that is."""


def cache_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Where jars outlive a project: `$MILLRACE_CACHE`, else the platform's cache folder.

    >>> str(cache_folder({"MILLRACE_CACHE": "/var/cache/millrace"}))
    '/var/cache/millrace'
    >>> str(cache_folder({"HOME": "/home/mill", "XDG_CACHE_HOME": "/tmp/c"}, "linux"))
    '/tmp/c/millrace'
    """
    environ = os.environ if environ is None else environ
    if own := environ.get("MILLRACE_CACHE"):
        return Path(own)
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "millrace"
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "millrace" / "Cache"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millrace"


def ensure_jars(
    report: Report = lambda _: None,
    *,
    folder: Path | None = None,
    pins: tuple[JarPin, ...] = PINS,
    fetch: Fetch | None = None,
) -> tuple[Path, ...]:
    """Paths of all jars, in class path order; downloads what is missing or differs from its digest.

    `report` is called only if there is something to download, from one thread at a time. Reading all digests takes
    about 80 ms of the later starts. Raises BrokerError if a jar cannot be had.
    """
    folder = folder or cache_folder() / "jars"
    missing = [pin for pin in pins if not is_intact(folder / pin.filename, pin)]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix="incoming-") as scratch:
                _download(missing, folder, Path(scratch), fetch or _fetch_by_jgo, _Tally(pins, missing, report))
        except OSError as error:
            raise BrokerError(
                f"could not store Kafka's jars in {folder}: {error}; MILLRACE_CACHE names another place"
            ) from error
    return tuple(folder / pin.filename for pin in pins)


def is_intact(path: Path, pin: JarPin) -> bool:
    """Whether the file has exactly the pinned bytes."""
    try:
        if path.stat().st_size != pin.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == pin.sha256
    except OSError:
        return False


class _Tally:
    """Adds up the chunks of parallel downloads; never goes backwards when a jar is tried again."""

    def __init__(self, pins: tuple[JarPin, ...], missing: list[JarPin], report: Report) -> None:
        self._jars = len(pins)
        self._bytes = sum(pin.size for pin in pins)
        self._there = len(pins) - len(missing)
        self._there_bytes = self._bytes - sum(pin.size for pin in missing)
        self._sizes = {pin.coordinate: 0 for pin in missing}
        self._limits = {pin.coordinate: pin.size for pin in missing}
        self._done: set[str] = set()
        self._report = report
        self._lock = threading.Lock()
        self._tell()

    def add(self, pin: JarPin, chunk_bytes: int) -> None:
        with self._lock:
            self._sizes[pin.coordinate] = min(self._sizes[pin.coordinate] + chunk_bytes, self._limits[pin.coordinate])
            self._tell()

    def finish(self, pin: JarPin) -> None:
        with self._lock:
            self._sizes[pin.coordinate] = pin.size
            self._done.add(pin.coordinate)
            self._tell()

    def _tell(self) -> None:
        self._report(
            JarProgress(
                jars_done=self._there + len(self._done),
                jars=self._jars,
                bytes_done=self._there_bytes + sum(self._sizes.values()),
                bytes=self._bytes,
            )
        )


def _download(missing: list[JarPin], folder: Path, scratch: Path, fetch: Fetch, tally: _Tally) -> None:
    def one(pin: JarPin) -> None:
        problem = ""
        for attempt in range(_ATTEMPTS):
            room = scratch / pin.sha256 / str(attempt)
            try:
                got = fetch(pin, room, lambda chunk_bytes: tally.add(pin, chunk_bytes))
            except (OSError, RuntimeError) as error:  # requests' errors are OSErrors, jgo's "not found" a RuntimeError
                problem = str(error)
                continue
            if is_intact(got, pin):
                ready = scratch / f"{pin.filename}.ready"
                shutil.copyfile(got, ready)
                ready.replace(folder / pin.filename)
                tally.finish(pin)
                return
            problem = f"its SHA-256 must be {pin.sha256}, the file differs"
        raise BrokerError(
            f"could not download {pin.coordinate} for the local broker: {problem}. It is needed once; "
            "behind a mirror, name it under [repositories] in ~/.config/jgo.conf"
        )

    with ThreadPoolExecutor(_DOWNLOADS_MAX, thread_name_prefix="jars") as pool:
        waiting = [pool.submit(one, pin) for pin in missing]
        try:
            for job in waiting:
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_by_jgo(pin: JarPin, room: Path, on_chunk: Callable[[int], None]) -> Path:
    """From the user's Maven folder if it is there (first attempt only), else from the repositories."""
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415  an extra, and 0.3 s that later starts do without
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    except ImportError as error:
        raise BrokerError("could not fetch Kafka's jars without jgo: pip install 'millrace[local]'") from error

    @contextmanager
    def progress(_filename: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield on_chunk

    settings = GlobalSettings.load()
    first = room.name == "0"
    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=room,
        local_repos=[settings.repo_cache] if first else [],
        remote_repos={**settings.repositories, **MavenContext().remote_repos},
    )
    return Path(context.create_dependency(pin.coordinate).artifact.resolve())
