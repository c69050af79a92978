"""Rows of a CSV, JSON Lines or Parquet file, one at a time: memory does not grow with the file.

A row that cannot be read is an item of its own, `BadRow`, so that the caller decides whether it ends the run.
Nothing is converted here: a CSV's cells stay text, JSON and Parquet keep their types.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import msgspec

from streams.errors import MillraceError

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""By the file's suffix; `.gz` after it is unpacked on the way."""

LINE_BYTES_MAX = 8 * 1024 * 1024
"""A longer line is a bad row: without a bound, a file without line ends would fill the memory."""
_PARQUET_ROWS = 4_096
_DELIMITERS = ",;\t|"


class RowsError(MillraceError):
    """The file as a whole cannot be read as what it is said to be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record by column; `number` is its line in a CSV or JSON Lines file, or its count in a Parquet file."""

    number: int
    count: int
    """Position among the file's records, from 1, the bad ones counted too."""
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot be read. The problem names no value."""

    number: int
    count: int
    problem: str


class Rows:
    r"""The rows of one file or of standard input; iterate once.

    >>> import io
    >>> rows = Rows(io.BytesIO(b"amount,country\n12.5,NL\n7\n"), "csv", "events.csv")
    >>> [(type(row).__name__, row.number) for row in rows], rows.columns
    ([('Row', 2), ('BadRow', 3)], ['amount', 'country'])
    """

    def __init__(self, stream: BinaryIO, form: Format, name: str, *, size: int | None = None) -> None:
        self.name = name
        """As it is called in messages."""
        self.form = form
        self.columns: list[str] = []
        """Known from the start for Parquet, from the first row for CSV, never for JSON Lines."""
        self._raw = stream
        self._size = size
        self._ended = False
        self._rows_total: int | None = None
        self._rows_read = 0

    @property
    def fraction(self) -> float | None:
        """Share of the file that has been read, in [0, 1]; None while nobody can know."""
        if self._ended:
            return 1.0
        if self._rows_total is not None:
            return self._rows_read / max(self._rows_total, 1)
        if not self._size:
            return None
        try:
            return min(1.0, self._raw.tell() / self._size)
        except (OSError, ValueError):
            return None

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Rows in the file's order; raises RowsError where the file is not what it is said to be. Closes the file."""
        try:
            if self.form == "parquet":
                yield from self._parquet()
            else:
                lines = _Lines(self._unpacked(), self.name)
                yield from self._csv(lines) if self.form == "csv" else self._jsonl(lines)
            self._ended = True
        finally:
            self._raw.close()

    def _unpacked(self) -> BinaryIO:
        buffered = (
            self._raw
            if isinstance(self._raw, io.BufferedReader)
            else io.BufferedReader(cast("io.RawIOBase", self._raw))
        )
        if buffered.peek(2)[:2] == b"\x1f\x8b":
            return cast("BinaryIO", gzip.GzipFile(fileobj=buffered))
        return buffered

    def _csv(self, lines: _Lines) -> Iterator[Row | BadRow]:
        header = next(lines, "")
        if not header.strip():
            raise RowsError(
                f"{self.name} must begin with a line of column names, got {'an empty line' if header else 'nothing'}"
            )
        problem = lines.take_problem()
        if problem is not None:
            raise RowsError(f"{self.name}, line 1 {problem}")
        delimiter = max(_DELIMITERS, key=header.count)
        self.columns = _checked_columns(next(csv.reader([header], delimiter=delimiter)), self.name)
        reader = csv.reader(lines, delimiter=delimiter)
        for count in range(1, sys.maxsize):
            number = lines.number + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield BadRow(number, count, f"could not be read as CSV: {error} (is a quote left open?)")
                continue
            if cells is None:
                return
            if not cells:  # a blank line
                continue
            yield self._csv_row(number, count, cells, lines.take_problem())

    def _csv_row(self, number: int, count: int, cells: list[str], problem: str | None) -> Row | BadRow:
        if problem is not None:
            return BadRow(number, count, problem)
        if len(cells) != len(self.columns):
            return BadRow(number, count, f"must have {len(self.columns)} cells as the header does, got {len(cells)}")
        return Row(number, count, dict(zip(self.columns, cells, strict=True)))

    def _jsonl(self, lines: _Lines) -> Iterator[Row | BadRow]:
        count = 0
        for line in lines:
            number, problem = lines.number, lines.take_problem()
            if not line.strip():
                continue
            count += 1
            if problem is None:
                try:
                    values = msgspec.json.decode(line)
                except msgspec.DecodeError as error:
                    problem = f"must be a JSON object: {str(error)[:1].lower()}{str(error)[1:]}"
                else:
                    if isinstance(values, dict):
                        yield Row(number, count, values)
                        continue
                    problem = f"must be a JSON object, got {_json_kind(values)}"
            yield BadRow(number, count, problem)

    def _parquet(self) -> Iterator[Row | BadRow]:
        import pyarrow as pa  # noqa: PLC0415 - 0.2 s that CSV users need not wait
        import pyarrow.parquet as pq  # noqa: PLC0415

        if not self._raw.seekable():  # a Parquet file's index is at its end
            spool = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed with the iteration
            shutil.copyfileobj(self._raw, spool)
            spool.seek(0)
            self._raw = spool
        try:
            file = pq.ParquetFile(self._raw)
        except (pa.ArrowInvalid, OSError) as error:
            raise RowsError(f"{self.name} must be a Parquet file: {str(error).splitlines()[0]}") from error
        self.columns = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]
        self._rows_total = file.metadata.num_rows
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=self.columns):
            for values in batch.to_pylist():
                self._rows_read += 1
                yield Row(self._rows_read, self._rows_read, values)


def open_rows(source: str | Path, form: Format | None = None) -> Rows:
    """Rows of the file at `source`, or of standard input for `-`; raises RowsError.

    Without `form` the suffix says what it is. A first look at the bytes refuses files that are something else.
    """
    if str(source) == "-":
        if form is None:
            raise RowsError("standard input has no suffix: say --format csv, jsonl or parquet")
        return Rows(sys.stdin.buffer, form, "standard input")
    path = Path(source)
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    said = form or FORMATS.get(suffix.lower())
    try:
        stream = path.open("rb")
        head = stream.peek(4096)
    except OSError as error:
        raise RowsError(f"{path} could not be read: {(error.strerror or str(error)).lower()}") from error
    if said is None:
        stream.close()
        raise RowsError(f"{path} must end in {', '.join(FORMATS)}, or say --format csv, jsonl or parquet")
    problem = _not_what_it_says(head, said)
    if problem:
        stream.close()
        raise RowsError(f"{path} {problem}")
    return Rows(cast("BinaryIO", stream), said, str(path), size=path.stat().st_size if path.is_file() else None)


class _Lines:
    """Lines of a byte stream as text; iterating never raises for a line's sake, `take_problem` tells."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._problem: str | None = None
        self.number = 0
        """Of the line handed out last, from 1."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._stream.readline(LINE_BYTES_MAX)
            if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
                self._problem = f"is a line of more than {LINE_BYTES_MAX // 1024 // 1024} MiB"
                while line and not line.endswith(b"\n"):
                    line = self._stream.readline(LINE_BYTES_MAX)
                line = b"-\n"
        except (OSError, EOFError) as error:  # a truncated or damaged .gz
            raise RowsError(f"{self._name} could not be read beyond line {self.number}: {error}") from error
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self._problem = f"must be UTF-8, got byte 0x{line[error.start]:02x} at position {error.start + 1} of a line"
            return line.decode(errors="replace")

    def take_problem(self) -> str | None:
        """What was wrong with the lines since the last call."""
        problem, self._problem = self._problem, None
        return problem


def _checked_columns(names: list[str], file: str) -> list[str]:
    columns = [name.strip() or f"column_{place}" for place, name in enumerate(names, 1)]
    twice = [name for name, times in Counter(columns).items() if times > 1]
    if twice:
        raise RowsError(f"{file} must name every column once, got {', '.join(map(repr, twice))} more than once")
    return columns


def _not_what_it_says(head: bytes, said: Format) -> str | None:  # noqa: PLR0911 - a list of reasons
    text = head.lstrip(b" \t\r\n\xef\xbb\xbf")
    if not text:
        return "must hold rows, got an empty file"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "must be UTF-8, got UTF-16: save it as UTF-8"
    if head.startswith(b"PK\x03\x04"):
        return "is a zip archive or a spreadsheet: export it as CSV"
    if head.startswith(b"PAR1") != (said == "parquet"):
        return f"is {'a' if said != 'parquet' else 'not a'} Parquet file, whatever its name says: set --format"
    if said == "csv" and text.startswith(b"{"):
        return "looks like JSON Lines: --format jsonl"
    if said == "jsonl" and text.startswith(b"["):
        return "must have one JSON object on each line, got one array: `jq -c '.[]'` makes lines of it"
    if said != "parquet" and b"\x00" in head and not head.startswith(b"\x1f\x8b"):
        return "is not a text file"
    return None


def _json_kind(value: object) -> str:
    names = {list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
