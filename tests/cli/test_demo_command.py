"""`millrace demo`, whole: a real Kafka, a real worker and monitor."""

import json
import subprocess
import sys

import psutil
import pytest

from streams.config_file import load

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def run(folder, *arguments, timeout=120):
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "demo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)


def test_the_demo_learns_every_row_of_any_file_and_leaves_nothing_running(tmp_path):
    """Each row of the file is predicted, joined and learnt once; scores stand beside baselines; all processes end."""
    lines = ["amount,kind,fraud"] + [f"{n % 97},{'ab'[n % 2]},{int(n % 97 > 60)}" for n in range(2_000)]
    (tmp_path / "pay.csv").write_text("\n".join(lines))

    done = run(tmp_path, "--data", "pay.csv", "--label", "fraud", "--rate", "0", "--json", "out.json")

    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((tmp_path / "out.json").read_text())
    assert (result["events"], result["examples"]) == (2_000, 2_000)
    assert [change["at"] for change in result["changes"]] == [800, 1_500]
    assert {"linear", "tree", "no_change", "prior"} == set(result["scores"])
    assert set(result["promises"].values()) <= {True, None}  # None: with nothing retrained there is nothing to judge
    assert result["promises"]["learnt"]
    assert "promises kept (millrace verify)" in done.stdout
    assert "2,000 events predicted, 2,000 labels joined and learnt" in done.stdout
    assert "live page while this runs (--keep leaves it open): http://127.0.0.1:" in done.stderr
    load(tmp_path / ".millrace/demo/millrace.toml")  # a config like any other, there to be looked at
    left = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert left == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--inject", "everything"], "--inject must be both, covariate, concept or none"),
        (["--data", "no.csv", "--label", "x"], "no.csv"),
        (["--data", "no.csv"], "--label must name the column"),
        (["--folder", "mine"], "with other files"),
    ],
)
def test_a_wrong_word_is_told_before_anything_starts(tmp_path, arguments, said):
    """One line, exit code 1, and a folder that is not the demo's is never touched."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")

    done = run(tmp_path, *arguments)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "mine" / "thesis.tex").exists()
