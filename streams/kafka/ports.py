"""Ports of this machine: free ones, and whether Kafka answers on one."""

from __future__ import annotations

import random
import socket
import struct

HOST = "127.0.0.1"

_FIRST, _LAST = 20_000, 32_000
"""Below the range that systems hand out for outgoing connections (Linux 32768, macOS 49152 upwards): a remembered
port is still free at the next start."""

_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 7, -1)
"""Kafka's ApiVersions request, version 0: length, key, version, correlation id, no client id."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT is no obstacle
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(*, avoid: tuple[int, ...] = ()) -> int:
    """A free port outside `avoid`; raises OSError if a thousand tries find none."""
    choice = random.SystemRandom()
    for _ in range(1_000):
        port = choice.randrange(_FIRST, _LAST)
        if port not in avoid and is_free(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST}")


def kafka_answers(port: int, *, timeout_s: float = 1.0) -> bool:
    """Whether a Kafka that serves requests is on the port: it answers only when its start is complete."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(_API_VERSIONS)
            answer = b""
            while len(answer) < 8:  # noqa: PLR2004  length and correlation id, four bytes each
                part = connection.recv(8 - len(answer))
                if not part:
                    return False
                answer += part
    except OSError:
        return False
    return bool(struct.unpack(">ii", answer)[1] == 7)  # noqa: PLR2004  the id sent above
