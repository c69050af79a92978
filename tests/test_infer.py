"""Guesses about a file's columns, each of them one that a person would make, too."""

import pytest

from learners.target import Target
from streams.infer import CLASSES_MAX, InferError, feature_name, infer
from streams.values import LabelReader, feature_value

ROWS = 200


def table(**columns) -> list[dict]:
    """One row for each count; a column is a function of the row's number."""
    return [{name: cell(n) for name, cell in columns.items()} for n in range(ROWS)]


def guess(*, text=True, **columns):
    return infer(table(amount=lambda n: f"{n}.25" if text else n + 0.25, **columns), text=text)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (lambda n: str(n % 3), "integer"),
        (lambda n: str(n * 7 % 1000), "integer"),
        (lambda n: f"{n}.5", "numeric"),
        (lambda n: "" if n % 2 else "3", "integer"),
        (lambda n: "NA" if n % 2 else "3.5", "numeric"),
        (lambda n: str(n) if n % 2 else "1.5", "numeric"),
        (lambda n: "NL" if n % 2 else "DE", "categorical"),
        (lambda n: "true" if n % 2 else "false", "categorical"),
        (lambda n: f"0{n % 90:02d}", "categorical"),
        (lambda n: "1e3" if n % 2 else "-4", "numeric"),
        (lambda n: "yes" if n % 2 else "NA", "categorical"),
    ],
)
def test_a_column_of_a_csv_is_of_the_kind_its_cells_mean(cell, kind):
    """Few distinct integers stay integers; leading zeros are codes; a gap changes nothing."""
    assert guess(x=cell).features["x"] == kind


def test_json_types_are_believed():
    """A JSON text that looks like a number is a text: the worker would not take it for a number."""
    found = guess(
        text=False, a=lambda n: str(n % 5), b=lambda n: n % 2 == 0, c=lambda n: n / 2, d=lambda n: n % 3
    ).features

    assert found["a"] == "categorical"
    assert found["b"] == "categorical"
    assert found["c"] == "numeric"
    assert found["d"] == "integer"


@pytest.mark.parametrize(
    ("name", "cell", "why"),
    [
        ("order_id", lambda n: str(n * 7 % 100), "the id"),
        ("row", lambda n: str(n + 5), "running number"),
        ("note", lambda n: f"text {n}", "distinct values"),
        ("empty", lambda _: "", "always empty"),
        ("seen", lambda n: f"2026-01-01T00:00:{n % 60:02d}Z", "the time"),
        ("price", lambda n: f"{n},50", "decimal comma"),
        ("tags", lambda n: [n], "objects or lists"),
        ("age", lambda n: "?" if n == 9 else str(n * 3), "--missing '?'"),
    ],
)
def test_a_column_nothing_can_be_learnt_from_is_left_out_with_its_reason(name, cell, why):
    """Written into the file, so that a person can disagree."""
    found = guess(**{name: cell})

    assert why in found.left_out[name]
    assert name not in found.features


def test_a_second_id_and_a_second_time_are_left_out_too():
    """The first of each is the event's own; the others would leak identity, or date the model."""
    found = guess(
        event_id=lambda n: f"e{n}",
        customer_id=lambda n: f"c{n % 9}",
        at=lambda n: str(1_760_000_000 + n),
        shipped_at=lambda n: f"2026-02-{n % 28 + 1:02d}",
    )

    assert (found.id, found.time) == ("event_id", "at")
    assert set(found.features) == {"amount"}
    assert "identifier" in found.left_out["customer_id"]
    assert "a time" in found.left_out["shipped_at"]


def test_a_number_called_time_that_is_no_epoch_stays_a_number():
    """`time` in [0, 1], as Elec2's, or minutes: a feature."""
    assert guess(time=lambda n: f"{n / 200}").features["time"] == "numeric"


@pytest.mark.parametrize(
    ("cell", "task", "labels", "positive"),
    [
        (lambda n: str(int(n % 10 == 0)), "binary", (0, 1), 1),
        (lambda n: str(int(n % 10 != 0)), "binary", (0, 1), 1),
        (lambda n: "-1" if n % 3 else "1", "binary", (-1, 1), 1),
        (lambda n: "no" if n % 10 == 0 else "yes", "binary", ("no", "yes"), "yes"),
        (lambda n: "1" if n % 4 else "2", "binary", (1, 2), 2),
        (lambda n: "spam" if n % 4 else "ham", "binary", ("ham", "spam"), "spam"),
        (lambda n: "ja" if n % 4 else "nein", "binary", ("ja", "nein"), "ja"),
        (lambda n: n % 4 == 0, "binary", (False, True), True),
        (lambda n: "True" if n % 4 == 0 else "False", "binary", (False, True), True),
        (lambda n: "rare" if n % 10 == 0 else "usual", "binary", ("rare", "usual"), "rare"),
        (lambda n: "usual" if n % 10 == 0 else "rare", "binary", ("rare", "usual"), "usual"),
        (lambda n: "1.0" if n % 2 else "0.0", "binary", (0, 1), 1),
        (lambda n: f"{n % 2}.5", "binary", (0.5, 1.5), 0.5),
        (lambda n: "abc"[n % 3], "multiclass", ("a", "b", "c"), None),
        (lambda n: str(n % 7 + 1), "multiclass", (1, 2, 3, 4, 5, 6, 7), None),
        (lambda n: ("1", "2", "other")[n % 3], "multiclass", ("1", "2", "other"), None),
        (str, "regression", (), None),
        (lambda n: f"{n % 5}.5", "regression", (), None),
    ],
)
def test_the_task_and_the_labels_follow_from_the_label_column(cell, task, labels, positive):
    """Two values: binary, positive the one that says yes, else the rarer; few and whole or texts: classes."""
    target = guess(outcome=cell).target

    assert (target.task, target.labels) == (task, labels)
    assert [type(label) for label in target.labels] == [type(label) for label in labels]
    if labels != (0.5, 1.5):
        assert target.positive == positive


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize(
    "cell",
    [
        lambda n: str(n % 2),
        lambda n: f"{n % 2}.0",
        lambda n: "yn"[n % 2],
        lambda n: ("1", "2", "x")[n % 3],
        lambda n: n % 2 == 0,
        lambda n: n % 5,
        lambda n: f"00{n % 3}",
        lambda n: n / 3,
        lambda n: f"{n}.5" if n % 9 else "",
    ],
)
def test_every_label_of_the_file_can_be_sent_under_the_target_it_gave(text, cell):
    """What `init` infers, `produce` accepts: same file, no bad row."""
    if not text and cell(1) == "1.5":
        pytest.skip("a JSON text is no number")
    target = guess(text=text, label=cell).target
    reader = LabelReader(Target(kind=target.task, labels=target.labels, positive=target.positive))

    for n in range(ROWS):
        read = reader.read(cell(n))
        assert (read is None) == (cell(n) == "")


@pytest.mark.parametrize("text", [True, False])
def test_every_feature_of_the_file_can_be_sent_under_the_kind_it_gave(text):
    """The same for features, whatever mixture the columns are."""
    columns = {
        "a": lambda n: n % 3 if not text else str(n % 3),
        "b": lambda n: ("" if text else None) if n % 4 else ("2.5" if text else 2.5),
        "c": lambda n: "NA" if n % 5 else "4",
        "d": lambda n: ["x", "y", "z", ""][n % 4],
        "e": lambda n: n % 2 == 0,
    }
    found = guess(text=text, **columns)

    for row in table(**columns):
        for name, cell in row.items():
            if name in found.features:
                feature_value(cell, found.features[name])


def test_names_that_no_feature_may_have_are_changed_and_the_column_is_remembered():
    """And a second column of the same new name is left out, not overwritten."""
    found = guess(**{"hours per week": lambda n: str(n % 9), "hours/per/week": lambda n: str(n % 8)})

    assert found.columns["hours_per_week"] == "hours per week"
    assert "hours_per_week" in found.left_out["hours/per/week"]
    assert feature_name("x" * 100) == "x" * 64
    assert feature_name("  ") == "_"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"label": "nope"}, "--label must be one of the columns amount, y; got 'nope'"),
        ({"id_column": "nope"}, "--id must be"),
        ({"label": "y", "task": "regression"}, "must hold numbers for regression"),
        ({"label": "amount", "task": "binary"}, "must have"),
        ({"label": "amount", "task": "multiclass"}, f"at most {CLASSES_MAX}"),
    ],
)
def test_what_cannot_be_is_said(arguments, said):
    """In the words of the command line, with what there is to choose from."""
    with pytest.raises(InferError, match=said):
        infer(table(amount=lambda n: f"{n}.25", y=lambda n: "ab"[n % 2]), text=True, **arguments)


def test_no_rows_one_label_and_no_feature_are_told():
    """Nothing to learn is said at once."""
    with pytest.raises(InferError, match="at least one row"):
        infer([], text=True)
    with pytest.raises(InferError, match="two distinct values"):
        infer(table(a=lambda n: f"{n}.5", y=lambda _: "1"), text=True)
    with pytest.raises(InferError, match="at least one column to learn from; left out: id"):
        infer(table(id=str, y=lambda n: str(n % 2)), text=True)
