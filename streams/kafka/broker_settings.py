"""What the local broker is started with: Kafka's properties, its logging and the Java command line.

All paths are relative to the broker's folder, which is its working directory: a comma, a blank or an umlaut in the
folder's name then needs no escaping in Kafka's files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.errors import ConfigError
from streams.kafka.java import Java

DATA = "data"
LOG = "logs/broker.log"
CONSOLE = "logs/console.log"
"""What the Java machine itself prints; empty on a good day."""
PROPERTIES = "server.properties"
LOGGING = "log4j2.xml"

_PORT_MAX = 65_535
_JAVA_WARNS_OF_UNSAFE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBrokerSettings:
    """Of one local broker, checked once when built."""

    folder: Path
    """Holds its data, settings and logs; one broker at a time."""
    attached: bool = True
    """Ends with the process that started it, however that ends. False: stays until it is stopped."""
    port: int = 0
    """On 127.0.0.1; 0 picks a free one and remembers it in the folder."""
    heap_mb: int = 512
    start_timeout_s: float = 60.0
    """For Kafka's start, not for the one-time download before it."""
    stop_timeout_s: float = 20.0
    """Before it is killed; a kill costs a log recovery on the next start, no acknowledged record."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= _PORT_MAX:
            raise ConfigError("port", f"must be between 0 and {_PORT_MAX}, got {self.port}")
        if not self.heap_mb >= 128:  # noqa: PLR2004  below it Kafka 4.3 runs out of memory while starting
            raise ConfigError("heap_mb", f"must be at least 128, got {self.heap_mb}")


def server_properties(*, port: int, controller_port: int) -> str:
    """One KRaft node that is broker and controller, on 127.0.0.1 only.

    Timestamps, retention and compaction keep Kafka's defaults: topics say what they need.
    """
    return f"""\
# Written anew at each start of the local broker: changes here are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={DATA}
auto.create.topics.enable=false
# One node: internal topics cannot have three copies, and need no fifty partitions.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# Kafka waits three seconds for more members before the first rebalance of a group.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# A record of 8 MiB is the most that input.event_bytes_max allows, times four for derived topics, and its batch.
message.max.bytes=33685504
socket.request.max.bytes=104857600
# After a kill the node may come back only when its last life has timed out: 9 s by default.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
# A small machine: few threads, and 8 MiB for the cleaner instead of 128.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.io.buffer.size=131072
"""


def log4j2_xml() -> str:
    """Warnings to a file that is new at each start and never passes 5 MB; nothing on the terminal."""
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR">
  <Appenders>
    <RollingFile name="file" fileName="{LOG}" filePattern="{LOG}.%i">
      <PatternLayout pattern="%d{{ISO8601}} %p %c{{1}} %m%n"/>
      <Policies><OnStartupTriggeringPolicy/><SizeBasedTriggeringPolicy size="5 MB"/></Policies>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Logger name="kafka.server.KafkaRaftServer" level="INFO"/>
    <Root level="WARN"><AppenderRef ref="file"/></Root>
  </Loggers>
</Configuration>
"""


def java_command(
    java: Java, jars: tuple[Path, ...], main: str, *arguments: str, heap_mb: int, marks: tuple[str, ...] = ()
) -> list[str]:
    """The command line of `main`, to be run in the broker's folder."""
    return [
        str(java.path),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",  # 60 MB less than G1 on two cores
        "-XX:TieredStopAtLevel=1",  # a short-lived broker spends its time in the second compiler otherwise
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={LOGGING}",
        *(["--sun-misc-unsafe-memory-access=allow"] if java.version >= _JAVA_WARNS_OF_UNSAFE else []),
        *marks,
        "-cp",
        ":".join(str(jar) for jar in jars),
        main,
        *arguments,
    ]
