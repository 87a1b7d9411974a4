"""Tests of recordings in CSV files: each is checked as a whole, and read exactly."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from oracle.core.errors import DataError
from oracle.sources.replay.csv_file import load_csv


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "series.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


HEAD = "time,value\n1200000000,1.5\n"


def test_a_file_is_read_exactly(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufefftime,volume,value\r\n"
        "1200000000,7,0.1000000000000000055511151231257827\r\n"
        "2008-01-10T21:20:01,7,-1e3\r\n"
        "2008-01-10T23:20:02+02:00,7,+5.\r\n"
        "2008-01-11,7,12345678901234567890.5\r\n\r\n",
    )
    readings = load_csv(path, "time", "value", "mine")
    assert [str(reading.value) for reading in readings] == [
        "0.1000000000000000055511151231257827",
        "-1E+3",
        "5",
        "12345678901234567890.5",
    ]
    assert [reading.observed_at for reading in readings] == [
        1_200_000_000,
        1_200_000_001,
        1_200_000_002,
        1_200_009_600,
    ]
    assert {reading.source for reading in readings} == {"mine"}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (HEAD + "1200000001,NaN\n", 3, "column 'value': 'NaN' is not a plain decimal number"),
        (HEAD + "1200000001,inf\n", 3, "column 'value': 'inf' is not a plain decimal number"),
        (HEAD + "1200000001,n/a\n", 3, "column 'value': 'n/a' is not a plain decimal number"),
        (HEAD + "1200000001,1_000\n", 3, "column 'value': '1_000' is not a plain decimal number"),
        (HEAD + '1200000001,"1,000"\n', 3, "column 'value': '1,000' is not a plain decimal number"),
        (HEAD + "1200000001, 1\n", 3, "column 'value': ' 1' is not a plain decimal number"),
        (HEAD + "1200000001,٣\n", 3, "column 'value': '٣' is not a plain decimal number"),
        (HEAD + "1200000001,0x10\n", 3, "column 'value': '0x10' is not a plain decimal number"),
        (HEAD + "1200000001,1e400\n", 3, "column 'value': 1e+400 is out of range"),
        (HEAD + "1200000001,1e-400\n", 3, "column 'value': 1e-400 is out of range"),
        (HEAD + "1200000001,1e99999999999\n", 3, "is not a plain decimal number"),
        (HEAD + "1200000001,\n", 3, "column 'value': is empty"),
        (HEAD + "1200000001,  \n", 3, "column 'value': is empty"),
        (HEAD + ",2\n", 3, "column 'time': is empty"),
        (HEAD + "1200000001\n", 3, "1 cells where the header has 2"),
        (HEAD + "1200000001,2,3\n", 3, "3 cells where the header has 2"),
        (HEAD + "\n1200000001,2\n", 3, "the line is empty"),
        (HEAD + "1200000000,2\n", 3, "column 'time': '1200000000' repeats the time of the row above"),
        (HEAD + "1199999999,2\n", 3, "column 'time': '1199999999' is before the time of the row above"),
        (HEAD + "2008-01-10T21:20:00Z,2\n", 3, "repeats the time of the row above"),
        (HEAD + "yesterday,2\n", 3, "column 'time': 'yesterday' is neither unix seconds nor an ISO 8601 time"),
        (HEAD + "1200000001.5,2\n", 3, "is neither unix seconds nor an ISO 8601 time"),
        (HEAD + "1200000001000,2\n", 3, "is neither unix seconds nor an ISO 8601 time"),
        ("time,value\n1960-01-01,2\n", 2, "outside the years 1970 to 2106"),
        ("time,value\n9999999999,2\n", 2, "outside the years 1970 to 2106"),
        ("time,price\n1,2\n", 1, "there is no column 'value'; the header has: time, price"),
        ("time,Value\n1,2\n", 1, "there is no column 'value'; did you mean 'Value'?"),
        ("time,value,value\n1,2,3\n", 1, "2 columns 'value'"),
        ("", 1, "there is no column 'time'; the header has: nothing"),
        (HEAD + '1200000001,"2\n', 3, "is not valid CSV"),
    ],
)
def test_a_wrong_cell_is_one_line_with_its_place(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        load_csv(path, "time", "value", "mine")
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert what in message
    assert "\n" not in message


def test_files_that_are_no_series(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_csv(tmp_path / "absent.csv", "time", "value", "x")
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        load_csv(tmp_path, "time", "value", "x")
    with pytest.raises(DataError, match="has no rows below its header"):
        load_csv(write(tmp_path, "time,value\n"), "time", "value", "x")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        load_csv(write(tmp_path, b"time,value\n1,\xff\n"), "time", "value", "x")
    with pytest.raises(DataError, match="is no"):
        load_csv(write(tmp_path, gzip.compress(b"time,value\n1,2\n")), "time", "value", "x")
