"""The one-time download, with a repository of bytes in memory in the place of Maven Central."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from streams.errors import BrokerError
from streams.kafka.jar_pins import KAFKA, PINS, JarPin
from streams.kafka.jars import JarProgress, ensure_jars, is_intact

CONTENT = {f"org.mill:wheel-{number}:1.0": bytes([number]) * (1_000 + number) for number in range(6)}
SMALL = tuple(JarPin(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items())


class Repository:
    """Answers as a Maven repository would; `spoil` says how the first answers for a jar are wrong."""

    def __init__(self, spoil: dict[str, list[bytes | Exception]] | None = None) -> None:
        self.asked: list[str] = []
        self._spoil = spoil or {}

    def __call__(self, pin: JarPin, room: Path, on_chunk) -> Path:
        self.asked.append(pin.coordinate)
        spoilt = self._spoil.get(pin.coordinate, [])
        answer = spoilt.pop(0) if spoilt else CONTENT[pin.coordinate]
        if isinstance(answer, Exception):
            raise answer
        room.mkdir(parents=True)
        (room / "jar").write_bytes(answer)
        on_chunk(len(answer) // 2)
        on_chunk(len(answer) - len(answer) // 2)
        return room / "jar"


def test_fetches_each_jar_once_and_later_asks_nobody(tmp_path):
    """The second start needs no network and reports no download."""
    repository, seen = Repository(), []
    first = ensure_jars(folder=tmp_path, pins=SMALL, fetch=repository)
    second = ensure_jars(seen.append, folder=tmp_path, pins=SMALL, fetch=repository)

    assert first == second
    assert [path.read_bytes() for path in first] == list(CONTENT.values())
    assert sorted(repository.asked) == sorted(CONTENT)
    assert seen == []
    assert sorted(tmp_path.iterdir()) == sorted(first)  # no scratch is left


def test_progress_only_grows_and_ends_complete(tmp_path):
    """The bar never jumps back, not even when a jar is tried again, and ends at the full size."""
    coordinate = SMALL[2].coordinate
    repository = Repository({coordinate: [b"\0" * 900, OSError("connection reset")]})
    seen: list[JarProgress] = []
    ensure_jars(seen.append, folder=tmp_path, pins=SMALL, fetch=repository)

    assert [each.bytes_done for each in seen] == sorted(each.bytes_done for each in seen)
    assert [each.jars_done for each in seen] == sorted(each.jars_done for each in seen)
    assert (seen[0].jars_done, seen[0].bytes_done) == (0, 0)
    total = sum(len(data) for data in CONTENT.values())
    assert seen[-1] == JarProgress(jars_done=6, jars=6, bytes_done=total, bytes=total)
    assert repository.asked.count(coordinate) == 3


@pytest.mark.parametrize("damage", [b"", b"half a j", b"\xff" * 1_000], ids=["empty", "cut", "altered"])
def test_a_damaged_jar_in_the_cache_is_fetched_again(tmp_path, damage):
    """Neither a cut nor an altered file of the right size is run."""
    paths = ensure_jars(folder=tmp_path, pins=SMALL, fetch=Repository())
    paths[0].write_bytes(damage)
    repository = Repository()

    ensure_jars(folder=tmp_path, pins=SMALL, fetch=repository)

    assert repository.asked == [SMALL[0].coordinate]
    assert is_intact(paths[0], SMALL[0])


def test_wrong_bytes_are_refused_whoever_sends_them(tmp_path):
    """A repository that keeps sending another file than the pinned one is an error, and its file is not kept."""
    forged = b"\7" * SMALL[1].size
    repository = Repository({SMALL[1].coordinate: [forged] * 9})

    with pytest.raises(BrokerError, match=r"could not download org.mill:wheel-1:1.0 .* its SHA-256 must be"):
        ensure_jars(folder=tmp_path, pins=SMALL, fetch=repository)

    assert not (tmp_path / SMALL[1].filename).exists()


def test_without_a_network_the_error_names_jar_reason_and_mirror_setting(tmp_path):
    """Somebody behind a firewall learns what to do."""
    repository = Repository({pin.coordinate: [OSError("Name or service not known")] * 9 for pin in SMALL})

    with pytest.raises(BrokerError, match=r"org.mill:wheel-\d:1.0.*: Name or service not known.*jgo.conf"):
        ensure_jars(folder=tmp_path, pins=SMALL, fetch=repository)


def test_a_cache_that_cannot_be_written_names_the_setting(tmp_path):
    """A read-only home folder is no dead end."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    with pytest.raises(BrokerError, match=r"could not store Kafka's jars in .*MILLRACE_CACHE names another place"):
        ensure_jars(folder=blocked / "jars", pins=SMALL, fetch=Repository())


def test_the_pins_are_one_kafka_without_two_versions_of_anything():
    """Two versions of a jar on one class path is a bug that shows only at run time."""
    artifacts = [pin.coordinate.rpartition(":")[0] for pin in PINS]
    assert len(set(artifacts)) == len(artifacts)
    assert PINS[0].coordinate == KAFKA
    version = KAFKA.rpartition(":")[2]
    assert {pin.coordinate.rpartition(":")[2] for pin in PINS if pin.coordinate.startswith("org.apache.kafka:")} == {
        version
    }
    assert any("log4j-slf4j-impl" in pin.coordinate for pin in PINS)
