"""Tests that packaged series are what their descriptions say, and are read without their package."""

from __future__ import annotations

import datetime as dt
import gzip
import importlib.machinery
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oracle.core.errors import DataError, ToolMissing
from oracle.sources.packaged.series import SERIES, load_series


def packed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        ("sp500", (dt.date(1999, 1, 4), "1228.099976"), (dt.date(2018, 12, 31), "2506.850098"), 5_031),
        ("nasdaq", (dt.date(1999, 1, 4), "2208.050049"), (dt.date(2018, 12, 31), "6635.279785"), 5_031),
        ("wti", (dt.date(1986, 1, 2), "25.56"), (dt.date(2019, 1, 3), "46.92"), None),
        ("vix", (dt.date(2014, 1, 3), "13.76"), (dt.date(2019, 1, 3), "25.45"), None),
    ],
)
def test_packaged_series(name: str, first: tuple[dt.date, str], last: tuple[dt.date, str], count: int | None) -> None:
    readings = load_series(name)
    for reading, (day, value) in ((readings[0], first), (readings[-1], last)):
        assert reading.observed_at == dt.datetime(day.year, day.month, day.day, 21, tzinfo=dt.UTC).timestamp()
        assert str(reading.value) == value
        assert reading.source == name
    assert count is None or len(readings) == count
    assert all(a.observed_at < b.observed_at for a, b in itertools.pairwise(readings))
    assert all(reading.value > 0 for reading in readings)


def test_days_without_trading_are_passed_over() -> None:
    # 20 January 2014 was a holiday; the file has a row for it, with a point in the cell.
    days = [
        dt.datetime.fromtimestamp(reading.observed_at, dt.UTC).day
        for reading in load_series("vix", dt.date(2014, 1, 17), dt.date(2014, 1, 22))
    ]
    assert days == [17, 21, 22]


def test_a_range_and_another_column() -> None:
    readings = load_series("sp500", dt.date(2008, 9, 12), dt.date(2008, 9, 15), "spx", "Open")
    assert [str(reading.value) for reading in readings] == ["1245.880005", "1250.920044"]
    assert readings[0].source == "spx"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("gold",), "there is no packaged series 'gold'; there are: sp500, nasdaq, wti, vix"),
        (("vix", dt.date(2008, 1, 1), dt.date(2008, 2, 1)), "vix: has no readings from 2008-01-01"),
        (("vix", None, None, None, "Open"), "expected the columns 'Date' and 'Open'"),
    ],
)
def test_a_packaged_series_that_is_not_there(arguments: tuple[Any, ...], what: str) -> None:
    with pytest.raises(DataError, match=what):
        load_series(*arguments)


def test_without_arch_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.sources.packaged.series.find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match=r'pip install "verifiable-oracle\[demo\]"'):
        load_series("sp500")


@pytest.mark.parametrize(
    ("content", "error", "what"),
    [
        (None, ToolMissing, "does not carry sp500/sp500.csv.gz"),
        (b"no gzip", DataError, "can't be read"),
        (packed(b"Date,Adj Close\n1/4/1999,1\n")[:-9], DataError, "can't be read"),
        (packed(b"Date,Adj Close\n1999-01-04,1\n"), DataError, ":2: column 'Date'"),
        (packed(b"Date,Adj Close\n1/5/1999,1\n1/4/1999,1\n"), DataError, "times must rise"),
        (packed(b"Date,Adj Close\n1/5/1999,.\n"), DataError, "not a plain decimal number"),
        (packed(b"Date,Adj Close\n1/5/1999\n"), DataError, "1 cells where the header has 2"),
    ],
    ids=["absent", "no gzip", "cut off", "other dates", "backward", "missing", "too few cells"],
)
def test_a_damaged_package_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    error: type[Exception],
    what: str,
) -> None:
    spec = importlib.machinery.ModuleSpec("arch", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr("oracle.sources.packaged.series.find_spec", lambda name: spec)
    if content is not None:
        (tmp_path / "data" / "sp500").mkdir(parents=True)
        (tmp_path / "data" / SERIES["sp500"].file).write_bytes(content)
    with pytest.raises(error, match=what) as caught:
        load_series("sp500")
    assert "\n" not in str(caught.value)


def test_neither_arch_nor_pandas_is_imported() -> None:
    script = (
        "import sys; from oracle.sources.packaged.series import load_series; load_series('wti');"
        "print([name for name in ('arch', 'pandas', 'numpy', 'aiohttp') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
