"""Keys come from a setting or a private file, are long enough, and are never shown."""

import os
import stat
import threading

import pytest

from streams.errors import ConfigError
from streams.state.keyring import Keyring

LONG, OTHER = "k" * 32, "o" * 40


def test_the_first_key_signs_and_the_others_are_accepted():
    """One setting holds the current key and those it replaced, by commas or white space."""
    for value in (f"{LONG},{OTHER}", f" {LONG}\n{OTHER} "):
        ring = Keyring.from_settings(value)
        assert ring.current == LONG.encode()
        assert ring.others == (OTHER.encode(),)
        assert ring == Keyring(LONG.encode(), (OTHER.encode(),))


def test_is_never_shown():
    """Neither repr nor str tells a key: they end in logs."""
    ring = Keyring(LONG.encode(), (OTHER.encode(),))
    assert LONG not in f"{ring!r} {ring}"
    assert OTHER not in f"{ring!r} {ring}"


@pytest.mark.parametrize("value", ["k" * 31, f"{LONG},short"])
def test_refuses_a_short_key(value):
    """31 bytes are too few, in any place; the text does not repeat the key."""
    with pytest.raises(ConfigError, match=r"state\.key must hold keys of at least 32 bytes") as caught:
        Keyring.from_settings(value)
    assert value not in str(caught.value)
    with pytest.raises(ConfigError, match="at least 32 bytes"):
        Keyring(b"a" * 32, (b"x",))


def test_makes_a_private_file_once(tmp_path):
    """The first start makes a random key for its owner alone; later starts read the same one."""
    file = tmp_path / "keys" / "state.key"
    ring = Keyring.from_settings(file=file, create=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(ring.current) == 64
    assert Keyring.from_settings(file=file, create=True) == ring == Keyring.from_settings(file=file)
    assert list(file.parent.iterdir()) == [file]
    assert Keyring.from_settings(file=tmp_path / "second", create=True) != ring


def test_does_not_make_one_where_it_would_not_be_shared(tmp_path):
    """Beside an object store a key of this machine's own would sign what no other machine can read."""
    with pytest.raises(ConfigError, match=r"state\.key_file must be a file that can be read"):
        Keyring.from_settings(file=tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"state\.key must be set"):
        Keyring.from_settings()


def test_two_processes_that_start_at_once_have_one_key(tmp_path):
    """Whoever loses the race reads the winner's whole file."""
    file, rings, start = tmp_path / "state.key", [], threading.Barrier(8)

    def begin():
        start.wait()
        rings.append(Keyring.from_settings(file=file, create=True))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 8
    assert all(ring == rings[0] for ring in rings)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o601])
def test_refuses_a_file_that_others_may_use(tmp_path, mode):
    """A key that others can read or replace protects nothing; the mending command is in the text."""
    file = tmp_path / "state.key"
    file.write_text(LONG)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=r"readable by its owner alone, got mode .*: chmod 600"):
        Keyring.from_settings(file=file)


def test_a_setting_comes_before_the_file(tmp_path):
    """With both, the file is not even read."""
    assert Keyring.from_settings(LONG, tmp_path / "absent").current == LONG.encode()


def test_a_file_may_hold_remarks(tmp_path):
    """Empty lines and lines that start with # are not keys; a file of nothing else is refused."""
    file = tmp_path / "state.key"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, f"# since May\n\n{LONG}\n{OTHER}\n".encode())
    os.close(descriptor)
    assert Keyring.from_settings(file=file) == Keyring(LONG.encode(), (OTHER.encode(),))
    file.write_text("# nothing\n")
    with pytest.raises(ConfigError, match="at least one key"):
        Keyring.from_settings(file=file)
    file.write_bytes(b"\xff" * 40)
    with pytest.raises(ConfigError, match="must be text"):
        Keyring.from_settings(file=file)
