"""Recorded series: files are checked as a whole, replays keep values and order, packaged series are what they are."""

from __future__ import annotations

import datetime as dt
import gzip
import importlib.machinery
import itertools
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.app.sources import make_source
from oracle.config import FeedConfig
from oracle.core.errors import DataError, SourceExhausted, ToolMissing
from oracle.sources.interface import Reading, check_value, mask_url, parse_decimal
from oracle.sources.packaged.series import SERIES, load_series
from oracle.sources.replay.csv_file import load_csv
from oracle.sources.replay.source import ReplaySource
from tests.conformance import check_source

START = 1_200_000_000


def series(*values: str, step: int = 10) -> list[Reading]:
    return [Reading(Decimal(value), START + step * i, "recorded") for i, value in enumerate(values)]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: float = 0.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


# --- CSV files ---


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "series.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


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


HEAD = "time,value\n1200000000,1.5\n"


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


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=18))
def test_a_number_survives_being_written(value: Decimal) -> None:
    assert parse_decimal(str(value), "here") == value


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity", "1e39", "-1e39", "1e-40"])
def test_values_that_no_feed_can_have(value: str) -> None:
    with pytest.raises(DataError, match=r"^here: "):
        check_value(Decimal(value), "here")


@pytest.mark.parametrize("value", ["0", "0e-999", "-9.99e38", "1e-39"])
def test_values_that_a_feed_can_have(value: str) -> None:
    assert check_value(Decimal(value), "here") == Decimal(value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://user:pass@host.example:8443/v3/key?token=x#y", "https://host.example:8443/…"),
        ("https://host.example", "https://host.example"),
        ("https://host.example/", "https://host.example"),
        ("https://host.example/?token=x", "https://host.example/…"),
        ("https://[::1", "an invalid URL"),
        ("https://host:port/", "an invalid URL"),
    ],
)
def test_credentials_are_masked(url: str, masked: str) -> None:
    assert mask_url(url) == masked


# --- replay ---


async def test_a_replay_conforms() -> None:
    await check_source(lambda: ReplaySource(series("1", "2", "3")))
    await check_source(lambda: ReplaySource(series("1", "2", "3"), speed=Decimal(1), timestamps="now"))


async def test_at_full_speed_every_reading_is_given_once() -> None:
    source = ReplaySource(series("1", "2", "3"), speed="max")
    assert [await source.read() for _ in range(3)] == series("1", "2", "3")
    for _ in range(2):
        with pytest.raises(SourceExhausted, match="recorded: the recording has ended after 3 readings"):
            await source.read()


async def test_ticks_are_all_readings_and_independent_of_reads() -> None:
    source = ReplaySource(series("1", "2"))
    await source.read()
    assert list(source.ticks()) == series("1", "2")
    assert list(source.ticks()) == series("1", "2")
    assert len(source) == 2


async def test_speed_is_recorded_time_over_real_time() -> None:
    clock = Clock(500.0)
    source = ReplaySource(series("1", "2", "3", "4"), speed=Decimal(20), monotonic=clock)
    seen = []
    for at in (500.0, 500.4, 500.5, 500.9, 501.25, 501.5):
        clock.at = at
        seen.append(str((await source.read()).value))
    assert seen == ["1", "1", "2", "2", "3", "4"]
    with pytest.raises(SourceExhausted):
        await source.read()


async def test_a_slow_reader_misses_readings_but_not_the_last() -> None:
    clock = Clock()
    source = ReplaySource(series("1", "2", "3", "4"), speed=Decimal(1), monotonic=clock)
    assert (await source.read()).value == 1
    clock.at = 1_000_000.0
    assert (await source.read()).value == 4
    with pytest.raises(SourceExhausted):
        await source.read()


async def test_recorded_times_can_be_moved_to_the_present() -> None:
    clock, wall = Clock(), Clock(1_700_000_000.9)
    source = ReplaySource(
        series("1", "2", "3", step=86_400),
        speed=Decimal(8_640),
        timestamps="now",
        monotonic=clock,
        wall=wall,
    )
    seen = []
    for at in (0.0, 9.9, 10.0, 20.0):
        clock.at, wall.at = at, 1_700_000_000.9 + at
        seen.append((await source.read()).observed_at)
    assert seen == [1_700_000_000, 1_700_000_000, 1_700_000_010, 1_700_000_020]
    assert max(seen) <= wall.at


@pytest.mark.parametrize(
    ("readings", "options"),
    [
        ([], {}),
        (series("1", "2")[::-1], {}),
        (series("1", "2", step=0), {}),
        (series("1"), {"speed": "max", "timestamps": "now"}),
    ],
)
def test_a_replay_that_makes_no_sense(readings: list[Reading], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"replay|timestamps"):
        ReplaySource(readings, **options)


# --- packaged series ---


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


def packed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


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
        "print([name for name in ('arch', 'pandas', 'numpy', 'httpx') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


# --- from the configuration ---


def feed(*sources: dict[str, Any]) -> FeedConfig:
    return FeedConfig.model_validate(
        {
            "name": "oil",
            "description": "WTI / USD",
            "kind": "relative",
            "decimals": 2,
            "sigma": 20_000,
            "heartbeat": 86_400,
            "deviation_ppm": 10_000,
            "min_sources": min(2, len(sources)),
            "sources": tuple(sources),
        }
    )


async def test_sources_are_built_as_configured(tmp_path: Path) -> None:
    configured = feed(
        {"type": "packaged", "series": "wti", "speed": "max", "start": "2008-01-02"},
        {"type": "replay", "file": write(tmp_path, HEAD), "name": "mine"},
        {"type": "http", "url": "https://prices.example/wti", "path": "$.price", "name": "web"},
    )
    sources = [make_source(configured, index) for index in range(3)]
    assert [each.name for each in sources[1:]] == ["mine", "web"]
    assert (await sources[0].read()).value == Decimal("99.64")
    assert (await sources[1].read()).value == Decimal("1.5")
    for each in sources:
        await each.close()


def test_a_bad_recording_is_found_before_anything_starts(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1200000001,NaN\n")
    with pytest.raises(DataError, match=r"series\.csv:3: column 'value'"):
        make_source(feed({"type": "replay", "file": path}), 0)
