"""Writes `jar_pins.py` anew: `python -m streams.kafka.pin_jars org.apache.kafka:kafka_2.13:4.3.0`.

Run when Kafka is upgraded; look at the difference before committing it, and compare a digest or two with what Maven
Central publishes.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from streams.kafka.jar_pins import KAFKA, LOGGING

_HEAD = '''"""The jars of the local broker with their sizes and SHA-256 digests. Written by `pin_jars`, not by hand."""

from __future__ import annotations

from dataclasses import dataclass

KAFKA = "{kafka}"
LOGGING = "{logging}"
"""Kafka's own dependencies have no binding for its log calls: without this jar a broker that dies says nothing."""


@dataclass(frozen=True, slots=True)
class JarPin:
    """One file of a Maven repository."""

    coordinate: str
    """`group:artifact:version`."""
    size: int
    """Bytes."""
    sha256: str

    @property
    def filename(self) -> str:
        """As Maven calls it."""
        _, artifact, version = self.coordinate.split(":")
        return f"{{artifact}}-{{version}}.jar"


PINS: tuple[JarPin, ...] = (
'''


def pins_source(kafka: str, logging: str) -> str:
    """Python source of `jar_pins.py`: everything `kafka` needs at run time, and the one jar `logging`."""
    from jgo.maven import MavenContext  # noqa: PLC0415  an extra

    context = MavenContext()
    root = context.create_dependency(kafka)
    inputs, others = context.resolver.resolve([root])
    found = [*inputs, *(each for each in others if each.scope in {"compile", "runtime"})]
    artifacts = [each.artifact for each in found] + [context.create_dependency(logging).artifact]
    rows = []
    for artifact in artifacts:
        content = Path(artifact.resolve()).read_bytes()
        coordinate = f"{artifact.component.project}:{artifact.version}"
        rows.append(f'    JarPin("{coordinate}", {len(content)}, "{hashlib.sha256(content).hexdigest()}"),\n')
    return _HEAD.format(kafka=kafka, logging=logging) + "".join(rows) + ")\n"


if __name__ == "__main__":
    target = Path(__file__).with_name("jar_pins.py")
    target.write_text(pins_source(*(sys.argv[1:] or [KAFKA, LOGGING])), encoding="utf-8")
