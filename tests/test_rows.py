"""Rows of people's files: one at a time, the bad ones told by line, files that are something else refused."""

import gzip
import io
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rows import LINE_BYTES_MAX, BadRow, Row, Rows, RowsError, open_rows


def read(content: bytes, form="csv") -> list:
    return list(Rows(io.BytesIO(content), form, "file"))


def values(rows) -> list[dict]:
    return [row.values for row in rows if isinstance(row, Row)]


def bad(rows) -> list[tuple[int, str]]:
    return [(row.number, row.problem) for row in rows if isinstance(row, BadRow)]


@pytest.fixture
def write(tmp_path):
    def put(name, content: bytes):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return put


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(delimiter):
    """German spreadsheets write semicolons; nobody has to say so."""
    assert (
        values(read(f"a{delimiter}b\n1{delimiter}2,5\n".encode()) if delimiter != "," else read(b"a,b\n1,2\n"))[0]["a"]
        == "1"
    )


def test_quotes_blank_lines_and_a_byte_order_mark_are_read_as_spreadsheets_write_them():
    """A quoted cell may hold the delimiter and a line end."""
    rows = read(b'\xef\xbb\xbfa,b\r\n"1,5","x\ny"\r\n\r\n2,z\r\n')

    assert values(rows) == [{"a": "1,5", "b": "x\ny"}, {"a": "2", "b": "z"}]


def test_a_row_is_told_by_the_line_it_begins_at():
    """Also after a cell of several lines, which shifts lines against rows."""
    rows = read(b'a,b\n"x\ny",1\nonly one\n3,4\n')

    assert [(type(row).__name__, row.number, row.count) for row in rows] == [
        ("Row", 2, 1),
        ("BadRow", 4, 2),
        ("Row", 5, 3),
    ]


def test_bad_rows_do_not_hide_the_good_ones_after_them():
    """Wrong cell counts and bad UTF-8 each cost one row; the message holds no value."""
    rows = read(b"a,b\n1,2\n1,2,secret\nx\xff,2\n5,6\n")

    assert values(rows) == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
    assert [number for number, _ in bad(rows)] == [3, 4]
    assert "UTF-8" in bad(rows)[1][1]
    assert "secret" not in str(bad(rows))


def test_the_last_line_needs_no_line_end():
    """Half of the files in the world lack it."""
    assert values(read(b"a\n1\n2")) == [{"a": "1"}, {"a": "2"}]


def test_a_quote_left_open_is_told_at_its_line_and_not_as_a_traceback():
    """It swallows what follows, as far as csv lets it."""
    rows = read(b'a,b\n1,"open\n' + b"2,3\n" * 60_000)

    assert bad(rows)[0][0] == 2
    assert "quote" in bad(rows)[0][1]


def test_a_header_names_every_column_once_and_a_nameless_one_gets_its_place():
    """Pandas writes its index without a name."""
    assert values(read(b",a\n0,1\n")) == [{"column_1": "0", "a": "1"}]
    with pytest.raises(RowsError, match="'a' more than once"):
        read(b"a,a\n1,2\n")


def test_a_file_without_a_line_end_cannot_fill_the_memory():
    """A line beyond the bound is one bad row, and the next line is read."""
    content = b"a\n" + b"x" * (8 * LINE_BYTES_MAX) + b"\nnext\n"
    tracemalloc.start()
    rows = read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert values(rows) == [{"a": "next"}]
    assert "MiB" in bad(rows)[0][1]
    assert peak < 5 * LINE_BYTES_MAX


@given(
    st.lists(
        st.dictionaries(
            st.text(min_size=1, max_size=5),
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_json_lines_come_back_as_they_were_written(documents):
    """Any text, any plain value; types are kept."""
    content = "".join(json.dumps(document) + "\n" for document in documents).encode()

    assert values(read(content, "jsonl")) == documents


@given(st.binary(max_size=300), st.sampled_from(["csv", "jsonl"]))
def test_no_bytes_at_all_make_it_raise_anything_but_rows_error(content, form):
    """Whatever the file is, the answer is rows, bad rows, or one sentence."""
    try:
        rows = read(content, form)
    except RowsError:
        return
    assert all(isinstance(row, (Row, BadRow)) for row in rows)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "must be a JSON object"),
        (b"[1]", "got an array"),
        (b"3", "got a number"),
        (b"null", "got null"),
        (b'{"a": NaN}', "must be a JSON object"),
        (b'{"a": "\xff"}', "UTF-8"),
    ],
)
def test_a_line_that_is_no_json_object_is_one_bad_row(line, said):
    """NaN is not JSON, whatever Python writes."""
    rows = read(b'{"a": 1}\n\n' + line + b'\n{"a": 2}\n', "jsonl")

    assert values(rows) == [{"a": 1}, {"a": 2}]
    assert bad(rows)[0][0] == 3
    assert said in bad(rows)[0][1]


def test_parquet_keeps_types_and_drops_the_index_of_pandas(tmp_path):
    """Nulls are None; `__index_level_0__` is nobody's feature."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1, None], "b": ["x", "y"], "__index_level_0__": [0, 1]}), path)

    rows = open_rows(path)

    assert values(rows) == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
    assert rows.fraction == 1.0


def test_parquet_can_come_through_a_pipe(tmp_path):
    """Its index is at the end, so it waits on disk, not in memory."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    assert values(Rows(Pipe(path.read_bytes()), "parquet", "standard input")) == [{"a": 1}, {"a": 2}]


def test_a_compressed_file_is_unpacked_and_a_damaged_one_told(write):
    """By its bytes, not its name; a download that broke off is said to have."""
    content = gzip.compress(b"a,b\n" + b"1,2\n" * 50_000)

    assert len(values(open_rows(write("rows.csv.gz", content)))) == 50_000
    assert len(values(open_rows(write("rows.csv", content)))) == 50_000
    with pytest.raises(RowsError, match="beyond line"):
        list(open_rows(write("half.csv.gz", content[: len(content) // 2])))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"", "empty file"),
        ("rows.csv", b"  \n\n", "empty file"),
        ("rows.csv", b"PAR1....", "Parquet file, whatever its name says"),
        ("rows.parquet", b"a,b\n1,2\n", "not a Parquet file"),
        ("rows.parquet", b"PAR1 but broken", "must be a Parquet file"),
        ("rows.csv", b"PK\x03\x04....", "spreadsheet"),
        ("rows.csv", "a,b\n".encode("utf-16"), "UTF-16"),
        ("rows.csv", b'{"a": 1}\n', "looks like JSON Lines"),
        ("rows.json", b'[{"a": 1}]', "one array"),
        ("rows.csv", b"\x7fELF\x00\x00\x00", "not a text file"),
        ("rows.xlsx", b"a,b\n", "must end in"),
        ("rows", b"a,b\n", "--format"),
    ],
)
def test_a_file_that_is_something_else_is_refused_in_words(write, name, content, said):
    """What it is and what to do, before anything is sent."""
    with pytest.raises(RowsError, match=said.replace("(", r"\(")):
        list(open_rows(write(name, content)))


def test_a_missing_file_a_folder_and_standard_input_without_a_format_are_told(tmp_path):
    """No traceback for any of them."""
    for source, said in ((tmp_path / "no.csv", "no such file"), (tmp_path, "directory"), ("-", "--format")):
        with pytest.raises(RowsError, match=said):
            open_rows(source)


def test_the_share_that_is_read_grows_to_all_of_it(write):
    """What the progress bar shows."""
    rows = open_rows(write("rows.csv", b"a\n" + b"1\n" * 200_000))
    shares = [rows.fraction for _ in rows]

    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert shares[-1] == 1.0
