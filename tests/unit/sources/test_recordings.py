"""Tests of the reader of recordings: what people have is read exactly, what was changed is said, mistakes are told."""

from __future__ import annotations

import datetime as dt
import gzip
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oracle.core.errors import DataError
from oracle.sources.recordings import RecordedTable, parse_stretch, read_table, sheets

HEAD = "time,value\n1200000000,1.5\n"


def write(tmp_path: Path, text: str | bytes, name: str = "series.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(tmp_path: Path, text: str | bytes, name: str = "series.csv", **named: Any) -> RecordedTable:
    return read_table(write(tmp_path, text, name), **named)


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())


def test_a_file_is_read_exactly(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "\ufefftime,volume,value\r\n"
        "1200000000,7,0.1000000000000000055511151231257827\r\n"
        "2008-01-10T21:20:01,7,-1e3\r\n"
        "2008-01-10T23:20:02+02:00,7,+5.\r\n"
        "2008-01-11,7,12345678901234567890.5\r\n\r\n",
    )
    readings = table.readings("value", "mine")
    assert [str(reading.value) for reading in readings] == [
        "0.1000000000000000055511151231257827",
        "-1E+3",
        "5",
        "12345678901234567890.5",
    ]
    assert table.times == (1_200_000_000, 1_200_000_001, 1_200_000_002, 1_200_009_600)
    assert {reading.source for reading in readings} == {"mine"}
    assert table.notes == ("times have no zone: they are taken as UTC",)


@pytest.mark.parametrize(
    ("text", "first", "values", "notes"),
    [
        pytest.param(
            "https://www.CryptoDataDownload.com\nDate,Symbol,Open,Close\n2019-07-30 01-AM,BTC,1,95.1\n"
            "2019-07-30 12-AM,BTC,1,95.2\n2019-07-29 11-PM,BTC,1,95.3\n",
            "2019-07-29T23:00",
            ("95.3", "95.2", "95.1"),
            [
                "line 1 is above the table, and was skipped: https://www.CryptoDataDownload.com",
                "no zone",
                "newest first",
            ],
            id="cryptodatadownload",
        ),
        pytest.param(
            "unix,date,close\n1564448400000,2019-07-30 01:00:00,2\n1564444800,2019-07-30 00:00:00,1\n",
            "2019-07-30",
            ("1", "2"),
            [
                "times are those of 'unix'; 'date' say the same",
                "milliseconds are taken in seconds: 1 of 2",
                "newest first",
            ],
            id="two-names-that-agree",
        ),
        pytest.param(
            "2019-07-30 01:00,5.5\n2019-07-30 02:00,6.5\n",
            "2019-07-30T01:00",
            ("5.5", "6.5"),
            ["there is no header", "times are those of column '1'", "values are those of column '2'", "no zone"],
            id="headerless",
        ),
        pytest.param(
            "# exported by a broker, at noon\nDate\tPrice\n07/12/2019 1:00 PM\t5\n07/13/2019 13:00:00\t6\n",
            "2019-07-12T13:00",
            ("5", "6"),
            ["line 1", "month/day/year", "no zone"],
            id="month-first",
        ),
        pytest.param(
            "Datum;Wert\n31.12.2019 13:00;5.5\n01.01.2020 13:00;6.5\n",
            "2019-12-31T13:00",
            ("5.5", "6.5"),
            ["times are those", "values are those", "day/month/year", "no zone"],
            id="day-first",
        ),
        pytest.param(
            "date,value\n20190730,1\n20190731,2\n", "2019-07-30", ("1", "2"), ["20190730", "no zone"], id="compact"
        ),
        pytest.param(
            "date,value\n2019.07.30 01:00,1\n2019.07.30 02:00,2\n",
            "2019-07-30T01:00",
            ("1", "2"),
            ["no zone"],
            id="dots",
        ),
        pytest.param(
            '"Day","Value"\n"Jul 30, 2019",1\n31-Jul-2019 00:00:00 GMT,2\n',
            "2019-07-30",
            ("1", "2"),
            ["times are those of column 'Day'", "no zone"],
            id="month-names",
        ),
        pytest.param(
            "time,value\n1564448400000000,1\n1564448401000000000,2\n",
            "2019-07-30T01:00",
            ("1", "2"),
            ["microseconds are taken in seconds: 1 of 2", "nanoseconds are taken in seconds: 1 of 2"],
            id="micro-and-nano",
        ),
        pytest.param(
            "time_ms,value\n1564448400,1\n1564448401,2\n",
            "2019-07-30T01:00",
            ("1", "2"),
            [
                "times are those of column 'time_ms'",
                "column 'time_ms' names milliseconds, but its times are in seconds: they are read so",
            ],
            id="seconds-where-milliseconds-are-said",
        ),
        pytest.param(
            "time (s),value\n1564448400000,1\n1564448401000,2\n",
            "2019-07-30T01:00",
            ("1", "2"),
            [
                "times are those of column 'time (s)'",
                "milliseconds are taken in seconds: 2 of 2",
                "column 'time (s)' names seconds, but its times are in milliseconds: they are read so",
            ],
            id="milliseconds-where-seconds-are-said",
        ),
        pytest.param(
            "time,value\n1564448,1\n1564449,2\n",
            "1970-01-19T02:34:08",
            ("1", "2"),
            ["column 'time' is of 1970-01-19 to 1970-01-19, as unix times in seconds: were milliseconds divided"],
            id="milliseconds-divided-twice",
        ),
        pytest.param(
            "# time,value\n1564448400.0,1\n1564448401.5,2\n", "2019-07-30T01:00", ("1", "2"), ["parts"], id="numpy"
        ),
        pytest.param("sep=;\ntime;value\n1564448400;1\n1564448401;2\n", "2019-07-30T01:00", ("1", "2"), [], id="excel"),
        pytest.param("time, value\n1564448400, 1\n1564448401, 2\n", "2019-07-30T01:00", ("1", "2"), [], id="blanks"),
        pytest.param(
            ",close\n2019-07-30,1\n2019-07-31,2\n", "2019-07-30", ("1", "2"), ["column '1'", "no zone"], id="pandas"
        ),
        pytest.param(
            "unix,eurusd_mid\n1564448400,1\n1564448401,2\n",
            "2019-07-30T01:00",
            ("1", "2"),
            ["'eurusd_mid'"],
            id="only-numbers",
        ),
        pytest.param(
            "round_id,answer,updated_at\n110680464442257309697,1,1564448400\n110680464442257309698,2,1564448401\n",
            "2019-07-30T01:00",
            ("1", "2"),
            [],
            id="rounds",
        ),
    ],
)
def test_files_as_people_have_them_are_read_and_changes_are_said(
    tmp_path: Path, text: str, first: str, values: tuple[str, ...], notes: list[str]
) -> None:
    table = read(tmp_path, text)
    assert table.times[0] == at(first) and list(table.times) == sorted(table.times)
    assert table.columns[table.value_columns[0]] == tuple(Decimal(value) for value in values)
    assert len(table.notes) == len(notes), table.notes
    for note, says in zip(table.notes, notes, strict=True):
        assert says in note


def test_text_in_utf_16_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "time,value\n1,5\n2,6\n".encode("utf-16")).times == (1, 2)


def test_xlsx_is_read_as_csv_is(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["My report"],
        [],
        ["Date", "Close", "Note"],
        [dt.datetime(2019, 7, 30, 2), 2.1, None],
        [dt.datetime(2019, 7, 30, 1), 1.1, "x"],
    ):
        sheet.append(row)
    other = book.create_sheet("Other")
    other.append(["time", "value"])
    other.append([1, 2])
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx")
    assert table.times == (at("2019-07-30T01:00"), at("2019-07-30T02:00"))
    assert table.columns["Close"] == (Decimal("1.1"), Decimal("2.1"))
    assert [note.split(":")[0] for note in table.notes] == [
        "line 1 is above the table, and was skipped",
        "there are 2 sheets with a table",
        "times have no zone",
        "rows are newest first",
    ]
    sheet.append([dt.datetime(2019, 7, 30, 3), "n/a"])
    sheet.append([None, 3.5])
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "a.xlsx")
    assert str(caught.value).splitlines()[1:] == [
        "  row 7: column 'Date': is empty",
        "  row 6: column 'Close': 'n/a' is not a plain decimal number",
    ]


def test_an_xlsx_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 100_000)
    monkeypatch.setattr(sheets, "MOST_UNPACKED", 99_999)
    with pytest.raises(DataError, match="more than 2 GB"):
        read_table(tmp_path / "bomb.xlsx")
    assert (tmp_path / "bomb.xlsx").stat().st_size < 1_000


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    moments = [dt.datetime(2019, 7, 30, 2), dt.datetime(2019, 7, 30, 1)]
    for times, notes in (
        (pyarrow.array(moments, pyarrow.timestamp("ns")), ["times have no zone: they are taken as UTC"]),
        (pyarrow.array(moments, pyarrow.timestamp("ms", "UTC")), []),
        (
            pyarrow.array([1_564_452_000_000, 1_564_448_400_000]),
            ["unix times in milliseconds are taken in seconds: 2 of 2"],
        ),
    ):
        parquet.write_table(pyarrow.table({"time": times, "value": [2.1, 1.1]}), tmp_path / "a.parquet")
        table = read_table(tmp_path / "a.parquet")
        assert table.times == (at("2019-07-30T01:00"), at("2019-07-30T02:00"))
        assert table.columns["value"] == (Decimal("1.1"), Decimal("2.1"))
        assert table.notes == (*notes, "rows are newest first: they were turned round")
    parquet.write_table(pyarrow.table({"time": [5, 4, 6], "value": [1.0, float("nan"), None]}), tmp_path / "a.parquet")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "a.parquet")
    assert str(caught.value).splitlines()[1:] == [
        "  row 2: column 'value': is empty; a number is expected",
        "  row 3: column 'value': is empty; a number is expected",
        "  row 2: column 'time': '4' is before the time of the row above; times must rise",
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (HEAD + "1200000001,NaN\n", 3, "column 'value': 'NaN' is not a plain decimal number"),
        (HEAD + "1200000001,inf\n", 3, "column 'value': 'inf' is not a plain decimal number"),
        (HEAD + "1200000001,n/a\n", 3, "column 'value': 'n/a' is not a plain decimal number"),
        (HEAD + "1200000001,1_000\n", 3, "column 'value': '1_000' is not a plain decimal number"),
        (HEAD + '1200000001,"1,000"\n', 3, "'1,000' is not a plain decimal number: write it without commas"),
        ("time;value\n1200000001;1,5\n", 2, "'1,5' is not a plain decimal number: write it without commas"),
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
        ("time,value\n2,1\n1,1\n1,1\n", 3, "column 'time': '1' repeats the time of the row below"),
        ("time,value\n1,1\n3,1\n2,1\n4,1\n", 4, "column 'time': '2' is before the time of the row above"),
        (HEAD + "2008-01-10T21:20:00Z,2\n", 3, "repeats the time of the row above"),
        (HEAD + "yesterday,2\n", 3, "column 'time': 'yesterday' is no time of a known form"),
        (HEAD + "13:00,2\n", 3, "'13:00' has no date: join the columns"),
        (HEAD + "1.5644484E+12,2\n", 3, "was rounded by a spreadsheet"),
        ("time,value\n2019-07-30 13-PM,2\n", 2, "has no hour from 1 to 12 before AM or PM"),
        ("time,value\n2019-07-30 13:00 EST,2\n", 2, "a zone, of no known form"),
        ("time,value\n2019-02-30,2\n", 2, "is no date"),
        ("time,value\n30/07/19,2\n", 2, "has a year of two digits"),
        ("time,value\n1960-01-01,2\n", 2, "outside the years 1970 to 2106"),
        ("time,value\n9999999999,2\n", 2, "outside the years 1970 to 2106"),
        ("time,value\n07/12/2019,2\n08/12/2019,3\n", 1, "'07/12/2019' may be a month and a day, or a day and a month"),
        ("time,value\n07/13/2019,2\n13/07/2019,3\n", 1, "days and months are in both orders"),
        ("time,value\n43676.04,2\n43676.08,3\n", 1, "'43676.04' is a spreadsheet's number of a day"),
        (
            "time,worth,price,close\n1,2,3,4\n",
            1,
            "any of price, close may hold the values; name it with --value-column",
        ),
        (
            "time,a,b\n1,2,3\n",
            1,
            "no column is known to hold the values; name it with --value-column (value_columns)",
        ),
        (
            "unix,date,value\n1,1970-01-02,3\n",
            1,
            "name it with --time-column (time_column): 'unix' and 'date' differ in",
        ),
        ("tme,value\n1,3\n", 1, "no column is known to hold the times (is it a misspelt 'time'?)"),
        ("1564448400,2,1564448401\n1564448402,2,1564448403\n", 1, "any of the columns 1, 3 may hold the times"),
        (HEAD + '1200000001,"2\n', 3, "is not valid CSV"),
    ],
)
def test_a_wrong_cell_is_one_line_with_its_place(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_table(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert what in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "named", "what"),
    [
        ("time,price\n1,1\n", {"value_columns": ["value"]}, "there is no column 'value'; the header has: time, price"),
        ("time,Value\n1,1\n", {"value_columns": ["value"]}, "there is no column 'value'; did you mean 'Value'?"),
        ("time,value,value\n1,2,3\n", {"value_columns": ["value"]}, "2 columns 'value'"),
        ("Time,value\n1,2\n", {"time_column": "time"}, "there is no column 'time'; did you mean 'Time'?"),
        ("time,value\n1,2\n", {"peer_columns": ["eth"]}, "there is no column 'eth'"),
    ],
)
def test_a_wrong_name_is_one_line(tmp_path: Path, text: str, named: dict[str, Any], what: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, **named)
    assert what in str(caught.value) and "\n" not in str(caught.value)


def test_all_problems_are_told_at_once_and_not_without_bound(tmp_path: Path) -> None:
    text = "time,value\n1,x\n2\nnever,3\n4,4\n\n5,5\n"
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'series.csv'}: 4 problems:",
        "  line 3: 1 cells where the header has 2",
        "  line 6: the line is empty; a recording has no gaps",
        str(caught.value).splitlines()[3],
        "  line 2: column 'value': 'x' is not a plain decimal number",
    ]
    assert caught.value.args[0].splitlines()[3].startswith("  line 4: column 'time': 'never' is no time")
    with pytest.raises(DataError) as caught:
        read(tmp_path, "time,value\n" + "".join(f"{row},x\n" for row in range(1, 1_000)))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("999 problems:") and len(lines) == 12 and lines[-1] == "  and 989 more"


def test_repeated_times_can_be_taken_from_the_last_row(tmp_path: Path) -> None:
    table = read(tmp_path, "time,value\n1,5\n1,6\n2,7\n", keep_last=True)
    assert table.times == (1, 2) and table.columns["value"] == (Decimal(6), Decimal(7))
    assert table.notes == ("rows with the time of the row after them were left out: 1",)


def test_columns_of_peers_may_have_empty_cells(tmp_path: Path) -> None:
    table = read(tmp_path, "time,value,eth\n1,5,\n2,7,8\n", peer_columns=["eth"])
    assert table.value_columns == ("value",)
    assert table.columns == {"value": (Decimal(5), Decimal(7)), "eth": (None, Decimal(8))}
    table = read(tmp_path, "time,btc,eth\n1,5,3\n2,7,8\n", peer_columns=["eth"])
    assert table.value_columns == ("btc",)


def test_files_that_are_no_series(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="has no rows below its header"):
        read(tmp_path, "time,value\n")
    with pytest.raises(DataError, match="is empty"):
        read(tmp_path, "\n \n")
    with pytest.raises(DataError, match="it is not text in UTF-8: byte 13 can't be read"):
        read(tmp_path, b"time,value\n1,\xff\n")
    with pytest.raises(DataError, match="is compressed"):
        read(tmp_path, gzip.compress(b"time,value\n1,2\n"))
    with pytest.raises(DataError, match="is a ZIP archive"):
        read(tmp_path, b"PK\x03\x04")
    with pytest.raises(DataError, match="not an XLSX file"):
        read(tmp_path, b"PK\x03\x04", "series.xlsx")
    with pytest.raises(DataError, match="not a Parquet file"):
        read(tmp_path, b"PAR1", "series.parquet")
    with pytest.raises(DataError, match="60 lines are above what looks like the table"):
        read(tmp_path, "title\n" * 60 + "time,value\n" + "".join(f"{row},1\n" for row in range(1, 100)))


def test_a_line_above_the_table_can_command_no_terminal(tmp_path: Path) -> None:
    table = read(tmp_path, "# \x1b[2Jcleared\ntime,value\n1,2\n")
    assert table.notes == ("line 1 is above the table, and was skipped: # [2Jcleared",)


def test_stretches() -> None:
    midnight = at("2023-03-10")
    assert parse_stretch("2023-03-10T00:00:00", "2023-03-13T00:00:00") == (midnight, at("2023-03-13"))
    assert parse_stretch("2023-03-10", "2023-03-10") == (midnight, midnight + 86_399)
    assert parse_stretch(dt.date(2023, 3, 10), dt.datetime(2023, 3, 11)) == (midnight, midnight + 86_400)
    assert parse_stretch(midnight, str(midnight)) == (midnight, midnight)
    for first, last in (("2023-03-10", "2023-03-09"), ("soon", "2023-03-10"), ("03/04/2023", "2023-05-10")):
        with pytest.raises(ValueError):
            parse_stretch(first, last)
