"""The benchmarks are measured elsewhere; here it is only held that their parts fit together."""

import importlib
import re

import pytest

from bench.__main__ import BENCHES
from bench.beside import RIVALS
from bench.rivals.job import Baselines, answer
from bench.rivals.python import ROOT
from bench.tables import PAGE, PARTS
from learners.baselines import baselines
from learners.target import Target


@pytest.mark.parametrize("part", ["beside", "trickle", "alerting", "monitor_rate", "growth", "scaling", "waiting"])
def test_a_part_of_the_benchmarks_can_be_asked_what_it_measures(part, capsys, monkeypatch):
    """It is among those that `python -m bench` runs, and its help says what its figures mean."""
    assert part in BENCHES
    module = importlib.import_module(f"bench.{part}")
    monkeypatch.setattr("sys.argv", [part, "--help"])
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 0
    assert f"python -m bench.{part}" in capsys.readouterr().out


def test_every_table_has_its_place_in_the_documentation():
    """And no place waits for a table that nothing writes."""
    marks = re.findall(r"<!-- (\w+) -->\n", PAGE.read_text(encoding="utf-8"))
    assert [mark for mark in marks if mark != "end"] == list(PARTS)
    assert marks.count("end") == len(PARTS)


def test_every_rival_is_a_program_of_its_own():
    """What the table names can be read in bench/rivals."""
    for module in RIVALS.values():
        assert "def main()" in (ROOT / "bench" / "rivals" / f"{module}.py").read_text(encoding="utf-8")


def test_rivals_publish_what_millrace_publishes_of_its_baselines():
    """The same bytes on the wire: else the comparison would be with programs that do less."""
    theirs, ours = Baselines(), baselines(Target(kind="binary", labels=(0, 1), positive=1))
    for label in (1, 0, 0, 1, 1):
        said = {name: baseline.predict()._asdict() for name, baseline in ours.items()}
        assert theirs.said() == said
        theirs.learn(label)
        for baseline in ours.values():
            baseline.learn(label)


def test_rivals_read_rivers_answer_as_millrace_does():
    """Nothing learnt is no prediction; a tie is the negative label."""
    assert answer({}) == (None, None)
    assert answer({False: 1.0}) == (0, {"0": 1.0, "1": 0.0})
    assert answer({False: 0.5, True: 0.5}) == (0, {"0": 0.5, "1": 0.5})
    assert answer({False: 0.25, True: 0.75}) == (1, {"0": 0.25, "1": 0.75})
