"""Foreign text in lines of output."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.cli.alerts import report_path
from streams.cli.subject_lines import block, subject_line, subject_text
from streams.cli.wording import iso_time, local_time, one_line
from streams.config import Config


@given(st.text())
def test_one_line_is_one_printable_line_of_as_many_characters(text):
    """No character can move the cursor, break the line or turn its direction."""
    line = one_line(text)

    assert len(line) == len(text)
    assert line.isprintable()


NUMBERS = st.integers(-(10**400), 10**400) | st.floats() | st.booleans() | st.none()
FIELDS = st.sampled_from(["subject", "aspect", "bet", "source", "value", "threshold", "strength", "detail"])


@given(st.dictionaries(FIELDS, st.text() | NUMBERS | st.lists(NUMBERS, max_size=2)))
def test_a_subject_of_any_form_makes_a_printable_line(subject):
    """Whoever wrote the record: it is shown, never raised over, in a line that ends somewhere."""
    assert subject_line(subject).isprintable()
    assert subject_text([subject] * 7).plain.endswith("and 2 more")


def test_a_p_value_of_nothing_is_not_three_hundred_digits():
    """Strength is its threshold over it, bounded by 1e300."""
    shown = subject_text([{"subject": "feature:x", "source": "ks", "value": 0.0, "threshold": 0.05, "strength": 1e300}])

    assert shown.plain == "feature:x  ?  ks 0 < 0.05  far beyond the threshold"


@given(st.integers())
def test_any_time_on_the_wire_can_be_shown(ms):
    """Even one that no calendar has."""
    assert iso_time(ms)
    assert local_time(ms)


def test_markup_in_a_block_is_text():
    """Rich reads no tags in it."""
    assert "[red]x[/red]" in block([("title", "[red]x[/red]"), ("none", "")]).plain


def test_a_report_outside_of_its_folder_is_no_path(tmp_path):
    """A record may name any file."""
    config = Config.model_validate(
        {
            "name": "shop",
            "root": tmp_path,
            "target": {"task": "binary", "labels": [0, 1], "positive": 1},
            "features": {"amount": "numeric"},
            "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        }
    )

    assert report_path(config, "../../etc/passwd") is None
    assert report_path(config, "i1/report.html") == tmp_path / "reports" / "i1" / "report.html"
