"""A real Apache Kafka on this machine, as a child process: one KRaft node, data on disk.

Java and the jars come from PyPI and Maven (`java`, `jars`); `broker_process` supervises. This module is the starter's
side: it takes the folder's lock, prepares the folder, starts the supervisor and waits until Kafka answers.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from streams.errors import BrokerError
from streams.kafka import broker_process
from streams.kafka.broker_folder import choose_ports, log_tail, prepare_folder
from streams.kafka.broker_record import BrokerRecord, LastExit
from streams.kafka.broker_settings import CONSOLE, LOG, PROPERTIES, LocalBrokerSettings, java_command
from streams.kafka.broker_status import BrokerStatus, broker_status
from streams.kafka.folder_lock import FolderLock
from streams.kafka.jar_pins import KAFKA
from streams.kafka.jars import JarProgress, ensure_jars
from streams.kafka.java import Java, find_java
from streams.kafka.ports import HOST, kafka_answers

_POLL_S = 0.05
_PORT_ATTEMPTS = 3
_SUPERVISOR_EXTRA_S = 5.0
"""The supervisor's own time, beyond what it gives Kafka."""


class LocalBroker:
    """Starts, finds and stops the broker of one folder.

    `start` gives the address of a broker that is already running there, too; `stop` and the end of a `with` block
    then leave it alone. Several processes may call `start` at once: one starts, the others wait for it. As a context
    manager it starts on entry. Not for use from two threads at once.
    """

    def __init__(
        self,
        settings: LocalBrokerSettings,
        *,
        report: Callable[[JarProgress], None] = lambda _: None,
        java: Java | None = None,
    ) -> None:
        self.settings = settings
        self.folder = settings.folder.resolve()
        self.started_here = False
        """Whether the running broker is this object's."""
        self._report = report
        self._java = java
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Address of the running broker; returns when it serves requests. Raises BrokerError."""
        if not sys.platform.startswith(("linux", "darwin")):
            raise BrokerError("could not start Kafka: kafka.bootstrap must name a broker on this system, not 'local'")
        if (status := self.status()).state == "running" and status.bootstrap:
            return status.bootstrap
        self.stop()  # what is left of one that this object started and that crashed
        jars = ensure_jars(self._report)
        java = self._java or find_java()
        deadline = time.monotonic() + self.settings.start_timeout_s
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while (lock := FolderLock.take(self.folder)) is None:
                if (status := self.status()).state == "running" and status.bootstrap:
                    return status.bootstrap
                if time.monotonic() > deadline:
                    raise BrokerError(
                        f"could not start Kafka in {self.folder}: another one is starting or stopping there and has "
                        f"not come to an end in {self.settings.start_timeout_s:g} s"
                    )
                time.sleep(_POLL_S)
            with lock:
                return self._start_locked(java, jars, lock, deadline)
        except OSError as error:
            raise BrokerError(f"could not start Kafka in {self.folder}: {error}") from error

    def stop(self) -> bool:
        """Stop the broker that this object started; False if there is none. Its processes are gone on return."""
        if not self.started_here:
            return False
        self.started_here = False
        if self._supervisor is None:
            return self.stop_running()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor.stdin is not None:  # its end is the request
            supervisor.stdin.close()
        try:
            supervisor.wait(self.settings.stop_timeout_s + _SUPERVISOR_EXTRA_S)
        except subprocess.TimeoutExpired:
            self.stop_running()
            supervisor.wait()
        return True

    def stop_running(self) -> bool:
        """Stop whatever broker runs in the folder, whoever started it; False if none does."""
        record = BrokerRecord.read(self.folder)
        found = record.processes() if record else []
        if record is None or not found:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            found[0].terminate()  # the supervisor, which ends Java; Java itself if it was left behind
        if not self._wait_until_gone(record, self.settings.stop_timeout_s + _SUPERVISOR_EXTRA_S):
            for process in record.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._wait_until_gone(record, _SUPERVISOR_EXTRA_S)
        return True

    def status(self) -> BrokerStatus:
        """Looks at the folder, the processes and the port; takes at most a second."""
        return broker_status(self.folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @staticmethod
    def _wait_until_gone(record: BrokerRecord, timeout_s: float) -> bool:
        # Not psutil.wait_procs: under a PID 1 that does not reap, a container's, it waits for zombies until the end.
        deadline = time.monotonic() + timeout_s
        while record.processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _start_locked(self, java: Java, jars: tuple[Path, ...], lock: FolderLock, deadline: float) -> str:
        # Holding the lock means that no supervisor lives. Only Linux ends Java with a killed one.
        self.stop_running()
        for name in (broker_process.RECORD, broker_process.LAST_EXIT):
            (self.folder / name).unlink(missing_ok=True)
        for attempt in range(_PORT_ATTEMPTS):
            port, controller_port = choose_ports(self.folder, asked=self.settings.port, afresh=attempt > 0)
            prepare_folder(self.folder, java, jars, port=port, controller_port=controller_port)
            token = uuid.uuid4().hex
            try:
                self._spawn(java, jars, lock, token, port)
                if self._wait_until_ready(token, port, deadline):
                    return f"{HOST}:{port}"
            except BaseException:  # Ctrl-C too: nothing may be left running
                self.stop()
                raise
            self.stop()
            if self.settings.port or "Address already in use" not in log_tail(self.folder):
                break
        raise BrokerError(
            f"could not start Kafka in {self.folder}: it ended while starting. Its log ({LOG} there) ends\n"
            f"{log_tail(self.folder)}"
        )

    def _spawn(self, java: Java, jars: tuple[Path, ...], lock: FolderLock, token: str, port: int) -> None:
        attached = self.settings.attached
        marks = (f"-Dmillrace.broker={token}", f"-Dmillrace.folder={self.folder}")
        kafka = java_command(java, jars, "kafka.Kafka", PROPERTIES, heap_mb=self.settings.heap_mb, marks=marks)
        record = json.dumps({"port": port, "attached": attached, "kafka": KAFKA.rpartition(":")[2]})
        command = [sys.executable, "-E", "-P", str(Path(broker_process.__file__)), "--folder", str(self.folder)]
        command += ["--token", token, "--record", record, "--grace", str(self.settings.stop_timeout_s)]
        command += [*(["--attached"] if attached else []), "--", *kafka]
        self.started_here = True
        with (self.folder / CONSOLE).open("ab") as console:
            supervisor = subprocess.Popen(  # noqa: S603  our own command
                command,
                stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
        if attached:
            self._supervisor = supervisor
        else:
            supervisor.wait()  # it goes on as a process of its own

    def _wait_until_ready(self, token: str, port: int, deadline: float) -> bool:
        """False if the broker ended; raises BrokerError at the deadline."""
        while time.monotonic() < deadline:
            last = LastExit.read(self.folder)
            if (last and last.token == token) or (self._supervisor and self._supervisor.poll() is not None):
                return False
            record = BrokerRecord.read(self.folder)
            if record and record.token == token and kafka_answers(port):
                return True
            time.sleep(_POLL_S)
        raise BrokerError(
            f"could not start Kafka in {self.folder}: no answer on {HOST}:{port} within "
            f"{self.settings.start_timeout_s:g} s. Its log ({LOG} there) ends\n{log_tail(self.folder)}"
        )
