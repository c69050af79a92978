"""`millrace scorecard` on files: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from streams.cli.main import run
from streams.config_file import load
from streams.stable_stretch import budget_of, from_examples, from_predictions

CONFIG = """
name = "shop"
[target]
task = "binary"
labels = ["no", "yes"]
positive = "yes"
[features]
amount = "numeric"
items = "integer"
country = "categorical"
[models.candidates.champion]
model = "logistic_regression"
[drift]
window_rows = 200
reference.rows = 400
false_alarms = "1 per 2000 events"
"""
FEW = ["--events", "1000", "--repeats", "1"]


@pytest.fixture
def shop(tmp_path):
    """A config and 900 rows of a shop, with labels that follow the amount."""
    rng = np.random.default_rng(1)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["amount", "items", "country", "fraud"])
        for _ in range(900):
            amount = rng.normal()
            writer.writerow(
                [
                    f"{amount:.4f}",
                    rng.poisson(3),
                    rng.choice(["NL", "PE"]),
                    "yes" if amount + rng.normal() > 1 else "no",
                ]
            )
    (tmp_path / "millrace.toml").write_text(CONFIG)
    return tmp_path


def asked(shop, *arguments):
    return run(["scorecard", "--config", str(shop / "millrace.toml"), *arguments])


def test_a_file_gets_a_scorecard_as_json_and_as_a_page(shop, capsys):
    """One document on stdout, everybody in it; the page says the same, and nothing of it runs."""
    page = shop / "card.html"

    code = asked(shop, "--from", str(shop / "rows.csv"), "--label", "fraud", "--json", "--html", str(page), *FEW)

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (told["pipeline"], told["from"], told["rows"], told["losses"]) == ("shop", "rows.csv", 900, True)
    assert told["settings"]["events_per_alarm"] == 2000
    assert [each["name"] for each in told["contenders"]][::14] == ["millrace", "always fires"]
    assert {"shift", "scale", "swap", "birth", "death", "missing", "correlation"} == {
        c["kind"] for c in told["changes"]
    }
    assert any("900 rows are few" in note or "Too few events" in note for note in told["cannot_tell"])
    text = page.read_text()
    assert "rows.csv" in text
    assert "<script" not in text


def test_in_a_pipe_there_are_columns_and_what_it_cannot_tell(shop, capsys):
    """Tab-separated tables; without labels no change of labels is tried, and that is said."""
    assert asked(shop, "--from", str(shop / "rows.csv"), *FEW) == 0

    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].split("\t")[:2] == ["contender", "false alarms per 100,000"]
    assert next(line for line in lines if line.startswith("never fires")).split("\t")[1] == "0"
    assert not any(line.startswith("label swap") for line in lines)
    assert any("no losses in this source" in line for line in lines)
    assert "\x1b" not in shown.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from", "nothing-there"], "--from must be examples, predictions or a file, got 'nothing-there'"),
        (["--from", "gone.csv"], "could not be read"),
        (["--from", "ROWS", "--label", "churn"], "--from must have every feature and the label, got no column churn"),
        (["--from", "ROWS", "--label", "amount"], "--label line 2 must be one of 'no', 'yes'"),
        (["--from", "ROWS", "--since", "1h"], "--since must be for a topic"),
        (["--from", "predictions", "--label", "fraud"], "--label must be of a file"),
        (["--from", "ROWS", "--set", "drift.false_alarms=1 per week"], "must be in events for rows without times"),
        (["--from", "ROWS", "--set", 'features.amount="integer"'], "line 2 must be a whole number"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_line(shop, capsys, arguments, says):
    """Exit code 1, and the words name what to mend."""
    rows = str(shop / "rows.csv")

    assert asked(shop, *(rows if each == "ROWS" else each for each in arguments)) == 1

    assert says in capsys.readouterr().err


def test_too_few_rows_are_refused(shop, capsys):
    """A card of them would be noise."""
    lines = (shop / "rows.csv").read_text().splitlines()
    (shop / "few.csv").write_text("\n".join(lines[:200]))

    assert asked(shop, "--from", str(shop / "few.csv")) == 1

    assert "--from must hold at least 300 rows, got 199" in capsys.readouterr().err


def prediction(number, **fields):
    record = {
        "id": f"o-{number}", "features": {"amount": float(number), "items": 2}, "prediction": "no",
        "probabilities": None, "model": "champion", "version": 0, "candidates": {}, "source": number,
        "event_ms": 1000 * number,
    }  # fmt: skip
    return json.dumps(record | fields).encode()


def example(number, **fields):
    more = {"label": "yes" if number % 4 == 0 else "no", "label_source": [0, number], "closed": 0, "label_ms": 5}
    return prediction(number, **more | fields)


def test_records_that_say_nothing_new_are_no_rows(shop):
    """What is said twice after a crash, a correction, and somebody else's record."""
    config = load(shop / "millrace.toml")
    predictions = [(0, prediction(n)) for n in range(400)]
    extra = [(0, prediction(7)), (0, b"{}"), (0, prediction(401, features={"amount": "text"})), (1, prediction(7))]
    correction = example(900, kind="correction", label_before="no")

    assert from_predictions(config, predictions + extra).rows == 401
    stretch = from_examples(config, [*map(example, range(400)), example(3), correction, b"x"], 1)
    assert stretch.rows == 400
    assert stretch.losses.tolist() == [float(number % 4 == 0) for number in range(400)]
    assert stretch.swapped_losses.tolist() == [float(number % 4 != 0) for number in range(400)]


def test_a_budget_in_time_becomes_one_in_events_by_the_stretch_s_own_rate(shop):
    """One row a second: a false alarm an hour is one in 3,600 events."""
    config = load(shop / "millrace.toml", {"drift.false_alarms": "1 per hour"})
    stretch = from_predictions(config, [(0, prediction(n)) for n in range(1001)])

    budget = budget_of(config, stretch)

    assert budget.allowance.events_per_alarm() == pytest.approx(3600, rel=0.01)
    assert set(budget.columns) == {"amount", "items", "country"}
    assert budget.loss is None


def test_a_regression_brings_losses_of_any_size(shop):
    """The distance from the label; a swapped label is one standard deviation of the labels further away."""
    target = '[target]\ntask = "regression"\n'
    (shop / "millrace.toml").write_text(
        CONFIG.replace('[target]\ntask = "binary"\nlabels = ["no", "yes"]\npositive = "yes"\n', target).replace(
            "logistic_regression", "linear_regression"
        )
    )
    config = load(shop / "millrace.toml")
    told = [example(number, label=float(number % 5), prediction=1.0) for number in range(400)]

    stretch = from_examples(config, told, 1)

    assert not stretch.indicator
    assert stretch.losses[:5].tolist() == [1.0, 0.0, 1.0, 2.0, 3.0]
    assert (stretch.swapped_losses - stretch.losses).tolist() == pytest.approx([2**0.5] * 400)
    assert budget_of(config, stretch).loss == "numeric"
